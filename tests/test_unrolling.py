"""A long video comes in pieces; what comes out is what comes out of the whole."""

import shutil
from collections.abc import Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from curating import curate_here, fates, laps, plain_spec, published_files, rows
from films import draw_film

from clipmill.errors import UnreadableVideo
from clipmill.media.contracts import ScanArrays, ScanFacts, ScanPlan
from clipmill.media.probe import probe
from clipmill.media.scan import load_arrays, scan
from clipmill.media.source import open_source
from clipmill.media.spool import Piece, load_piece
from clipmill.plan import Extractor, RunPlan, plan_of_spec
from clipmill.records import Cuts, FrameSpan, SourceFile, VideoReason, WorkItem
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.streaming.early import early_clips
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.passes import Done, Passes
from clipmill.streaming.reel import Reel
from clipmill.streaming.sampling import scan_plan
from clipmill.streaming.splitting import outcome_of, split_video
from clipmill.streaming.unrolling import Unrolling, piece_frames
from clipmill.video import Clip

MISSING = frozenset({"split", "motion", "quality", "encode", "embed", "preview"})
CONTENT = ContentClipExtractionStage(min_length_s=0.5, max_length_s=1.5, crop_s=0.1)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds, six shots, one of them long."""
    path = tmp_path_factory.mktemp("unrolling") / "source" / "film.mp4"
    return draw_film(path, seed=77, shots=(20, 30, 110, 25, 40, 20))


@pytest.fixture(scope="module")
def plan() -> RunPlan:
    spec = plain_spec(split={"content": CONTENT.model_dump()}, embedding={"target_fps": 4.0})
    return plan_of_spec(spec, source="films", output="out")


@pytest.fixture(scope="module")
def item(film: Path, plan: RunPlan) -> WorkItem:
    with open_source(str(film)) as reader:
        facts = probe(reader, str(film))
    source = SourceFile(str(film), film.stat().st_size, "v1")
    return WorkItem(source, "feed" * 8, facts, MISSING)


def pieces_of(
    film: Path, item: WorkItem, plan: RunPlan, size: int, spool: Path
) -> Iterator[Piece | ScanFacts]:
    """What a pass hands out in pieces of ``size`` frames, and what it counted."""
    facts = scan(str(film), replace(scan_plan(plan, item.missing), piece_frames=size), str(spool))
    number = 0
    while (piece := load_piece(str(spool), number)) is not None:
        yield piece
        number += 1
    yield facts


def parcels_of(film: Path, item: WorkItem, plan: RunPlan, size: int, spool: Path) -> list[Parcel]:
    unrolling = Unrolling(item, plan, network=None)
    parcels: list[Parcel] = []
    for found in pieces_of(film, item, plan, size, spool):
        parcels += unrolling.take(found) if isinstance(found, Piece) else unrolling.finish(found)
    return parcels


def clips_in(parcels: list[Parcel]) -> list[Clip]:
    videos = [parcel.task.data for parcel in parcels]
    clips = [clip for video in videos for clip in (*video.clips, *video.filtered_clips)]
    return sorted(clips, key=lambda clip: clip.span)


def same(one: Clip, other: Clip) -> bool:
    """Whether two clips agree in everything that a scan finds, sampled frames to the byte."""
    assert one.extracted_frames.keys() == other.extracted_frames.keys()
    frames = [(one.extracted_frames[key], other.extracted_frames[key]) for key in one.extracted_frames]
    facts = [(clip.place, clip.reason, clip.quality, clip.motion_score_global_mean) for clip in (one, other)]
    return facts[0] == facts[1] and all(np.array_equal(*pair) for pair in frames)


@pytest.mark.parametrize("size", [16, 60])
def test_clips_of_pieces_are_those_of_the_whole(
    film: Path, item: WorkItem, plan: RunPlan, size: int, tmp_path: Path
) -> None:
    whole = clips_in(parcels_of(film, item, plan, 1 << 20, tmp_path / "whole"))
    parts = clips_in(parcels_of(film, item, plan, size, tmp_path / "parts"))
    assert len(whole) >= 8
    assert [same(*pair) for pair in zip(parts, whole, strict=True)] == [True] * len(whole)


def test_clips_come_before_the_end_and_the_split_comes_last(
    film: Path, item: WorkItem, plan: RunPlan, tmp_path: Path
) -> None:
    quick = replace(plan, extractor=CONTENT.model_copy(update={"find_gradual": False}))
    parcels = parcels_of(film, item, quick, 16, tmp_path / "parts")
    assert len(parcels) >= 3
    assert [parcel.outcome is not None for parcel in parcels] == [False] * (len(parcels) - 1) + [True]
    assert [parcel.task.data.clip_chunk_index for parcel in parcels] == list(range(len(parcels)))
    assert sum(parcel.share for parcel in parcels) == pytest.approx(1.0)


def test_split_of_pieces_is_that_of_the_whole(
    film: Path, item: WorkItem, plan: RunPlan, tmp_path: Path
) -> None:
    outcome = parcels_of(film, item, plan, 16, tmp_path / "parts")[-1].outcome
    facts = scan(str(film), scan_plan(plan, item.missing), str(tmp_path / "whole"))
    whole = split_video(item.video_id, facts, load_arrays(str(tmp_path / "whole")), plan.extractor)
    assert outcome is not None
    assert replace(outcome, facts=facts) == whole


def test_known_clips_come_as_soon_as_their_frames_are_there(
    film: Path, item: WorkItem, plan: RunPlan, tmp_path: Path
) -> None:
    outcome = parcels_of(film, item, plan, 1 << 20, tmp_path / "whole")[-1].outcome
    assert outcome is not None
    known = replace(item, clips=outcome.clips, missing=item.missing - {"split"})
    parcels = parcels_of(film, known, plan, 40, tmp_path / "parts")
    assert len(parcels) > 4
    assert [clip.place for clip in clips_in(parcels)] == list(outcome.clips)
    assert all(parcel.outcome is None for parcel in parcels)


def test_frames_that_no_clip_needs_are_dropped(
    film: Path, item: WorkItem, plan: RunPlan, tmp_path: Path
) -> None:
    unrolling = Unrolling(item, plan, network=None)
    for found in pieces_of(film, item, plan, 16, tmp_path / "parts"):
        if isinstance(found, Piece):
            list(unrolling.take(found))
    assert not unrolling.is_whole
    assert len(unrolling.reel.part(0, 16).thumbnails) == 0


@pytest.mark.parametrize("rules", [
    {}, {"crop_s": 0.0}, {"max_length_s": None}, {"max_length_mode": "truncate"}, {"min_length_s": 1.2},
    {"limit_clips": 3}, {"entire_scene_as_clip": False},
], ids=str)  # fmt: skip
def test_early_clips_are_the_first_of_all_clips(rules: dict[str, object]) -> None:
    extractor = CONTENT.model_copy(update=rules)
    cuts = Cuts((30, 150, 200, 310), (FrameSpan(60, 80), FrameSpan(240, 250)))
    check_early(extractor, cuts, num_frames=400)


@pytest.mark.parametrize("entire_scene_as_clip", [True, False])
def test_early_clips_of_a_film_without_cuts(entire_scene_as_clip: bool) -> None:
    extractor = CONTENT.model_copy(update={"entire_scene_as_clip": entire_scene_as_clip})
    told = check_early(extractor, Cuts(), num_frames=400)
    assert (told > 5) == entire_scene_as_clip


@pytest.mark.parametrize("strides", [
    {}, {"clip_stride_s": 0.5}, {"clip_stride_s": 2.0}, {"limit_clips": 4}, {"min_clip_length_s": 1.5},
], ids=str)  # fmt: skip
def test_early_clips_by_the_clock_are_the_first_of_all_clips(strides: dict[str, float]) -> None:
    spec = {"clip_len_s": 1.0, "clip_stride_s": 1.0, "min_clip_length_s": 0.5} | strides
    extractor = FixedStrideExtractorStage.model_validate(spec)
    check_early(extractor, Cuts(), num_frames=400)


class Times:
    """Frames at a rate that varies."""

    def __init__(self, num_frames: int) -> None:
        steps = np.random.default_rng(5).integers(20, 70, num_frames)
        self.pts = np.concatenate([[0], np.cumsum(steps)])
        self.times_s = self.pts / 1000


def check_early(extractor: Extractor, cuts: Cuts, *, num_frames: int) -> int:
    """How many clips were told early; those that were begin the list of all."""
    times = Times(num_frames)
    facts = ScanFacts(
        num_frames, float(times.times_s[-1]), Fraction(1, 1000), True, False, "", "", None, 0, 0.0
    )
    whole = outcome_of("video", facts, times, extractor, cuts)
    early = early_clips(extractor)
    told: list[tuple[FrameSpan, int]] = []
    for num_final in range(0, num_frames, 7):
        known = Cuts(
            tuple(cut for cut in cuts.hard if cut < num_final),
            tuple(span for span in cuts.gradual if span.start_frame < num_final),
        )
        needed_from = early.needed_from
        new = early.tell(known, num_final, times.times_s[: num_final + 30])
        assert all(clip.start_frame >= needed_from for clip, _ in new)
        told += new
    assert told == [(clip.frames, clip.shot_index) for clip in whole.clips[: len(told)]]
    ends_early = [clip for clip in whole.clips if clip.frames.end_frame < num_frames - 150]
    has_open = extractor.stage_name == "split_content" and not getattr(
        extractor, "entire_scene_as_clip", True
    )
    assert len(told) >= len(ends_early) or has_open
    return len(told)


def test_reel_gives_parts_across_pieces() -> None:
    whole = arrays_of(30)
    reel = Reel()
    for start in range(0, 30, 7):
        reel.append(cut_out(whole, start, min(start + 7, 30)))
    reel.drop_before(9)
    part = reel.part(12, 25)
    assert part.thumbnails[:, 0, 0, 0].tolist() == list(range(12, 25))
    assert part.sampled_frames.tolist() == [12, 15, 18, 21, 24]
    assert part.frames[:, 0, 0, 0].tolist() == part.sampled_frames.tolist()
    assert (part.first_frame, part.first_sample) == (12, 4)
    assert part.pts.tolist() == list(range(12, 26))


def test_frame_is_complete_once_all_that_is_measured_of_it_is_there() -> None:
    whole = arrays_of(30)
    reel = Reel()
    late = cut_out(whole, 0, 20)
    reel.append(replace(late, motion_blocks=late.motion_blocks[:3]))
    assert reel.num_complete == late.motion_frames[3]
    reel.append(replace(cut_out(whole, 20, 30), motion_blocks=whole.motion_blocks[3:]))
    assert reel.num_complete == 29


def arrays_of(num_frames: int) -> ScanArrays:
    frames = np.arange(num_frames)
    sampled = frames[::3]
    return ScanArrays(
        pts=np.arange(num_frames + 1),
        times_s=np.arange(num_frames + 1) / 25,
        is_key=frames % 10 == 0,
        thumbnails=np.broadcast_to(frames[:, None, None, None], (num_frames, 27, 48, 3)).astype(np.uint8),
        motion_frames=sampled,
        motion_blocks=np.zeros((len(sampled), 2, 2), np.float32),
        motion_parts=np.zeros((0, 2), np.float32),
        quality_frames=sampled,
        quality_measures=np.zeros((len(sampled), 4), np.float32),
        sampled_frames=sampled,
        frames=np.broadcast_to(sampled[:, None, None, None], (len(sampled), 4, 4, 3)).astype(np.uint8),
    )


def cut_out(whole: ScanArrays, start: int, end: int) -> ScanArrays:
    rows = slice(-(-start // 3), -(-end // 3))
    last = end + 1 if end == len(whole.is_key) else end
    return replace(
        whole,
        pts=whole.pts[start:last],
        times_s=whole.times_s[start:last],
        is_key=whole.is_key[start:end],
        thumbnails=whole.thumbnails[start:end],
        motion_frames=whole.motion_frames[rows],
        motion_blocks=whole.motion_blocks[rows],
        quality_frames=whole.quality_frames[rows],
        quality_measures=whole.quality_measures[rows],
        sampled_frames=whole.sampled_frames[rows],
        frames=whole.frames[rows],
    )


@pytest.mark.usefixtures("shared_codec")
def test_pieces_do_not_show_in_what_is_published(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = plain_spec(split={"content": CONTENT.model_dump() | {"find_gradual": False}})
    monkeypatch.setattr("clipmill.streaming.passes.LONG_S", 1.0)
    published: list[dict[str, bytes]] = []
    for frames in (1 << 20, 40):
        monkeypatch.setattr("clipmill.streaming.unrolling.PIECE_FRAMES", frames)
        curate_here(film.parent, tmp_path / "out", spec)
        published.append(published_files(tmp_path / "out"))
        num_chunks = len({lap["chunk_index"] for lap in laps(tmp_path / "out")})
        shutil.rmtree(tmp_path / "out")
    assert num_chunks > 1
    assert published[0] == published[1]


@pytest.mark.parametrize("missing", ["split", "video_frames"])
def test_frames_of_the_whole_video_are_written_from_all_of_it(
    item: WorkItem, plan: RunPlan, missing: str
) -> None:
    frames = piece_frames(plan, replace(item, missing=frozenset({missing})), cuts=False)
    assert (frames > 1 << 30) == (missing == "video_frames")


@pytest.mark.usefixtures("shared_codec")
def test_video_rejected_after_its_first_clips_came_has_none(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_pass = Passes.pieces

    def broken(self: Passes, item: WorkItem, plan: ScanPlan, spool_dir: str) -> Generator[Piece, None, Done]:
        yield from islice(whole_pass(self, item, plan, spool_dir), 5)
        raise UnreadableVideo(item.source.uri, VideoReason.OVER_LIMIT, "it does not end")

    monkeypatch.setattr(Passes, "pieces", broken)
    monkeypatch.setattr("clipmill.streaming.passes.LONG_S", 1.0)
    monkeypatch.setattr("clipmill.streaming.unrolling.PIECE_FRAMES", 40)
    spec = plain_spec(split={"content": CONTENT.model_dump() | {"find_gradual": False}})
    curate_here(film.parent, tmp_path / "out", spec)
    assert len({lap["chunk_index"] for lap in laps(tmp_path / "out")}) > 1
    assert fates(tmp_path / "out", film.parent) == {"film.mp4": "over_limit"}
    assert rows(tmp_path / "out", "clips") == []
