"""Verbs with wrong paths, options, versions, permissions, a closed pipe, Ctrl-C: one line, the right code."""

import ctypes
import os
import signal
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest

from clipmill.cli.exits import DONE, MISUSE, STOPPED
from clipmill.cli.main import VERBS, main
from clipmill.curation.publication import last_published
from clipmill.runs.lease import take
from clipmill.runs.run_id import new_run_id
from clipmill.stages.base import Column, Frames, Reads, Resources, Stage, StageContext, Worker
from tests.support.films.numbered_films import draw
from tests.support.runs.curation import run_python

NOT_OF_ROOT = 0b110
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: with them root may read and write everything."""

ON_OUTPUT = (
    ["report"], ["verify"], ["retry"], ["compact"], ["unlock"], ["search", "a dog"],
    ["snapshots", "list"], ["snapshots", "show", "1"], ["snapshots", "prune"],
)  # fmt: skip
"""Verbs of an output, without it."""
PLAIN = (
    "--progress", "none", "--spec", "{split: {algorithm: fixed_stride}, preview: null, dedup: null}",
    "--set", "split.fixed_stride.min_clip_length_s=1",
)  # fmt: skip
ON_MANIFEST = tuple(verb for verb in ON_OUTPUT if verb[0] not in ("retry", "compact", "unlock"))


def on(verb: list[str], output: str) -> list[str]:
    place = 2 if verb[0] == "snapshots" else 1
    return [*verb[:place], output, *verb[place:]]


WRONG = [
    *((on(verb, "nowhere"), "nowhere") for verb in ON_OUTPUT),
    *((on(verb, "films/film.mp4"), "film.mp4") for verb in ON_OUTPUT),
    *((on(verb, "locked"), "locked") for verb in ON_OUTPUT),
    *((on(verb, "later"), "(schema 99, this one reads") for verb in ON_MANIFEST),
    *((on(verb, "foreign"), "is no manifest of clipmill") for verb in ON_MANIFEST),
    *(([verb, "--nope"], "No such option: --nope") for verb in VERBS),
    (["curate", "films", "out", "--spec", "deep.json"], "deep.json is nested too deeply"),
    (["curate", "films", "out", "--set", "input_list_json_path=deep.json"], "deep.json is no JSON"),
    (["curate", "films", "out", "--spec", "{1: 2}"], "1 is no name of a parameter: write it as a text"),
    (["curate", "films", "a\0b"], "a path holds no NUL character"),
    (["curate", "nowhere", "out"], "does not exist"),
    (["curate", "empty", "out"], "holds no video"),
    (["curate", "locked", "out"], "locked"),
    (["curate", "films", "locked"], "cannot write to locked"),
    (["curate", "films", "films"], "is the source itself"),
    (["curate", "films", "films/film.mp4"], "cannot write to films/film.mp4"),
    (["curate", "films", "later"], "(schema 99, this one reads"),
    (["curate", "films", "foreign"], "is no manifest of clipmill"),
    (["curate", "films", "site"], "holds report.html, which clipmill did not write"),
    (["curate", "held", "out"], "is an output of clipmill"),
    (["curate", "films"], "Missing argument 'output'; see clipmill curate --help"),
    (["curate", "films", "out", "more"], "more"),
    (["curate", "films", "out", "--engin", "ray"], "did you mean --engine?"),
    (["curate", "films", "out", "--engine", "rayy"], "'--engine': 'rayy' is not one of 'inline', 'ray'"),
    (["curate", "films", "out", "--spec", "nowhere.yaml"], "nowhere.yaml"),
    (["curate", "films", "out", "--spec", "locked.yaml"], "locked.yaml"),
    (["curate", "films", "out", "--spec", "empty"], "empty"),
    (["curate", "films", "out", "--set", "qualty.max=1"], "did you mean quality?"),
    (["dedup", "nowhere", "out"], "nowhere"),
    (["dedup", "locked", "out"], "locked"),
    (["search", "films", "a dog", "--num-hits", "0"], "'--num-hits'"),
    (["snapshots", "prune", "films", "--keep", "many"], "'--keep'"),
    (["snapshots"], "needs one of list, show, prune"),
    (["spec"], "needs one of template, check, show"),
    (["models"], "needs one of list, fetch"),
    (["models", "fetch", "siglip2", "--into", "locked"], "locked"),
    (["spec", "check", "locked.yaml"], "locked.yaml"),
    (["stages", "locked:Stage"], "locked"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film, and places that are of no use; no user may read ``locked`` and ``locked.yaml``."""
    root = tmp_path_factory.mktemp("input")
    for name in ("films", "empty", "later", "foreign", "locked"):
        (root / name).mkdir()
    draw(root / "films/film.mp4", 60)
    (root / "later/manifest.json").write_text('{"schema_version": 99}')
    (root / "foreign/manifest.json").write_text('{"name": "an app"}')
    (root / "held").mkdir()
    (root / "held/lease.json").write_text('{"run_id": "1", "epoch": 1}')
    (root / "site").mkdir()
    (root / "site/report.html").touch()
    (root / "deep.json").write_text("[" * 5000)
    (root / "locked.yaml").touch(mode=0)
    (root / "locked").chmod(0)
    return root


@pytest.fixture(scope="module")
def published(folder: Path) -> Path:
    """An output of the film, which a run holds."""
    assert main(["curate", str(folder / "films"), str(folder / "published"), *PLAIN]) == DONE
    take(str(folder / "published"), new_run_id())
    return folder


@contextmanager
def without_the_rights_of_root() -> Generator[None]:
    """This thread may do what the modes of files allow, as another user would."""
    libc, header = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 2)(0x20080522, 0)
    before, less = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    less[:] = before
    less[0] &= ~NOT_OF_ROOT
    assert libc.capset(header, less) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_it_is_refused_in_one_line(
    folder: Path,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    with without_the_rights_of_root():
        code = main(arguments)
    shown = capsys.readouterr()
    assert (code, shown.out) == (MISUSE, ""), shown.err
    assert shown.err.startswith("clipmill: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert not (folder / "out").exists()


class Interrupting(Stage):
    """Sends Ctrl-C to a process, by default its own, at its first clip, and once more if ``twice``."""

    name = "interrupting"
    grain = "clip"
    twice: bool = False
    process_id: int = 0
    writes = (Column("seen", pa.bool_(), "always true"),)

    def reads(self) -> Reads:
        return Reads(frames=Frames(fps=Fraction(1), height_px=36))

    def resources(self) -> Resources:
        return Resources(max_workers=1)

    def open(self, context: StageContext) -> Worker:
        return _Interrupts(self.process_id or os.getpid(), 2 if self.twice else 1)


class _Interrupts:
    def __init__(self, process_id: int, num_left: int) -> None:
        self.process_id, self.num_left = process_id, num_left

    def _is_first(self) -> bool:
        """Another process is interrupted once only, also where Ray starts this worker anew."""
        if self.process_id == os.getpid():
            return True
        with suppress(FileExistsError):
            Path(tempfile.gettempdir(), f"interrupted-{self.process_id}").touch(exist_ok=False)
            return True
        return False

    def __call__(self, batch: pa.Table) -> Mapping[str, list[bool]]:
        while self.num_left and self._is_first():
            self.num_left -= 1
            os.kill(self.process_id, signal.SIGINT)
            time.sleep(0.3)
        return {"seen": [True] * len(batch)}


def test_ctrl_c_once_publishes_what_is_open_and_twice_stops_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    for number in range(6):
        draw(tmp_path / f"films/{number}.mp4", 50 + number)
    stage = "{use: 'tests.cli.test_bad_input:Interrupting', twice: %s}"

    handler = signal.getsignal(signal.SIGINT)
    assert main(["curate", "films", "out", *PLAIN, "--set", f"stages=[{stage % 'true'}]"]) == STOPPED
    assert capsys.readouterr().err.splitlines()[-1] == "clipmill: stopped; what is done is kept"
    assert not (tmp_path / "out/manifest.json").exists()

    assert main(["curate", "films", "out", *PLAIN, "--set", f"stages=[{stage % 'false'}]"]) == STOPPED
    assert "Ctrl-C again stops at once" in capsys.readouterr().err
    summary = last_published("out").steps()
    pending, curated = (
        next(step for step in summary.videos if step.kind == kind) for kind in ("pending", "curated")
    )
    assert pending.num_items
    assert curated.num_items + pending.num_items == 6
    assert summary.next_run.endswith("this one stopped: Ctrl-C")
    assert signal.getsignal(signal.SIGINT) is handler


INTERRUPTED = """
import atexit, os, signal, sys
from clipmill.cli import run

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            interrupt()

module = sys.argv[1]
sys.meta_path.insert(0, Finder())
if module == "the end":
    atexit.register(interrupt)
sys.argv[1:] = ["report", "nowhere"]
sys.exit(run())
"""


@pytest.mark.parametrize(
    ("module", "said", "code"),
    [
        ("typer", "stopped; nothing was begun", STOPPED),
        ("clipmill.cli.outputs", "stopped; nothing was begun", STOPPED),
        ("numpy._core._multiarray_umath", "stopped; nothing was begun", STOPPED),
        ("the end", "nowhere does not exist", MISUSE),
    ],
    ids=["the first library", "a verb", "a library in C", "the end"],
)
def test_ctrl_c_while_python_imports_is_one_line(module: str, said: str, code: int) -> None:
    done = run_python("-c", INTERRUPTED, module)
    assert done.stderr == f"clipmill: {said}\n"
    assert (done.returncode, done.stdout) == (code, "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], DONE),
        (["-h"], DONE),
        (["stages"], DONE),
        (["models", "list"], DONE),
        (["spec", "template"], DONE),
        (["report", "published"], DONE),
        (["verify", "published"], DONE),
        (["unlock", "published"], STOPPED),
        (["curate", "films", "published"], STOPPED),
        (["report", "nowhere"], MISUSE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_reader_that_goes_changes_no_exit_code(
    published: Path, arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``| head -1`` does, for what is printed and for errors."""
    monkeypatch.chdir(published)
    reading, writing = os.pipe()
    os.close(reading)
    for name, buffering in (("stdout", -1), ("stderr", 1)):
        monkeypatch.setattr(f"sys.{name}", os.fdopen(os.dup(writing), "w", buffering))
    os.close(writing)
    assert main(arguments) == code
