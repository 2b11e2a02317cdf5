"""Passing faults: the run says how it ended, and the next one under good conditions makes up for them."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from clipmill.cli.main import main as clipmill
from clipmill.engine.scan import scan_driver
from clipmill.errors import TransientStoreError
from clipmill.intake import inspection
from clipmill.outcomes.run_end import RunEnd, Tally
from clipmill.storage import store
from tests.support.films.document_film import draw_parts
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import (
    Row,
    curate_here,
    fates,
    plain_spec,
    published_files,
    rows,
    run_python,
    small_spec,
    videos,
)
from tests.support.runs.one_codec import new_codec_processes
from tests.support.stand_ins import sabotage
from tests.support.stand_ins.faulty_s3 import faulty_s3
from tests.support.stand_ins.model_server import Reply, model_server


def draw(folder: Path, *names: str) -> Path:
    for name in names:
        draw_film(folder / f"{name}.mp4", seed=sum(name.encode()), shots=(30,))
    return folder


def published(output: Path) -> dict[str, bytes]:
    """What readers see, without the clips that deduplication compared run by run."""
    files = published_files(output)
    return {name: data for name, data in files.items() if not name.startswith("dedup/known")}


def failed_message(video: Row, reason: str) -> str:
    """The message of a video that failed for a reason that may pass."""
    assert (video["status"], video["reason"]) == ("failed", reason)
    return str(video["message"])


def test_a_time_limit_that_was_too_short_costs_nothing_once_it_is_raised(tmp_path: Path) -> None:
    source, output = tmp_path / "source", tmp_path / "out"
    for seed, name in enumerate("ab"):  # the larger a film, the more time it has
        draw_film(source / f"{name}.mp4", seed=seed, shots=(30,), size_px=(48, 28))
    curate_here(source, output, plain_spec())
    output.rename(tmp_path / "undisturbed")
    short = {"decode_timeout_s": 1e-6, "max_attempts": 1, "max_failed_ratio": 1.0}
    with new_codec_processes():  # a new process takes longer to start than the time for these films
        ended = curate_here(source, output, plain_spec(limits=short)).end
    assert ended.kind == "failures_left"
    assert len(videos(output, source)) == 2
    for video in videos(output, source).values():
        assert "limits.decode_timeout_s is 1e-06" in failed_message(video, "decoder_timeout")
    assert rows(output, "rejections") == []
    assert curate_here(source, output, plain_spec()).end == RunEnd()
    assert published(output) == published(tmp_path / "undisturbed")


def test_store_that_answers_503_stops_the_run_soon_and_costs_nothing(tmp_path: Path) -> None:
    film = draw_film(tmp_path / "a.mp4", seed=1, shots=(30,)).read_bytes()
    source, output = "s3://films-refused/source", tmp_path / "out"
    with faulty_s3("films-refused") as switch, new_codec_processes():
        for number in range(8):
            store.put_bytes(f"{source}/{number}.mp4", film + b"\0\0\0\x10free" + bytes([number] * 8))
        curate_here(source, output, plain_spec())
        output.rename(tmp_path / "undisturbed")
        switch.is_down = lambda method, path: ".mp4" in path
        ended = curate_here(source, output, plain_spec()).end
        assert ended.kind == "stopped"
        unseen = re.match(r"the store of the sources does not answer: (\d) sources", ended.stopped)
        assert unseen is not None
        assert int(unseen[1]) >= 3  # of eight: it was asked for no more than it takes to know
        switch.is_down = lambda method, path: False
        assert curate_here(source, output, plain_spec()).end == RunEnd()
    assert published(output) == published(tmp_path / "undisturbed")


def test_output_that_cannot_be_written_is_no_fault_of_the_clips(tmp_path: Path, film: Path) -> None:
    output, off = "s3://previews-refused/out", ("embedding", "dedup", "motion", "motion_filter", "quality")
    spec = small_spec(**dict.fromkeys(off))
    with faulty_s3("previews-refused") as switch, new_codec_processes():
        switch.is_down = lambda method, path: "/previews/" in path and method == "PUT"
        ended = curate_here(film, output, spec).end
        assert {(one.stage, one.reason) for one in ended.tallies} == {("preview", "output_error")}
        assert ended.kind == "failures_left"
        switch.is_down = lambda method, path: False
        assert curate_here(film, output, spec).end == RunEnd()
        assert len(store.find(f"{output}/previews")) == 2


def test_endpoint_that_answers_500_stops_the_run_and_then_captions(tmp_path: Path) -> None:
    draw_parts(tmp_path / "films" / "parts.mp4")
    with model_server() as server, new_codec_processes():
        served = {"endpoint_url": server.url, "endpoint_model": "tiny", "endpoint_max_attempts": 1}
        spec = plain_spec(captions=served, embedding=None, dedup=None)
        curate_here(tmp_path / "films", tmp_path / "out", spec)
        (tmp_path / "out").rename(tmp_path / "undisturbed")
        server.otherwise = Reply(status=500)
        ended = curate_here(tmp_path / "films", tmp_path / "out", spec).end
        assert {(one.stage, one.reason) for one in ended.tallies} == {("caption", "endpoint_error")}
        server.otherwise = Reply()
        assert curate_here(tmp_path / "films", tmp_path / "out", spec).end == RunEnd()
    assert published(tmp_path / "out") == published(tmp_path / "undisturbed")


def test_a_film_that_crashes_in_enough_runs_is_final_until_it_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = tmp_path / "source", tmp_path / "out"
    spec = plain_spec(limits={"max_failed_runs": 2, "max_attempts": 1})
    with monkeypatch.context() as patch, new_codec_processes():
        for name, value in sabotage.lay(tmp_path / "saboteur").items():
            patch.setenv(name, value)
        ends = [curate_here(draw(source, "SCAN_CRASH", "a", "b"), output, spec).end]
        ends.append(curate_here(source, output, spec).end)  # nothing else succeeds: it does not count
        ends.append(curate_here(draw(source, "c"), output, spec).end)
        attempts = sabotage.attempts(tmp_path / "saboteur", "SCAN_CRASH.mp4")
        ends.append(curate_here(source, output, spec).end)
        assert sabotage.attempts(tmp_path / "saboteur", "SCAN_CRASH.mp4") == attempts == 3
    assert [end.kind for end in ends] == ["failures_left", "failures_left", "done", "done"]
    message = failed_message(videos(output, source)["SCAN_CRASH.mp4"], "decoder_crashed")
    assert message.startswith("failed in 2 runs; the last: ")
    assert rows(output, "rejections") == []
    assert clipmill(["retry", str(output), "--reason", "decoder_crashed"]) == 0
    with new_codec_processes():
        assert curate_here(source, output, spec).end == RunEnd()
    assert set(fates(output, source).values()) == {"curated"}


# Three runs: one film kills two in the middle of its scan, as the kernel would. Prints how they ended.
KILLED = """
import os, signal, sys
from clipmill.engine.scan.scan_driver import Passes
from tests.support.runs.curation import curate_here, plain_spec

pieces = Passes.pieces

def deadly(self, work, plan, spool_dir):
    if "KILLER" in work.source.uri:
        os.kill(os.getpid(), signal.SIGKILL)
    return pieces(self, work, plan, spool_dir)

Passes.pieces = deadly
for _ in range(3):  # forks of one process, which imports everything
    pid = os.fork()
    if pid == 0:
        curate_here(sys.argv[1], sys.argv[2], plain_spec(limits={"max_failed_runs": 1}))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def test_a_film_that_kills_every_run_is_tried_last_and_then_given_up(tmp_path: Path) -> None:
    source, output = draw(tmp_path / "source", "A_KILLER", "b", "c"), tmp_path / "out"
    ended = run_python("-c", KILLED, str(source), str(output))
    assert ended.stdout.split() == ["-9", "-9", "0"], ended.stderr  # others are done before it is tried again
    found = fates(output, source)
    assert found == {"A_KILLER.mp4": "worker_lost", "b.mp4": "curated", "c.mp4": "curated"}
    assert videos(output, source)["A_KILLER.mp4"]["status"] == "failed"
    assert store.find(f"{output}/state/attempts") == []  # but for hidden names of writes that were killed


def failing(function: Callable[..., object], name: str, error: Exception) -> Callable[..., object]:
    """The function, which raises an error for the film of a name."""

    def wrapped(source: object, *arguments: object, **options: object) -> object:
        if name in str(source):
            raise error
        return function(source, *arguments, **options)

    return wrapped


HERE = {"isolation": "none"}
"""Codecs run in this process, so that a function of theirs can be replaced."""


@pytest.mark.parametrize(
    ("module", "function", "stage"),
    [(inspection, "inspect_source", "inspect"), (scan_driver, "scan_and_cut", "fixed_stride")],
    ids=["inspection", "scan"],
)
def test_an_unforeseen_error_about_one_film_is_its_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, function: str, stage: str
) -> None:
    source, output = draw(tmp_path / "source", "a", "b", "odd"), tmp_path / "out"
    with monkeypatch.context() as patch:
        wrong = failing(getattr(module, function), "odd", IndexError("list index out of range"))
        patch.setattr(module, function, wrong)
        ended = curate_here(source, output, plain_spec(limits=HERE)).end
    assert ended == RunEnd("failures_left", (Tally(stage, "unexpected", "retryable", 1),))
    first, *trace = failed_message(videos(output, source)["odd.mp4"], "unexpected").splitlines()
    assert first == f"{source / 'odd.mp4'}: IndexError: list index out of range"
    assert any("in wrapped" in line for line in trace)
    assert curate_here(source, output, plain_spec(limits=HERE)).end == RunEnd()


def test_clips_of_a_video_that_was_split_before_fail_by_name_and_are_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = draw(tmp_path / "source", "a", "b"), tmp_path / "out"
    curate_here(source, output, plain_spec(limits=HERE))
    more = plain_spec(limits=HERE, motion={"target_fps": 4.0})
    with monkeypatch.context() as patch:
        for function in ("scan_and_cut", "scan_spans"):
            wrong = TransientStoreError(str(source / "a.mp4"), "connection reset")
            patch.setattr(scan_driver, function, failing(getattr(scan_driver, function), "a.mp4", wrong))
        ended = curate_here(source, output, more).end
    assert ended == RunEnd("failures_left", (Tally("motion", "store_unavailable", "retryable", 1),))
    assert curate_here(source, output, more).end == RunEnd()
    assert all(row["motion_global_mean"] is not None for row in rows(output, "clips"))


def test_a_source_whose_headers_fail_in_enough_runs_is_given_up_until_it_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = tmp_path / "source", tmp_path / "out"
    spec = plain_spec(limits={**HERE, "max_failed_runs": 2})
    with monkeypatch.context() as patch:
        wrong = failing(inspection.inspect_source, "odd", IndexError("list index out of range"))
        patch.setattr(inspection, "inspect_source", wrong)
        first = curate_here(draw(source, "a", "b", "odd"), output, spec).end
        second = curate_here(draw(source, "c"), output, spec).end
    assert (first.kind, second.kind) == ("failures_left", "done")
    assert curate_here(source, output, spec).end == RunEnd()
    message = failed_message(videos(output, source)["odd.mp4"], "unexpected")
    assert message.startswith("failed in 2 runs; the last: ")
    assert clipmill(["retry", str(output), "--stage", "inspect"]) == 0
    curate_here(source, output, spec)
    assert set(fates(output, source).values()) == {"curated"}
