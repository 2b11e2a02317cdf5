"""The verbs that need no run: what they print, and one line for what they cannot do."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from clipmill.cli.exits import DONE, MISUSE
from clipmill.cli.main import VERBS, main
from clipmill.models.registry import MODELS
from clipmill.planning.describe import describe_all
from clipmill.specs import CurateSpec

EXAMPLES = Path(__file__).parents[2] / "examples"
Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: Captured) -> None:
    assert main([verb, "--help"]) == DONE
    assert f"Usage: clipmill {verb}" in capsys.readouterr().out


def test_the_stages_are_listed_and_shown(capsys: Captured) -> None:
    assert main(["stages"]) == DONE
    listed = capsys.readouterr().out
    assert all(stage.cls in listed for stage in describe_all())
    assert main(["stages", "QualityFilterStage"]) == DONE
    shown = capsys.readouterr().out
    assert "sample_fps" in shown
    assert "sharpness" in shown


def test_a_template_is_the_default_spec(capsys: Captured, tmp_path: Path) -> None:
    assert main(["spec", "template"]) == DONE
    printed = capsys.readouterr().out
    assert CurateSpec.model_validate(yaml.safe_load(printed)) == CurateSpec()
    path = tmp_path / "spec.yaml"
    path.write_text(printed)
    assert main(["spec", "check", str(path)]) == DONE


def test_a_single_parameter_can_be_set(capsys: Captured) -> None:
    assert main(["spec", "show", "--set", "quality.black_ratio.max=0.25", "--set", "preview=null"]) == DONE
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["quality"]["black_ratio"]["max"] == 0.25
    assert shown["preview"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["curatee"], "did you mean curate?"),
        (["stages", "qualty"], "did you mean quality?"),
        (["spec", "check", "nowhere.yaml"], "nowhere.yaml"),
        (["spec", "show", "--set", "quality"], "--set needs key=value"),
        (["spec", "show", "--set", "video_limit.max=1"], "video_limit"),
        (["spec", "show", "--sett", "a=1"], "--sett"),
        (["models", "fetch", "no_such_model"], "no_such_model"),
        (["report", "nowhere"], "holds no manifest.json"),
        (["search", "nowhere", "a dog"], "holds no manifest.json"),
        (["dedup", "nowhere", "out"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], said: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == MISUSE
    error = capsys.readouterr().err
    assert error.startswith("clipmill: ")
    assert said in error
    assert error.count("\n") == 1


def test_a_traceback_is_shown_where_it_is_asked_for(capsys: Captured) -> None:
    assert main(["report", "nowhere", "--traceback"]) == MISUSE
    assert "Traceback" in capsys.readouterr().err


def test_every_model_is_listed(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["models", "list"]) == DONE
    listed = capsys.readouterr().out
    assert all(entry.source in listed for entry in MODELS)


def test_help_waits_for_no_library() -> None:
    code = (
        "import sys, clipmill.cli.main as m; m.main([]); print({'av', 'numpy', 'pyarrow'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip().endswith("set()")


def test_a_users_stage_is_shown(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    assert main(["stages", "dark_filter:DarkFilter"]) == DONE
    shown = capsys.readouterr().out
    assert "{use: dark_filter:DarkFilter}" in shown
    assert "threshold" in shown
