"""Clips cut in the pass itself: the bytes of those cut by a pass of their own, or none."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import accumulate, cycle, islice
from pathlib import Path

import numpy as np
import pytest

from clipmill.engine.operators.encode import SECOND_PASS
from clipmill.engine.scan.single_pass import IN_THE_PASS
from clipmill.engine.scan.single_pass import same_pass as same_pass_of
from clipmill.media.cut import single_pass
from clipmill.media.cut.cut import cut_clips
from clipmill.media.cut.single_pass import MOST_SHARE, RING_BYTES, SamePass, SamePassClips, scan_and_cut
from clipmill.media.scan.scan import load_arrays
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.pipeline import Pipeline
from clipmill.records import ClipSpan, CutClip
from clipmill.shots.content import ContentCutFinder
from clipmill.specs import CurateSpec, LimitsSpec
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import Bounds, QualityFilterStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from footage.encode import write_film
from footage.film import FilmPlan, Join, frames
from footage.shot_plan import Style, Unit
from footage.sound import SAMPLE_RATE_HZ
from tests.support.films.numbered_films import draw, draw_fields, read_back
from tests.support.films.small_films import draw_film
from tests.support.hand_made import plan, work
from tests.support.runs.curation import curate_here, files, laps
from tests.support.stand_ins.known_cuts import splitter_of
from tests.support.whole_split import split_video

pytestmark = pytest.mark.integration


NUM_FRAMES = 100
SECOND = FixedStrideExtractorStage(clip_len_s=1.0, clip_stride_s=1.0, min_clip_length_s=0.4)
B_FRAMES = {"bf": "3", "g": "30", "sc_threshold": "0"}
FILMS: dict[str, dict[str, object]] = {
    "b_frames.mp4": {"options": B_FRAMES, "audio": "aac"},
    "open_gop.ts": {"options": {"x264-params": "open-gop=1:keyint=30:bframes=3"}, "audio": "mp2"},
    "vfr.mp4": {
        "options": B_FRAMES,
        "pts": list(accumulate(islice(cycle([3600, 1800, 9000]), NUM_FRAMES))),
    },
    "rotated.mp4": {"rotation": 90, "sar": Fraction(4, 3)},
    "odd.mp4": {"size": (127, 71), "pixel_format": "yuv444p"},
    "pq.mkv": {"pixel_format": "yuv420p10le", "options": {"color_trc": "16", "color_primaries": "9"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "30", "cpu-used": "8", "deadline": "realtime"}},
}
FIELDS = "fields.ts"
Film = Callable[[str], Path]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    directory = tmp_path_factory.mktemp("same_pass")
    return cache(
        lambda name: (
            draw_fields(directory / name, NUM_FRAMES)
            if name == FIELDS
            else draw(directory / name, NUM_FRAMES, **FILMS[name])
        )
    )


def one_pass(
    path: Path,
    tmp_path: Path,
    *,
    extractor: FixedStrideExtractorStage | ContentClipExtractionStage = SECOND,
    spec: ClipTranscodingStage | None = None,
    ring_bytes: int = RING_BYTES,
) -> tuple[ScanFacts, list[ClipSpan], SamePassClips]:
    options = (spec or ClipTranscodingStage()).options()
    splitter = splitter_of(extractor, extractor.finder(None))
    wanted = SamePass("film", splitter, options, str(tmp_path / "in"), ring_bytes)
    spool = str(tmp_path / "spool")
    scan_plan = ScanPlan(sound_levels=extractor.clip_rules().snap_to_silence)
    facts, made = scan_and_cut(str(path), scan_plan, spool, wanted, limits=LimitsSpec())
    return facts, list(split_video("film", facts, load_arrays(spool), extractor).clips), made


def two_passes(path: Path, tmp_path: Path, facts: ScanFacts, clips: list[ClipSpan]) -> list[CutClip]:
    out = str(tmp_path / "after")
    repaired = facts.repaired_times
    spec = ClipTranscodingStage()
    return cut_clips(str(path), clips, spec.options(), out_dir=out, min_length_s=0.4, repaired_times=repaired)


@pytest.mark.parametrize("name", [*FILMS, FIELDS])
def test_clips_have_the_bytes_of_a_pass_of_their_own(film: Film, tmp_path: Path, name: str) -> None:
    facts, clips, made = one_pass(film(name), tmp_path)
    after = two_passes(film(name), tmp_path, facts, clips)
    assert [clip.clip_id for clip in made.clips] == [clip.clip_id for clip in clips]
    for ours, theirs in zip(made.clips, after, strict=True):
        assert Path(ours.path).read_bytes() == Path(theirs.path).read_bytes()
        assert ours.file_start_s == theirs.file_start_s
        assert ours.clip_mode == "encode"


@pytest.mark.parametrize("spec", [
    ClipTranscodingStage(target_fps=10, max_height=36, strip_audio=True),
    ClipTranscodingStage(use_input_bit_rate=True),
    ClipTranscodingStage(encoder="libopenh264"),
], ids=["shaped", "bit rate", "program"])  # fmt: skip
def test_whatever_the_encoder_is_told(film: Film, tmp_path: Path, spec: ClipTranscodingStage) -> None:
    _, clips, made = one_pass(film("b_frames.mp4"), tmp_path, spec=spec)
    out = str(tmp_path / "after")
    after = cut_clips(str(film("b_frames.mp4")), clips, spec.options(), out_dir=out, min_length_s=0.4)
    for ours, theirs in zip(made.clips, after, strict=True):
        assert Path(ours.path).read_bytes() == Path(theirs.path).read_bytes()
        assert ours.crop == theirs.crop


@pytest.mark.parametrize(
    ("extractor", "starts"),
    [
        (SECOND, [0, 25, 50, 75]),
        (SECOND.model_copy(update={"clip_len_s": 0.6}), [0, 25, 50, 75]),
        (SECOND.model_copy(update={"limit_clips": 2}), [0, 25]),
        (SECOND.model_copy(update={"clip_stride_s": 1.3, "min_clip_length_s": 0.9}), [0, 33, 65]),
        (SECOND.model_copy(update={"clip_stride_s": 1.3, "limit_clips": 3}), [0, 33, 65]),
        (SECOND.model_copy(update={"min_clip_length_s": 2.0}), []),
    ],
    ids=["all", "holes", "limit", "short end", "short end beyond the limit", "too short"],
)
def test_clips_are_those_of_the_split(
    film: Film, tmp_path: Path, extractor: FixedStrideExtractorStage, starts: list[int]
) -> None:
    _, clips, made = one_pass(film("b_frames.mp4"), tmp_path, extractor=extractor)
    assert [clip.clip_id for clip in made.clips] == [clip.clip_id for clip in clips]
    assert [read_back(clip.path)[0][0] for clip in made.clips] == starts


def test_clips_of_shots_have_the_bytes_of_a_pass_of_their_own(tmp_path: Path) -> None:
    path = draw_film(tmp_path / "film.mp4", seed=5, shots=(60, 75, 50))
    rules = ContentClipExtractionStage(min_length_s=1.0, crop_s=0.2)
    facts, clips, made = one_pass(path, tmp_path, extractor=rules)
    after = two_passes(path, tmp_path, facts, clips)
    assert len(clips) == 3
    assert [clip.clip_id for clip in made.clips] == [clip.clip_id for clip in clips]
    for ours, theirs in zip(made.clips, after, strict=True):
        assert Path(ours.path).read_bytes() == Path(theirs.path).read_bytes()


def test_a_clip_that_ends_too_early_leaves_no_file(film: Film, tmp_path: Path) -> None:
    rules = SECOND.model_copy(update={"clip_stride_s": 1.3, "min_clip_length_s": 0.9})
    _, _, made = one_pass(film("b_frames.mp4"), tmp_path, extractor=rules)
    assert {str(path) for path in (tmp_path / "in").iterdir()} == {clip.path for clip in made.clips}


def test_a_clip_that_ends_too_early_is_not_one_of_those_allowed(tmp_path: Path) -> None:
    path = draw_film(tmp_path / "film.mp4", seed=5, shots=(60, 12, 60))
    for find_gradual in (True, False):
        rules = ContentClipExtractionStage(
            min_length_s=1.0, crop_s=0.0, limit_clips=2, find_gradual=find_gradual
        )
        _, clips, made = one_pass(path, tmp_path, extractor=rules)
        assert [clip.clip_id for clip in made.clips] == [clip.clip_id for clip in clips]


def test_frames_that_would_take_too_much_memory_are_let_go(film: Film, tmp_path: Path) -> None:
    frame_bytes = 128 * 72 * 3 // 2
    rules = ContentClipExtractionStage(find_gradual=False, crop_s=1.0)
    ring_bytes = (ContentCutFinder.hard_latency_frames + 9) * frame_bytes
    _, _, made = one_pass(film("b_frames.mp4"), tmp_path, extractor=rules, ring_bytes=ring_bytes)
    assert made.clips == ()
    assert f"frames wait, more than {int(ring_bytes * MOST_SHARE)} bytes" in made.gave_up
    assert not list((tmp_path / "in").iterdir())


def test_a_detector_that_looks_further_than_fits_is_not_waited_for(film: Film, tmp_path: Path) -> None:
    rules = ContentClipExtractionStage(min_length_s=1.0)
    ring_bytes = ContentCutFinder.hard_latency_frames * 128 * 72
    _, _, made = one_pass(film("b_frames.mp4"), tmp_path, extractor=rules, ring_bytes=ring_bytes)
    least, most_bytes = ContentCutFinder.hard_latency_frames, int(ring_bytes * MOST_SHARE)
    assert made == SamePassClips((), f"{least} frames wait, more than {most_bytes} bytes")


@pytest.mark.parametrize("frames_in_ring", [70, 250], ids=["hard cuts only", "until something may dissolve"])
def test_clips_are_cut_ahead_of_what_may_be_a_dissolve(tmp_path: Path, frames_in_ring: int) -> None:
    """Where its frames do not fit. Only clips whose ends a dissolve moves get a pass of their own."""
    unit = Unit(3, fps=25)
    shots = [unit.shoot(length, Style()) for length in (60, 150, 60, 70, 160, 60)]
    shots[2] = replace(shots[2], join=Join.DISSOLVE, join_frames=20)
    film = FilmPlan(tuple(shots), width_px=160, height_px=90)
    path = tmp_path / "film.mp4"
    write_film(path, frames(film), time_base=Fraction(1, 25))
    rules = ContentClipExtractionStage(min_length_s=1.0, crop_s=0.2, max_length_s=2.0)
    ring_bytes = frames_in_ring * 160 * 90 * 3 // 2
    facts, clips, made = one_pass(path, tmp_path, extractor=rules, ring_bytes=ring_bytes)
    after = {clip.clip_id: clip for clip in two_passes(path, tmp_path, facts, clips)}
    assert made.gave_up == ""
    assert len(clips) - 2 <= len(made.clips) <= len(clips)
    for clip in made.clips:
        assert Path(clip.path).read_bytes() == Path(after[clip.clip_id].path).read_bytes()
    assert {str(path) for path in (tmp_path / "in").iterdir()} == {clip.path for clip in made.clips}
    assert [clip.clip_id for clip in made.clips] == [
        clip.clip_id for clip in clips if clip.clip_id in {one.clip_id for one in made.clips}
    ]


def test_a_clip_that_fails_is_left_to_a_pass_of_its_own(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no such entry")

    monkeypatch.setattr(single_pass, "read_clip", fail)
    _, _, made = one_pass(film("b_frames.mp4"), tmp_path)
    assert made == SamePassClips((), "a clip failed: no such entry")


def test_a_clip_of_a_shot_that_fails_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector lets go of many frames at a time; those behind the failed clip are nobody's."""

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no such entry")

    monkeypatch.setattr(single_pass, "read_clip", fail)
    path = draw_film(tmp_path / "film.mp4", seed=5, shots=(60, 75))
    _, clips, made = one_pass(path, tmp_path, extractor=ContentClipExtractionStage(min_length_s=1.0))
    assert len(clips) == 2
    assert made == SamePassClips((), "a clip failed: no such entry")


def test_a_damaged_video_is_cut_by_a_pass_of_its_own(film: Film, tmp_path: Path) -> None:
    data = bytearray(film("b_frames.mp4").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = b"\xff" * 3000
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    facts, _, made = one_pass(path, tmp_path)
    assert facts.is_partial
    assert made == SamePassClips((), "the video is damaged")


# --- in a run


STAGES = [SECOND, MotionVectorDecodeStage(target_fps=10), ClipTranscodingStage()]
ALL_PASS = MotionFilterStage(global_mean_threshold=0.0, per_patch_min_256_threshold=0.0)
"""Rejects nothing, but that is known after the scan only."""


def run(source: Path, output: Path, *more: object) -> dict[str, str]:
    """Clip ids and digests of a run over a folder, and who cut."""
    writer = ClipWriterStage(
        output_path=str(output), input_path=str(source), upload_clips=True, dry_run=False,
        generate_embeddings=False, generate_previews=False, generate_captions=False,
    )  # fmt: skip
    tasks = Pipeline("p", stages=[VideoReader(input_video_path=str(source)), *STAGES, *more, writer]).run()
    return {str(clip.uuid): clip.file_digest or "" for task in tasks for clip in task.data.clips}


def cut_by(output: Path) -> set[str]:
    return {str(lap["detail"]) for lap in laps(output) if lap["detail"]}


def test_a_run_without_filters_decodes_once_and_writes_the_same_clips(film: Film, tmp_path: Path) -> None:
    source = film("b_frames.mp4").parent / "source"
    source.mkdir()
    shutil.copy(film("b_frames.mp4"), source)
    once = run(source, tmp_path / "once")
    twice = run(source, tmp_path / "twice", ALL_PASS)
    assert cut_by(tmp_path / "once") == {IN_THE_PASS}
    assert cut_by(tmp_path / "twice") == {SECOND_PASS}
    assert once == twice
    assert len(once) == 4
    assert files(tmp_path / "once" / "clips") == files(tmp_path / "twice" / "clips")


class Own:
    """A stage of a user's; it is added behind the extractor and the scores."""

    name = "own"

    def process(self, task: object) -> object:
        return task


def test_what_may_change_a_clip_later_keeps_it_from_being_cut_at_once() -> None:
    def may(*more: object) -> bool:
        stages = [stage for stage in STAGES if type(stage) not in map(type, more)]
        if any(isinstance(stage, ContentClipExtractionStage) for stage in more):
            stages.remove(SECOND)
        return same_pass_of(plan(*more, *stages), work(), out_dir="out") is not None

    assert may()
    assert may(MotionFilterStage(score_only=True), QualityFilterStage())
    assert may(ContentClipExtractionStage())
    assert not may(ContentClipExtractionStage(entire_scene_as_clip=False))
    assert not may(ALL_PASS)
    assert not may(QualityFilterStage(sharpness=Bounds(min=1)))
    assert not may(Own())
    assert not may(SECOND.model_copy(update={"clip_stride_s": 0.5}))
    for transcode in (
        ClipTranscodingStage(encoder="copy"),
        ClipTranscodingStage(crop_letterbox=True),
        ClipTranscodingStage(encoder="h264_nvenc", use_hwaccel=True),
    ):
        assert not may(transcode)


WORD_S, PAUSE_S = 0.62, 0.16


def draw_speech(path: Path) -> Path:
    """One shot of five seconds with words of noise between short pauses."""
    plan_of_film = FilmPlan((Unit(11, fps=25).shoot(125, Style()),), width_px=160, height_px=90)
    seconds = np.arange(5 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    noise = np.random.default_rng(11).normal(0, 6000, len(seconds))
    sound = (noise * (seconds % (WORD_S + PAUSE_S) < WORD_S)).clip(-32768, 32767).astype(np.int16)
    write_film(path, frames(plan_of_film), time_base=Fraction(1, 25), sound=sound)
    return path


def is_in_a_pause(time_s: float) -> bool:
    return time_s % (WORD_S + PAUSE_S) >= WORD_S - 0.03


def test_long_shots_are_cut_at_pauses_in_the_pass_and_behind_it(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    film = draw_speech(tmp_path / "source" / "speech.mp4")
    rules = ContentClipExtractionStage(max_length_s=2.0, min_length_s=0.5, crop_s=None, snap_to_silence=True)
    _, clips, made = one_pass(film, tmp_path, extractor=rules)
    others = dict.fromkeys(("preview", "embedding", "dedup", "motion"))
    split = {"content": rules.model_dump(exclude_defaults=True)}
    spec = {"split": split, "quality": {"sharpness": {"min": 0.0}}, **others}
    curate_here(film.parent, tmp_path / "behind", CurateSpec.model_validate(spec))
    assert cut_by(tmp_path / "behind") == {SECOND_PASS}
    behind = {path.read_bytes() for path in (tmp_path / "behind" / "clips").iterdir()}
    assert len(clips) == len(behind) >= 3
    assert {Path(clip.path).read_bytes() for clip in made.clips} == behind
    assert all(clip.end_s - clip.start_s <= 2.0 for clip in clips)
    assert all(is_in_a_pause(clip.end_s) for clip in clips[:-1])
    assert not is_in_a_pause(2.0)
