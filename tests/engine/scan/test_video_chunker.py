"""A long video comes in pieces; what comes out is what comes out of the whole."""

import shutil
from collections.abc import Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from clipmill.engine.chunk import Chunk
from clipmill.engine.scan.frame_buffer import FrameBuffer
from clipmill.engine.scan.scan_driver import Done, Passes
from clipmill.engine.scan.splitter import Splitting
from clipmill.engine.scan.video_chunker import VideoChunker
from clipmill.engine.work import Work
from clipmill.errors import UnreadableVideo
from clipmill.media.io.probe import probe
from clipmill.media.io.source import open_source
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.spool import ScanSegment, load_piece
from clipmill.media.scan.tracks import rows_of, tracks_in, with_tracks
from clipmill.media.types import Samples, ScanArrays, ScanFacts, ScanPlan
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.nodes import decode_reads
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan, Cuts, FrameSpan, SourceFile, VideoReason
from clipmill.shots.clip_splitter import ClipState
from clipmill.stages.reads import Frames, Motion, Sample
from clipmill.stages.roles import ExtractorStage
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, fates, laps, plain_spec, published_files, rows
from tests.support.scan_plans import quality
from tests.support.stand_ins.known_cuts import KnownCuts, split_of, splitter_of, thumbnails
from tests.support.whole_split import split_video

pytestmark = pytest.mark.integration


FRAMES, MOTION = Frames(Fraction(1), 4), Motion(Fraction(1))
CONTENT = ContentClipExtractionStage(min_length_s=0.5, max_length_s=1.5, crop_s=0.1)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds, six shots, one of them long."""
    path = tmp_path_factory.mktemp("unrolling") / "source" / "film.mp4"
    return draw_film(path, seed=77, shots=(20, 30, 110, 25, 40, 20))


@pytest.fixture(scope="module")
def plan() -> Plan:
    spec = plain_spec(split={"content": CONTENT.model_dump()}, embedding={"target_fps": 4.0})
    return plan_of_spec(spec, source="films", output="out")


@pytest.fixture(scope="module")
def work(film: Path) -> Work:
    with open_source(str(film)) as reader:
        facts = probe(reader, str(film))
    return Work(SourceFile(str(film), film.stat().st_size, "v1"), "feed" * 8, facts)


def scan_plan(plan: Plan, *, piece_frames: int | None = None) -> ScanPlan:
    """What a pass collects for a video that lacks everything."""
    reads = decode_reads(plan.sampled, thumbnails=True)
    return ScanPlan(reads.thumbnails, reads.samples, piece_frames=piece_frames)


def pieces_of(film: Path, plan: Plan, size: int, spool: Path) -> Iterator[ScanSegment | ScanFacts]:
    """What a pass hands out in pieces of ``size`` frames, and what it counted."""
    facts = scan(str(film), scan_plan(plan, piece_frames=size), str(spool))
    number = 0
    while (piece := load_piece(str(spool), number)) is not None:
        yield piece
        number += 1
    yield facts


def chunker_of(work: Work, plan: Plan) -> VideoChunker:
    splitting = Splitting(work.video_id, plan.extractor, None) if work.lacks_split else None
    return VideoChunker(work, plan, {}, splitting=splitting)


def chunks_of(film: Path, work: Work, plan: Plan, size: int, spool: Path) -> list[Chunk]:
    chunker = chunker_of(work, plan)
    chunks: list[Chunk] = []
    for found in pieces_of(film, plan, size, spool):
        chunks += chunker.take(found) if isinstance(found, ScanSegment) else chunker.finish(found)
    return chunks


Seen = tuple[ClipSpan, dict[Sample, ClipSamples | None], np.ndarray]


def clips_in(chunks: list[Chunk]) -> list[Seen]:
    """Each clip with all that stages will see of it, by its frames."""
    found = [
        (clip, {read: each[index] for read, each in chunk.samples.items()}, chunk.thumbnails[index])
        for chunk in chunks
        for index, clip in enumerate(chunk.clips)
    ]
    return sorted(found, key=lambda one: one[0].frames)  # pyright: ignore[reportReturnType] quality sees all


def same(one: Seen, other: Seen) -> bool:
    """Whether two clips agree in everything that a scan finds, sampled frames to the byte."""
    assert one[1].keys() == other[1].keys()
    samples = [same_samples(one[1][read], other[1][read]) for read in one[1]]
    return one[0] == other[0] and all(samples) and np.array_equal(one[2], other[2])


def same_samples(one: ClipSamples | None, other: ClipSamples | None) -> bool:
    assert one is not None
    assert other is not None
    ours, theirs = ((each.frames, each.times_s, *each.values) for each in (one, other))
    return all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("size", [16, 60])
def test_clips_of_pieces_are_those_of_the_whole(
    film: Path, work: Work, plan: Plan, size: int, tmp_path: Path
) -> None:
    whole = clips_in(chunks_of(film, work, plan, 1 << 20, tmp_path / "whole"))
    parts = clips_in(chunks_of(film, work, plan, size, tmp_path / "parts"))
    assert len(whole) >= 8
    assert [same(*pair) for pair in zip(parts, whole, strict=True)] == [True] * len(whole)


def test_clips_come_before_the_end_and_the_split_comes_last(
    film: Path, work: Work, plan: Plan, tmp_path: Path
) -> None:
    content = CONTENT.model_copy(update={"find_gradual": False})
    quick = replace(plan, extractor=replace(plan.extractor, stage=content))
    chunks = chunks_of(film, work, quick, 16, tmp_path / "parts")
    assert len(chunks) >= 3
    assert [chunk.split is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert sum(chunk.share for chunk in chunks) == pytest.approx(1.0)


def test_split_of_pieces_is_that_of_the_whole(film: Path, work: Work, plan: Plan, tmp_path: Path) -> None:
    outcome = chunks_of(film, work, plan, 16, tmp_path / "parts")[-1].split
    facts = scan(str(film), scan_plan(plan), str(tmp_path / "whole"))
    arrays = load_arrays(str(tmp_path / "whole"))
    whole = split_video(work.video_id, facts, arrays, CONTENT)
    assert outcome is not None
    assert replace(outcome, facts=facts) == whole


def test_known_clips_come_as_soon_as_their_frames_are_there(
    film: Path, work: Work, plan: Plan, tmp_path: Path
) -> None:
    outcome = chunks_of(film, work, plan, 1 << 20, tmp_path / "whole")[-1].split
    assert outcome is not None
    keys = frozenset(node.key for node in plan.rowed)
    known = replace(work, clips=outcome.clips, lacks={clip.clip_id: keys for clip in outcome.clips})
    chunks = chunks_of(film, known, plan, 40, tmp_path / "parts")
    assert len(chunks) > 4
    assert [clip for clip, _, _ in clips_in(chunks)] == list(outcome.clips)
    assert all(chunk.split is None for chunk in chunks)


def test_frames_that_no_clip_needs_are_dropped(film: Path, work: Work, plan: Plan, tmp_path: Path) -> None:
    chunker = chunker_of(work, plan)
    for found in pieces_of(film, plan, 16, tmp_path / "parts"):
        if isinstance(found, ScanSegment):
            list(chunker.take(found))
    assert not chunker.is_whole
    assert len(chunker.buffer.part(0, 16).thumbnails) == 0


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
    {}, {"clip_stride_s": 0.5}, {"clip_stride_s": 2.0}, {"limit_clips": 4},
    {"clip_len_s": 2.0, "min_clip_length_s": 1.5},
], ids=str)  # fmt: skip
def test_early_clips_by_the_clock_are_the_first_of_all_clips(strides: dict[str, float]) -> None:
    spec = {"clip_len_s": 1.0, "clip_stride_s": 1.0, "min_clip_length_s": 0.5} | strides
    extractor = FixedStrideExtractorStage.model_validate(spec)
    check_early(extractor, Cuts(), num_frames=400)


def times_at_a_varying_rate(num_frames: int) -> np.ndarray:
    steps = np.random.default_rng(5).integers(20, 70, num_frames)
    return np.concatenate([[0], np.cumsum(steps)]) / 1000


def check_early(extractor: ExtractorStage, cuts: Cuts, *, num_frames: int) -> int:
    """How many clips were told early; those that were begin the list of all."""
    times_s = times_at_a_varying_rate(num_frames)
    is_by_clock = isinstance(extractor, FixedStrideExtractorStage)
    whole = split_of(extractor, times_s, None if is_by_clock else cuts)
    splitter = splitter_of(extractor, None if is_by_clock else KnownCuts(cuts, latency_frames=30))
    told: list[tuple[FrameSpan, int]] = []
    for start in range(0, num_frames, 7):
        needed_from, part = splitter.needed_from, times_s[start : min(start + 7, num_frames)]
        updates = splitter.feed(thumbnails(len(part)), part)
        new = [(update.span, update.shot_index) for update in updates if update.state is ClipState.KEPT]
        assert all(clip.start_frame >= needed_from for clip, _ in new)
        told += new
    assert told == list(zip(whole.clips, whole.shot_of_clip, strict=True))[: len(told)]
    ends_early = [clip for clip in whole.clips if clip.end_frame < num_frames - 150]
    has_open = not getattr(extractor, "entire_scene_as_clip", True)
    assert len(told) >= len(ends_early) or has_open
    return len(told)


def test_buffer_gives_parts_across_pieces() -> None:
    whole = arrays_of(30)
    buffer = FrameBuffer()
    for start in range(0, 30, 7):
        buffer.append(cut_out(whole, start, min(start + 7, 30)))
    buffer.drop_before(9)
    part = buffer.part(12, 25)
    assert part.thumbnails[:, 0, 0, 0].tolist() == list(range(12, 25))
    assert part.samples[FRAMES].frames.tolist() == [12, 15, 18, 21, 24]
    assert part.pictures[4].values[0][:, 0, 0, 0].tolist() == [12, 15, 18, 21, 24]
    assert part.first_frame == 12
    assert part.pts.tolist() == list(range(12, 26))


def test_frame_is_complete_once_all_that_is_measured_of_it_is_there() -> None:
    whole = arrays_of(30)
    buffer = FrameBuffer()
    late = cut_out(whole, 0, 20)
    buffer.append(with_blocks(late, slice(3), whole))
    assert buffer.num_complete == late.samples[MOTION].frames[3]
    buffer.append(with_blocks(cut_out(whole, 20, 30), slice(3, None), whole))
    assert buffer.num_complete == 29


def arrays_of(num_frames: int) -> ScanArrays:
    frames = np.arange(num_frames)
    sampled = frames[::3]
    pictures = np.broadcast_to(sampled[:, None, None, None], (len(sampled), 4, 4, 3))
    return ScanArrays(
        pts=np.arange(num_frames + 1),
        times_s=np.arange(num_frames + 1) / 25,
        is_key=frames % 10 == 0,
        thumbnails=np.broadcast_to(frames[:, None, None, None], (num_frames, 27, 48, 3)).astype(np.uint8),
        samples={
            FRAMES: Samples(sampled),
            MOTION: Samples(sampled, (np.zeros((len(sampled), 2, 2), np.float32),)),
            quality(1.0): Samples(sampled, (np.zeros((len(sampled), 4), np.float32),)),
        },
        pictures={4: Samples(sampled, (pictures.astype(np.uint8),))},
    )


def with_blocks(arrays: ScanArrays, rows: slice, whole: ScanArrays) -> ScanArrays:
    """A piece with other rows of motion than there are frames of them."""
    blocks = whole.samples[MOTION].values[0][rows]
    late = Samples(arrays.samples[MOTION].frames, (blocks,))
    return replace(arrays, samples={**arrays.samples, MOTION: late})


def cut_out(whole: ScanArrays, start: int, end: int) -> ScanArrays:
    rows = slice(-(-start // 3), -(-end // 3))
    last = end + 1 if end == len(whole.is_key) else end
    return replace(
        with_tracks(whole, {track: rows_of(taken, rows) for track, taken in tracks_in(whole).items()}),
        pts=whole.pts[start:last],
        times_s=whole.times_s[start:last],
        is_key=whole.is_key[start:end],
        thumbnails=whole.thumbnails[start:end],
    )


@pytest.mark.usefixtures("shared_codec")
def test_pieces_do_not_show_in_what_is_published(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of the whole video are among it."""
    frames = {"write": True, "target": "videos", "target_fps": [3.0], "extraction_policies": ["middle"]}
    spec = plain_spec(split={"content": CONTENT.model_dump() | {"find_gradual": False}}, frames=frames)
    monkeypatch.setattr("clipmill.engine.scan.scan_driver.LONG_S", 1.0)
    published: list[dict[str, bytes]] = []
    for frames in (1 << 20, 40):
        monkeypatch.setattr("clipmill.engine.operators.scan.PIECE_FRAMES", frames)
        curate_here(film.parent, tmp_path / "out", spec)
        published.append(published_files(tmp_path / "out"))
        num_chunks = len({lap["chunk_index"] for lap in laps(tmp_path / "out")})
        shutil.rmtree(tmp_path / "out")
    assert num_chunks > 1
    assert published[0] == published[1]


@pytest.mark.usefixtures("shared_codec")
def test_video_rejected_after_its_first_clips_came_has_none(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_pass = Passes.pieces

    def broken(
        self: Passes, work: Work, plan: ScanPlan, spool_dir: str
    ) -> Generator[ScanSegment, None, Done]:
        yield from islice(whole_pass(self, work, plan, spool_dir), 5)
        raise UnreadableVideo(work.source.uri, VideoReason.OVER_LIMIT, "it does not end")

    monkeypatch.setattr(Passes, "pieces", broken)
    monkeypatch.setattr("clipmill.engine.scan.scan_driver.LONG_S", 1.0)
    monkeypatch.setattr("clipmill.engine.operators.scan.PIECE_FRAMES", 40)
    spec = plain_spec(split={"content": CONTENT.model_dump() | {"find_gradual": False}})
    curate_here(film.parent, tmp_path / "out", spec)
    assert len({lap["chunk_index"] for lap in laps(tmp_path / "out")}) > 1
    assert fates(tmp_path / "out", film.parent) == {"film.mp4": "over_limit"}
    assert rows(tmp_path / "out", "clips") == []
