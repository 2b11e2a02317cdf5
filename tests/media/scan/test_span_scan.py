"""A video of which some clips lack something: its spans are decoded alone, and stages see the same."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clipmill.limits import LimitsSpec
from clipmill.media.scan import span_scan
from clipmill.media.scan.clip_samples import ClipSamples, clip_samples
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.span_scan import SourceSpan, SpanFault, load_span, merged_spans, scan_spans
from clipmill.media.types import ScanArrays, ScanFacts, ScanPlan
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.reads import Frames, Motion, rate
from tests.support.films.cut_cases import FILMS, Film, drawn_in
from tests.support.films.numbered_films import spans
from tests.support.films.small_films import draw_film
from tests.support.scan_plans import quality

pytestmark = pytest.mark.integration


READS = (
    Frames(rate(23.976), 36),
    Frames(Fraction(3), 48),
    Motion(Fraction(10)),
    Motion(Fraction(7), separate_camera=True),
    quality(6.0),
)
PLAN = ScanPlan(thumbnails=True, samples=READS)
CUTS = [(7, 19), (33, 40), (40, 65), (50, 71), (95, 100)]
LIMITS = LimitsSpec()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return drawn_in(tmp_path_factory.mktemp("films"))


def whole_pass(path: Path, spool: Path) -> tuple[ScanFacts, ScanArrays]:
    facts = scan(str(path), PLAN, str(spool / "whole"))
    return facts, load_arrays(str(spool / "whole"))


def clips_of(facts: ScanFacts, arrays: ScanArrays, cuts: Sequence[tuple[int, int]]) -> list[ClipSpan]:
    return spans(facts.num_frames, *cuts, pts=arrays.pts.tolist(), time_base=facts.time_base)


def span_pass(
    path: Path, clips: Sequence[ClipSpan], first_pts: int, spool: Path
) -> list[tuple[SourceSpan, ScanArrays]]:
    found = merged_spans(clips)
    scan_spans(str(path), PLAN, found, first_pts, str(spool), limits=LIMITS)
    return [(span, load_span(str(spool), number, span)) for number, span in enumerate(found)]


def equal(one: ClipSamples, other: ClipSamples) -> bool:
    """An empty array of a span need not know the shape of a row."""
    if not len(one.frames):
        return not len(other.frames)
    ours, theirs = ((each.frames, each.times_s, *each.values) for each in (one, other))
    return all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))


def assert_same(clip: ClipSpan, part: ScanArrays, whole: ScanArrays) -> None:
    """Every read sees of a clip in a span what it sees in the whole video, bit by bit."""
    for read in READS:
        assert equal(clip_samples(part, read, clip.frames), clip_samples(whole, read, clip.frames)), read
    start, end = clip.frames.start_frame, clip.frames.end_frame
    rows = slice(start - part.first_frame, end - part.first_frame)
    assert np.array_equal(part.thumbnails[rows], whole.thumbnails[start:end])
    times = slice(rows.start, rows.stop + 1)
    assert part.pts[times].tolist() == whole.pts[start : end + 1].tolist()
    assert part.times_s[times].tolist() == whole.times_s[start : end + 1].tolist()


@pytest.mark.parametrize("name", FILMS)
def test_samples_of_spans_are_those_of_the_whole(film: Film, tmp_path: Path, name: str) -> None:
    path = film(name)
    facts, whole = whole_pass(path, tmp_path)
    clips = clips_of(facts, whole, CUTS)
    parts = span_pass(path, clips, int(whole.pts[0]), tmp_path)
    assert [(span.frames.start_frame, span.frames.end_frame) for span, _ in parts] == [
        (7, 19), (33, 71), (95, 100)
    ]  # fmt: skip
    for clip in clips:
        [part] = [arrays for span, arrays in parts if is_inside(clip, span)]
        assert_same(clip, part, whole)


def is_inside(clip: ClipSpan, span: SourceSpan) -> bool:
    return span.frames.start_frame <= clip.frames.start_frame < span.frames.end_frame


@pytest.mark.parametrize("seed", range(4))
def test_samples_of_any_spans_are_those_of_the_whole(tmp_path: Path, seed: int) -> None:
    path = draw_film(tmp_path / "film.mp4", seed=seed, shots=(20, 30, 50, 25))
    facts, whole = whole_pass(path, tmp_path)
    edges = np.sort(np.random.default_rng(seed).choice(facts.num_frames + 1, 8, replace=False)).tolist()
    clips = clips_of(facts, whole, list(zip(edges[::2], edges[1::2], strict=True)))
    parts = span_pass(path, clips, int(whole.pts[0]), tmp_path)
    for clip in clips:
        [part] = [arrays for span, arrays in parts if is_inside(clip, span)]
        assert_same(clip, part, whole)


def test_a_later_start_of_the_first_frame_does_not_show(film: Film, tmp_path: Path) -> None:
    """MPEG-TS begins at a time of its own."""
    _, whole = whole_pass(film("h264.ts"), tmp_path)
    assert whole.pts[0] > 0


def test_spans_far_apart_are_reached_by_seeking(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeks = counted(monkeypatch)
    facts, whole = whole_pass(film("h264.mp4"), tmp_path)
    span_pass(film("h264.mp4"), clips_of(facts, whole, [(5, 10), (70, 80)]), int(whole.pts[0]), tmp_path)
    assert len(seeks) == 2


def test_spans_of_one_group_of_pictures_are_one_walk(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeks = counted(monkeypatch)
    facts, whole = whole_pass(film("h264.mp4"), tmp_path)
    span_pass(film("h264.mp4"), clips_of(facts, whole, [(5, 10), (20, 25)]), int(whole.pts[0]), tmp_path)
    assert len(seeks) == 1


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where decoding begins."""
    starts: list[int] = []
    from_there: Callable[..., object] = span_scan.ClipSource.frames_from

    def frames_from(source: span_scan.ClipSource, start_pts: int) -> object:
        starts.append(start_pts)
        return from_there(source, start_pts)

    monkeypatch.setattr(span_scan.ClipSource, "frames_from", frames_from)
    return starts


def test_other_frames_than_a_whole_pass_found_are_a_fault(film: Film, tmp_path: Path) -> None:
    """Here it ends before: the file has changed, or a decoder shows other frames after a seek."""
    facts, whole = whole_pass(film("h264.mp4"), tmp_path)
    [clip] = clips_of(facts, whole, [(90, 100)])
    longer = SourceSpan(FrameSpan(90, 101), clip.start_pts, clip.end_pts)
    with pytest.raises(SpanFault, match="has other frames than a whole pass found"):
        scan_spans(str(film("h264.mp4")), PLAN, [longer], 0, str(tmp_path / "spans"), limits=LIMITS)


def test_a_damaged_picture_is_a_fault(film: Film, tmp_path: Path) -> None:
    facts, whole = whole_pass(film("h264.mp4"), tmp_path)
    data = bytearray(film("h264.mp4").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = b"\xff" * 2000
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    clips = clips_of(facts, whole, [(10, 95)])
    with pytest.raises(SpanFault):
        span_pass(path, clips, int(whole.pts[0]), tmp_path)
