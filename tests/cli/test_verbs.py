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


def test_each_example_is_a_template(capsys: Captured, tmp_path: Path) -> None:
    assert main(["spec", "template", "--list"]) == DONE
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    files = {path.stem: path.read_text() for path in EXAMPLES.glob("*.yaml")}
    assert listed == {name: text.partition("\n")[0].removeprefix("# ") for name, text in files.items()}
    copied = tmp_path / "mine.yaml"
    assert main(["spec", "template", "retrieval", "--output", str(copied)]) == DONE
    assert copied.read_text() == files["retrieval"]
    assert main(["spec", "template", "copy", "--output", str(copied)]) == MISUSE
    assert copied.read_text() == files["retrieval"]


DARK = "dark_filter:DarkFilter"
LISTED = (
    f"{{stages: [{{use: '{DARK}'}}, {{use: '{DARK}', key: often}}], "
    "captions: {}, questions: [{question: Who}]}"
)


def test_parameters_of_stages_in_a_list_can_be_set(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sets = (
        "stages.dark.threshold=0.2",
        "stages.often.target_fps=8",
        "stages.1.threshold=0",
        "questions.0.question=Why",
    )
    assert (
        main(["spec", "show", "--spec", LISTED, *(word for one in sets for word in ("--set", one))]) == DONE
    )
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["stages"][0] == {"use": DARK, "key": "", "after": "", "threshold": 0.2}
    assert shown["stages"][1] == {"use": DARK, "key": "often", "after": "", "target_fps": 8, "threshold": 0}
    assert shown["questions"][0]["question"] == "Why"


@pytest.mark.parametrize(
    ("set_", "said"),
    [
        ("stages.drak.threshold=1", "there is no drak among dark, often; did you mean dark?"),
        ("stages.dark.thresold=1", "stage dark: there is no parameter thresold; did you mean threshold?"),
        ("stages.dark=1", "stages holds several groups: name one, then its parameter"),
        ("stages.dark.threshold.x=1", "stage dark: threshold must be a number"),
        ("questions.4.question=x", "there is no 4 among 0"),
    ],
)
def test_what_cannot_be_set_in_a_list_is_one_line(
    set_: str, said: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    assert main(["spec", "show", "--spec", LISTED, "--set", set_]) == MISUSE
    shown = capsys.readouterr()
    assert said in shown.err
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert main(["spec", "show", "--set", "stages.dark.threshold=1"]) == MISUSE
    assert "the spec has none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["spec", "template", "retreival"], "there is no template retreival; did you mean retrieval?"),
        (["curatee"], "did you mean curate?"),
        (["stages", "qualty"], "did you mean quality?"),
        (["spec", "check", "nowhere.yaml"], "nowhere.yaml"),
        (["spec", "show", "--set", "quality"], "--set needs key=value"),
        (["spec", "show", "--set", "video_limit.max=1"], "video_limit"),
        (["spec", "show", "--sett", "a=1"], "--sett"),
        (["models", "fetch", "no_such_model"], "no_such_model"),
        (["report", "nowhere"], "nowhere does not exist"),
        (["report", "."], "holds no manifest.json: nothing was published there"),
        (["report", ""], "the output is empty: name a folder or a URI"),
        (["unlock", "."], "is no output of clipmill"),
        (["search", "ftp://films/out", "a dog"], "ftp:// cannot be used: name a path, s3://"),
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
