"""A source that changes under a pass, a cut or a look is never taken for the one that was listed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipmill.errors import SourceChanged, StoreError
from clipmill.intake.copies import file_digest
from clipmill.media.cut.cut import cut_clips
from clipmill.media.cut.single_pass import SamePass, scan_and_cut
from clipmill.media.io.probe import inspect_source
from clipmill.media.io.source import open_source
from clipmill.media.scan.packet_index import index_packets
from clipmill.media.scan.scan import scan
from clipmill.media.scan.span_scan import SourceSpan, scan_spans
from clipmill.media.types import ScanPlan
from clipmill.records import ClipSpan, FrameSpan, SourceFile, VideoReason
from clipmill.sandbox.process import CodecChild
from clipmill.specs import LimitsSpec
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.storage import store
from tests.support import changing_files as changing
from tests.support.changing_files import LAST, LOCAL, REMOTE, Change, Moment, listed
from tests.support.films.container_films import PLAIN_X264
from tests.support.films.scan_films import write_film
from tests.support.stand_ins.gcs_server import gcs_server
from tests.support.stand_ins.known_cuts import splitter_of
from tests.support.stand_ins.object_store import s3_server

pytestmark = pytest.mark.integration

Job = Callable[[SourceFile, Path], None]

LIMITS = LimitsSpec()
BUCKET = "changing"
CLIP = ClipSpan("clip", FrameSpan(20, 40), 10240, 5120, 0.8, 1.6)
"""In the ticks of the mp4 below, 512 to a frame."""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two films that look different, of some 20 blocks each."""
    folder = tmp_path_factory.mktemp("changing")
    first = write_film(folder / "a.mp4", range(60), options=PLAIN_X264, sound=True)
    return first, write_film(folder / "b.mp4", range(60, 130), options=PLAIN_X264, sound=True)


def _inspect(source: SourceFile, folder: Path) -> None:
    found = inspect_source(source, limits=LIMITS)
    if found.reason == VideoReason.SOURCE_CHANGED:
        assert found.video_id is None
        raise SourceChanged(source.uri, found.message)
    assert found.reason is None, found.message


def _scan(source: SourceFile, folder: Path) -> None:
    scan(source, ScanPlan(), str(folder / "spool"), limits=LIMITS)


def _spans(source: SourceFile, folder: Path) -> None:
    span = SourceSpan(CLIP.frames, CLIP.start_pts, CLIP.end_pts)
    scan_spans(source, ScanPlan(), [span], 0, str(folder / "spool"), limits=LIMITS)


def _scan_and_cut(source: SourceFile, folder: Path) -> None:
    extractor = FixedStrideExtractorStage(clip_len_s=0.8, clip_stride_s=0.8, min_clip_length_s=0.4)
    wanted = SamePass("film", splitter_of(extractor), ClipTranscodingStage().options(), str(folder / "out"))
    _, made = scan_and_cut(source, ScanPlan(), str(folder / "spool"), wanted, limits=LIMITS)
    assert [clip.has_audio for clip in made.clips] == [True, True, False]  # the sound of the film ends before


def _index(source: SourceFile, folder: Path) -> None:
    index_packets(source, ScanPlan(), 20, limits=LIMITS)


def _cut(encoder: str) -> Job:
    options = ClipTranscodingStage(encoder=encoder).options()

    def cut(source: SourceFile, folder: Path) -> None:
        cut_clips(source, [CLIP], options, out_dir=str(folder / "out"), min_length_s=0.2)

    return cut


def _digest(source: SourceFile, folder: Path) -> None:
    file_digest(source)


JOBS = {
    "inspected": _inspect,
    "scanned": _scan,
    "scanned in spans": _spans,
    "scanned and cut": _scan_and_cut,
    "indexed": _index,
    "encoded": _cut("libx264"),
    "copied": _cut("copy"),
    "digested": _digest,
}
MOMENTS = {"at the first read": 1, "at the second read": 2, "after the last read": LAST}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_source_that_stays_is_used(films: tuple[Path, Path], tmp_path: Path, job: Job) -> None:
    job(listed(str(changing.put(tmp_path / "a.mp4", films[0]))), tmp_path)


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("change", LOCAL.values(), ids=LOCAL)
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_file_that_changes_under_its_reader(
    films: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    job: Job,
    change: Change,
    moment: int,
) -> None:
    path = changing.put(tmp_path / "a.mp4", films[0])
    seen = changing.at(monkeypatch, Moment(moment, lambda: change(str(path), films[1])))
    with pytest.raises(SourceChanged, match=r"a\.mp4: it (was|is)"):
        job(listed(str(path)), tmp_path)
    assert seen.is_done


@pytest.mark.parametrize("change", [name for name in LOCAL if name != "replaced by one alike"])
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_file_that_changed_since_it_was_listed(
    films: tuple[Path, Path], tmp_path: Path, job: Job, change: str
) -> None:
    path = changing.put(tmp_path / "a.mp4", films[0])
    source = listed(str(path))
    LOCAL[change](str(path), films[1])
    if change == "replaced":
        os.utime(path)
    with pytest.raises(SourceChanged):
        job(source, tmp_path)


def test_pieces_hold_bytes_of_the_listed_file_only(
    films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was handed out before the end is of the right film, whatever lies there by now."""
    path = changing.put(tmp_path / "a.mp4", films[0])
    moment = Moment(6, lambda: changing.overwrite(str(path), films[1]))
    changing.at(monkeypatch, moment)
    data = films[0].read_bytes()
    with open_source(listed(str(path))) as reader:
        for at in range(0, 5 * 512, 512):
            assert reader.read_range(at, at + 512) == data[at : at + 512]
        with pytest.raises(SourceChanged):
            reader.read_range(5 * 512, 6 * 512)
    assert moment.is_done


def test_change_before_a_pass_is_named_by_a_codec_process(films: tuple[Path, Path], tmp_path: Path) -> None:
    path = changing.put(tmp_path / "a.mp4", films[0])
    source = listed(str(path))
    changing.truncate(str(path), films[1])
    wanted = source, ScanPlan(), str(tmp_path), None
    with CodecChild(memory_limit_bytes=4 << 30) as child, pytest.raises(SourceChanged):
        child.run(scan_and_cut, *wanted, limits=LIMITS, timeout_s=60, stall_s=60)


def test_file_that_was_never_there_is_no_change(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file") as caught:
        open_source(SourceFile(str(tmp_path / "gone.mp4"), 0, ""))
    assert type(caught.value) is StoreError


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server(BUCKET):
        yield f"s3://{BUCKET}"


@pytest.mark.parametrize("moment", [1, 2], ids=["at the first read", "at the second read"])
@pytest.mark.parametrize("change", REMOTE.values(), ids=REMOTE)
@pytest.mark.parametrize("job", ["inspected", "scanned", "encoded", "digested"])
def test_object_that_changes_under_its_reader(
    bucket: str,
    films: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
    change: Change,
    moment: int,
) -> None:
    uri = f"{bucket}/{tmp_path.name}/a.mp4"
    store.put_file(uri, str(films[0]))
    source = listed(uri)
    JOBS[job](source, tmp_path)
    changing.at(monkeypatch, Moment(moment, lambda: change(uri, films[1])))
    with pytest.raises(SourceChanged):
        JOBS[job](source, tmp_path)


@pytest.mark.parametrize("change", REMOTE.values(), ids=REMOTE)
def test_object_that_changed_since_it_was_listed(
    bucket: str, films: tuple[Path, Path], tmp_path: Path, change: Change
) -> None:
    uri = f"{bucket}/{tmp_path.name}/a.mp4"
    store.put_file(uri, str(films[0]))
    source = listed(uri)
    change(uri, films[1])
    for job in (_inspect, _scan, _cut("libx264")):
        with pytest.raises(SourceChanged):
            job(source, tmp_path)


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("change", REMOTE.values(), ids=REMOTE)
def test_file_of_any_store_that_changes_under_its_reader(
    films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, moment: int
) -> None:
    """By the double that fsspec has of a store; its version is the time of creation."""
    uri = f"memory://{tmp_path.name}/a.mp4"
    store.put_file(uri, str(films[0]))
    source = listed(uri)
    changing.at(monkeypatch, Moment(moment, lambda: change(uri, films[1])))
    with pytest.raises((SourceChanged, StoreError)) as caught:
        _scan(source, tmp_path)
    assert type(caught.value) is SourceChanged


def test_gcs_object_is_read_by_its_generation(
    films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gcs_server("films") as objects:
        data = films[0].read_bytes()
        objects["raw/a.mp4"] = 7, data
        source = listed("gs://films/raw/a.mp4")
        assert (source.version, source.size_bytes) == ("7", len(data))
        _scan(source, tmp_path)
        changing.at(monkeypatch, Moment(2, lambda: objects.update({"raw/a.mp4": (8, data)})))
        with pytest.raises(SourceChanged, match="it is gone"):
            _scan(source, tmp_path)
        with pytest.raises(SourceChanged, match="it was replaced"):
            _scan(source, tmp_path)
