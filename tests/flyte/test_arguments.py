"""Wrong arguments: found before any work, told in one line; and every way to say what is wanted."""

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from flytekit.clis.sdk_in_container.pyflyte import main as pyflyte
from flytekit.core.type_engine import TypeEngine
from flytekit.extras.pydantic_transformer.transformer import PydanticTransformer

from clipmill.cli.exits import MISUSE, STOPPED
from clipmill.cli.main import main as clipmill
from clipmill.curation.publication import last_published
from clipmill.dataset.run_record import RunRecord, latest_run, write_run
from clipmill.errors import RunStopped
from clipmill.layout import run_path
from clipmill.outcomes.run_end import RunEnd, Tally
from clipmill.runs.lease import take
from clipmill.runs.run_id import new_run_id
from clipmill.spec_file import load_spec
from tasks.publish import conclude
from tasks.specs import Curation, Deduplication, Exporting
from tests.support.runs.curation import ROOT, run_python
from workflows import command


@pytest.fixture
def source(tmp_path: Path, film: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    shutil.copy2(film, folder / "harbour.mp4")
    return folder


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test in which the workflow is started."""

    def started(arguments: list[str], **_: object) -> None:
        pytest.fail(f"the workflow was started: {arguments}")

    monkeypatch.setattr(command, "pyflyte", started)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What ``python -m workflows.curate`` says on standard error; it ends with 2."""
    assert command.main(arguments) == MISUSE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("clipmill: ").strip()


SPECS = {
    "unknown key": ('{"spilt": {}}', "there is no parameter spilt; did you mean split?"),
    "unknown key inside": (
        '{"split": {"content": {"treshold": 1}}}',
        "split.content: there is no parameter treshold; did you mean threshold?",
    ),
    "impossible value": ('{"embedding": {"target_fps": -1}}', "embedding.target_fps"),
    "impossible pair": ('{"split": {"content": {"min_length_s": 9, "max_length_s": 5}}}', "no clip fits"),
    "not a number": ('{"preview": {"target_height": "tall"}}', "preview.target_height"),
    "infinity": ('{"limits": {"max_duration_s": .inf}}', "limits.max_duration_s"),
    "not JSON": ('{"split": ', "neither YAML nor JSON"),
    "a list": ("[1]", "cannot read the spec [1]"),
    "no such file": ("nowhere.yaml", "cannot read the spec nowhere.yaml"),
}


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(("spec", "message"), SPECS.values(), ids=SPECS)
def test_bad_spec_is_told_in_one_line(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spec: str, message: str
) -> None:
    said = told(capsys, "--source", str(source), "--output", str(tmp_path / "out"), "--spec", spec)
    assert message in said
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("nothing_runs")
def test_output_of_another_run_is_told_in_one_line(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lease = take(str(tmp_path / "out"), new_run_id())
    assert command.main(["--source", str(source), "--output", str(tmp_path / "out")]) == STOPPED
    said = capsys.readouterr().err
    assert said.startswith(f"clipmill: run {lease.run_id} on ")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("nothing_runs")
def test_source_that_does_not_exist_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "--source", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out"))
    assert said == f"{tmp_path / 'nowhere'} does not exist"


@pytest.mark.usefixtures("nothing_runs")
def test_source_without_videos_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "notes.txt").write_text("no film")
    said = told(capsys, "--source", str(tmp_path / "source"), "--output", str(tmp_path / "out"))
    assert said == f"{tmp_path / 'source'} holds no video, only other files: 1 file (1 .txt)"


@pytest.mark.usefixtures("nothing_runs")
def test_output_below_a_file_is_told(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path that no user can write to, whatever the permissions say."""
    (tmp_path / "file").write_text("no folder")
    output = str(tmp_path / "file" / "out")
    assert told(capsys, "--source", str(source), "--output", output).startswith(f"cannot write to {output}: ")


@pytest.mark.usefixtures("nothing_runs")
def test_output_that_is_the_source_is_told(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "--source", str(source), "--output", f"{source}/.")
    assert said == f"the output is the source itself: {source}"


LISTS = {
    "no list": ({"a": 1}, "needs a JSON list of paths, got dict"),
    "no string": (["harbour.mp4", 7], "entry 1 is no string: 7"),
    "outside": (["../other.mp4"], "entry 0 does not lie under"),
}


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(("listed", "message"), LISTS.values(), ids=LISTS)
def test_bad_list_names_the_entry(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], listed: object, message: str
) -> None:
    (tmp_path / "list.json").write_text(json.dumps(listed))
    spec = json.dumps({"input_list_json_path": str(tmp_path / "list.json")})
    said = told(capsys, "--source", str(source), "--output", str(tmp_path / "out"), "--spec", spec)
    assert message in said


def test_module_ends_with_one_line_and_no_traceback(tmp_path: Path) -> None:
    arguments = ["--source", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]
    ended = run_python("-m", "workflows.curate", *arguments)
    assert ended.returncode != 0
    assert ended.stderr == f"clipmill: {tmp_path / 'nowhere'} does not exist\n"
    assert ended.stdout == ""


INTERRUPTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

module, sys.argv = sys.argv[1], ["-m"]
sys.meta_path.insert(0, Finder())
import workflows
"""


@pytest.mark.parametrize("module", ["flytekit", "tasks.specs"])
def test_ctrl_c_before_and_behind_the_import_of_flytekit_is_one_line(module: str) -> None:
    """flytekit takes the signal over when it is imported, and ends the process without a word."""
    done = run_python("-c", INTERRUPTED, module)
    assert (done.returncode, done.stderr) == (STOPPED, "clipmill: stopped; nothing was begun\n")


def said_by_pyflyte(*arguments: str) -> list[str]:
    """What ``pyflyte run workflows/curate.py curate`` says at 80 columns, without empty lines."""
    with chdir(ROOT):
        done = CliRunner(env={"COLUMNS": "80"}).invoke(
            pyflyte, ["run", "workflows/curate.py", "curate", *arguments]
        )
    return [line for line in done.output.splitlines() if line.strip()]


def test_help_of_the_workflow_fits_on_a_screen() -> None:
    said = said_by_pyflyte("--help")
    assert len(said) <= 50
    assert all(option in " ".join(said) for option in ("--source", "--output", "--spec", "--engine"))


WRONG = {
    "key": ('{"spilt": {}}', "did you mean split?"),
    "key inside": ('{"split": {"content": {"treshold": 1}}}', "did you mean threshold?"),
    "value": ('{"embedding": {"target_fps": -1}}', "embedding.target_fps must be at least 0.001"),
    "pair": ('{"split": {"content": {"min_length_s": 9, "max_length_s": 5}}}', "no clip fits"),
    "no number": ('{"preview": {"target_height": "tall"}}', "preview.target_height"),
    "no choice": ('{"transcode": {"encoder": "x"}}', "transcode.encoder"),
    "no group": ('{"quality": 3}', "quality"),
    "no stage": ('{"stages": [{"used": "a:B"}]}', "did you mean use instead of used?"),
    "needs another": ('{"questions": [{"question": "Is it dark?"}]}', "captions"),
    "no JSON": ('{"split": ', "neither YAML nor JSON"),
    "no file": ("nowhere.yaml", "cannot read the spec nowhere.yaml: No such file"),
    "a bound field": ('{"limits": {"max_attempts": 0}}', "limits.max_attempts"),
}


@pytest.mark.parametrize(("spec", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_spec_is_said_by_pyflyte_in_six_lines(tmp_path: Path, spec: str, message: str) -> None:
    said = said_by_pyflyte("--source", str(tmp_path), "--output", str(tmp_path / "out"), "--spec", spec)
    assert len(said) <= 6
    assert message in " ".join(line.strip("│ ") for line in said)
    assert not (tmp_path / "out").exists()


SAID_BY_PYFLYTE = {
    "curate.py curate --source {films}": "Missing option '--output'.",
    "curate.py curate --source {films}/no --output {films}/out": "clipmill: {films}/no does not exist",
    "curate.py curat --source {films}": "'curat' not found in module 'workflows.curate'; pyflyte run FILE",
    "curate.py curate --source {films} --output {films}/notes.txt": "cannot write to {films}/notes.txt",
    "dedup.py dedup --embeddings {films}/no --output {films}/out": "{films}/no does not exist",
    "state.py compact_state --output {films}": "{films} has no state: no run wrote to it",
    'export.py export --output {films} --dest {films}/out --spec {{"format":"tar"}}': "format must be",
    "export.py export --output {films} --dest {films}/out --spec no.yaml": "cannot read the spec no.yaml",
    "export.py export --output {films} --dest {films}/out": "{films} holds no manifest.json",
}
IN_TURN = """
import json, sys
from click.testing import CliRunner
from flytekit.clis.sdk_in_container.pyflyte import main
for line in sys.argv[1:]:
    file, *rest = line.split()
    done = CliRunner(env={"COLUMNS": "300"}).invoke(main, ["run", "workflows/" + file, *rest])
    print(json.dumps([done.exit_code, done.output]))
"""


def test_wrong_inputs_of_any_workflow_are_said_without_a_traceback(source: Path) -> None:
    """In a process of its own: what another test imported first must not decide. No file is left behind."""
    (source / "notes.txt").touch()
    done = run_python("-c", IN_TURN, *(line.format(films=source) for line in SAID_BY_PYFLYTE))
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    for (code, output), said in zip(found, SAID_BY_PYFLYTE.values(), strict=True):
        assert said.format(films=source) in output
        assert (code, "Traceback" in output) == (MISUSE, False), output
    assert sorted(path.name for path in source.iterdir()) == ["harbour.mp4", "notes.txt"]


def test_spec_reads_the_same_from_yaml_json_and_inline(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("preview: {target_height: 90}\ndedup: null\n")
    (tmp_path / "spec.json").write_text('{"preview": {"target_height": 90}, "dedup": null}')
    inline = load_spec('{"preview": {"target_height": 90}, "dedup": null}')
    assert load_spec(str(tmp_path / "spec.yaml")) == load_spec(str(tmp_path / "spec.json")) == inline


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_example_specs_are_valid(path: Path) -> None:
    assert load_spec(str(path)).stage_name == "curate"


def test_command_hands_the_whole_spec_to_the_workflow(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def run(arguments: list[str], **_: object) -> None:
        calls.append(arguments)
        raise SystemExit(0)

    monkeypatch.setattr(command, "pyflyte", run)
    spec = '{"split": {"algorithm": "fixed_stride"}}'
    arguments = ["--source", str(source), "--output", str(tmp_path / "out"), "--spec", spec]
    assert command.main(arguments) == 0
    assert load_spec(calls[0][-1]) == load_spec(spec)


def test_a_run_ends_with_the_summary_alone_and_names_the_log_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to stream, so that no Ray starts: the workflow itself is pyflyte's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "source").mkdir()
    (tmp_path / "source/letter.mp4").write_text("The film will follow by post.")
    (tmp_path / "source/notes.txt").touch()
    output = str(tmp_path / "out")
    assert command.main(["--source", str(tmp_path / "source"), "--output", output]) == 0
    said = capfd.readouterr()
    assert said.out == f"{last_published(output).summary()}\n"
    assert "skipped, no videos: 1 file (1 .txt)" in said.out
    [log] = re.findall(r"\Alogs of libraries: (\S+)\n", said.err)
    assert "Running Execution on local." in Path(log).read_text()
    assert clipmill(["report", output]) == 0
    assert capfd.readouterr().out == said.out


def ends(code: int, *lines: str) -> None:
    print(*lines, sep="\n")
    sys.exit(code)


def is_interrupted_twice() -> None:
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)


FAILING = {
    "an error of ours": (lambda: ends(4, "noise", "clipmill: the disk is full"), "the disk is full", 4),
    "a bug": (lambda: ends(1, "Traceback"), "Traceback", 1),
    "Ctrl-C twice": (is_interrupted_twice, "stopped; what is done is kept", 4),
}


@pytest.mark.parametrize(("run", "expected", "code"), FAILING.values(), ids=FAILING)
def test_a_workflow_that_fails_says_why_in_the_last_line(
    source: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[], None],
    expected: str,
    code: int,
) -> None:
    def pyflyte(arguments: list[str], *, standalone_mode: bool) -> None:
        click.Command("run", callback=run).main([], standalone_mode=standalone_mode)

    monkeypatch.setattr(command, "pyflyte", pyflyte)
    assert command.main(["--source", str(source), "--output", str(tmp_path / "out")]) == code
    *_, last = capfd.readouterr().err.splitlines()
    assert last.removeprefix("clipmill: ") == expected


ENDED_EARLY = RunEnd("stopped", (), "the store is gone")
LEFT = RunEnd("failures_left", (Tally("content", "decoder_crashed", "retryable", 1),))


@pytest.mark.parametrize(
    ("end", "code", "expected"),
    [(RunEnd(), 0, 0), (LEFT, 0, 3), (LEFT, 1, 1), (ENDED_EARLY, 1, 4)],
    ids=["done", "failures left", "a bug after publishing", "stopped"],
)
def test_exit_code_tells_how_the_run_ended(end: RunEnd, code: int, expected: int) -> None:
    assert command.exit_of(end, code) == expected


def test_last_task_fails_for_a_run_that_stopped_and_for_no_other(tmp_path: Path) -> None:
    for name, end in (("stopped", ENDED_EARLY), ("left", LEFT)):
        write_run(str(tmp_path), RunRecord(name, "", "", end=end))
    with pytest.raises(RunStopped, match="the store is gone"):
        conclude.task_function(run=run_path(str(tmp_path), "stopped"))
    assert "tries them again" in conclude.task_function(run=run_path(str(tmp_path), "left"))


def test_newest_record_of_a_whole_run_is_found(tmp_path: Path) -> None:
    assert latest_run(str(tmp_path)) == ""
    for name in ("20260101T000000Z-a", "20260201T000000Z-a", "20260301T000000Z-b.stream"):
        write_run(str(tmp_path), RunRecord(name, "", ""))
    assert latest_run(str(tmp_path)) == run_path(str(tmp_path), "20260201T000000Z-a")


@pytest.mark.parametrize("kind", [Curation, Deduplication, Exporting])
def test_the_type_of_a_spec_is_that_of_flytekit_and_made_once(kind: type) -> None:
    found = TypeEngine.to_literal_type(kind)
    assert found == PydanticTransformer().get_literal_type(kind)
    assert TypeEngine.to_literal_type(kind) is found
