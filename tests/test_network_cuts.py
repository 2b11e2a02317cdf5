"""Cuts by a shot network as frames come; the network is a stand-in that needs no weights."""

from collections.abc import Iterable
from dataclasses import MISSING, fields
from hashlib import sha256

import numpy as np
import pytest

from clipmill.footage.cut_films import CutKind, plan_cut_film
from clipmill.footage.film import cuts, thumbnails
from clipmill.media.contracts import ScanArrays, ScanFacts
from clipmill.models.network_cuts import NetworkCutFinder
from clipmill.records import Cuts, FrameSpan
from clipmill.shots.windows import STRIDE
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.streaming.detecting import all_cuts, finder_of
from clipmill.streaming.early import early_clips
from clipmill.streaming.splitting import split_video
from clipmill.timeline import clips_from_shots, shots_from_cuts

SPEC = TransNetV2ClipExtractionStage()
EVERYWHERE = TransNetV2ClipExtractionStage(cascade=False)


class LastFrames:
    """Marks frames behind which the picture changes far more than beside them."""

    def __init__(self, batch_windows: int = 1) -> None:
        self.batch_windows = batch_windows
        self.seen: list[int] = []

    def predict(self, windows: np.ndarray) -> np.ndarray:
        self.seen.append(len(windows))
        return np.stack([self._answer(window) for window in windows])

    def _answer(self, window: np.ndarray) -> np.ndarray:
        steps = np.abs(np.diff(window.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
        behind, before = np.append(steps, 0), np.append(0, steps)
        beside = np.maximum(before, np.append(behind[1:], 0))
        return np.clip((behind / np.maximum(beside, 3) - 1) / 4, 0, 1).astype(np.float32)


def found(frames: np.ndarray, spec: TransNetV2ClipExtractionStage, pieces: Iterable[int] = ()) -> Cuts:
    finder, gradual, start = NetworkCutFinder(LastFrames(), spec), list[FrameSpan](), 0
    for length in [*pieces, len(frames)]:
        gradual += finder.feed(frames[start : start + length]).gradual
        start += length
    return Cuts(gradual=(*gradual, *finder.finish().gradual))


@pytest.fixture(scope="module")
def film() -> tuple[np.ndarray, tuple[int, ...]]:
    plan = plan_cut_film(CutKind.WHIP_PAN, 77, width_px=96, height_px=54)
    return thumbnails(plan), cuts(plan).hard


def test_pieces_give_the_cuts_of_the_whole(film: tuple[np.ndarray, object]) -> None:
    for spec in (SPEC, EVERYWHERE):
        assert found(film[0], spec, [1, 99, 7, 300]) == found(film[0], spec)


def test_the_cascade_finds_the_same_cuts_at_less_cost(film: tuple[np.ndarray, tuple[int, ...]]) -> None:
    frames, hard = film
    finders = [NetworkCutFinder(LastFrames(), spec) for spec in (EVERYWHERE, SPEC)]
    everywhere, cascade = (all_cuts(finder, frames) for finder in finders)
    assert cascade == everywhere
    assert {span.start_frame for span in cascade.gradual} == {cut - 1 for cut in hard}
    assert finders[1].num_windows < finders[0].num_windows


class AnyWeights:
    """Says of a frame something that no other frame, and no other window over it, would have it say."""

    batch_windows = 1

    def __init__(self) -> None:
        self.said: dict[bytes, np.ndarray] = {}

    def predict(self, windows: np.ndarray) -> np.ndarray:
        return np.stack([self._answer(window) for window in windows])

    def _answer(self, window: np.ndarray) -> np.ndarray:
        seed = np.frombuffer(sha256(window.tobytes()).digest(), np.uint32)
        return self.said.setdefault(window.tobytes(), np.random.default_rng(seed).random(100, np.float32))


def test_what_the_cascade_looks_at_is_told_what_it_is_told_without(film: tuple[np.ndarray, object]) -> None:
    frames, networks = film[0], (AnyWeights(), AnyWeights())
    everywhere, cascade = (
        all_cuts(NetworkCutFinder(network, spec), frames)
        for network, spec in zip(networks, (EVERYWHERE, SPEC), strict=True)
    )
    assert networks[1].said.keys() < networks[0].said.keys()
    looked_at = {frame // STRIDE for frame in frames_of(cascade)}
    assert frames_of(cascade) == {frame for frame in frames_of(everywhere) if frame // STRIDE in looked_at}


def frames_of(found: Cuts) -> set[int]:
    return {frame for span in found.gradual for frame in range(span.start_frame, span.end_frame)}


def test_cuts_do_not_depend_on_batches(film: tuple[np.ndarray, object]) -> None:
    network = LastFrames(batch_windows=4)
    assert all_cuts(NetworkCutFinder(network, EVERYWHERE), film[0]) == found(film[0], EVERYWHERE)
    assert set(network.seen[:-1]) == {4}


def test_what_is_final_stays_final(film: tuple[np.ndarray, object]) -> None:
    for spec in (SPEC, EVERYWHERE):
        finder = NetworkCutFinder(LastFrames(batch_windows=2), spec)
        whole, told, before = found(film[0], spec).gradual, list[FrameSpan](), 0
        for start in range(0, len(film[0]), 40):
            told += finder.feed(film[0][start : start + 40]).gradual
            assert finder.num_final >= before
            before = finder.num_final
            assert told == [span for span in whole if span.start_frame < finder.num_final]
        assert before > len(film[0]) - 400


def test_clips_told_early_are_those_of_the_whole(film: tuple[np.ndarray, object]) -> None:
    finder, early = NetworkCutFinder(LastFrames(), SPEC), early_clips(SPEC)
    times_s, gradual, told = np.arange(len(film[0]) + 1) / 25, list[FrameSpan](), list[FrameSpan]()
    for end in range(60, len(film[0]), 60):
        gradual += finder.feed(film[0][end - 60 : end]).gradual
        found = early.tell(Cuts(gradual=tuple(gradual)), min(end, finder.num_final), times_s[: end + 1])
        told += [span for span, _ in found]
    shots = shots_from_cuts(all_cuts(NetworkCutFinder(LastFrames(), SPEC), film[0]), num_frames=len(film[0]))
    assert len(told) >= 5
    assert told == list(clips_from_shots(shots, times_s, SPEC)[0].clips[: len(told)])


def test_a_higher_threshold_marks_less(film: tuple[np.ndarray, object]) -> None:
    low = TransNetV2ClipExtractionStage(threshold=0.02, cascade=False)
    assert len(found(film[0], low).gradual) > len(found(film[0], EVERYWHERE).gradual)


def test_each_extractor_has_its_finder() -> None:
    assert isinstance(finder_of(SPEC, LastFrames()), NetworkCutFinder)
    assert not isinstance(finder_of(ContentClipExtractionStage(), None), NetworkCutFinder)
    with pytest.raises(ValueError, match="without a network"):
        finder_of(SPEC, None)


def test_a_split_names_its_detector(film: tuple[np.ndarray, tuple[int, ...]]) -> None:
    arrays = arrays_of(film[0])
    facts = ScanFacts(len(film[0]), len(film[0]) / 25, 1, False, False, "", "cd1:0", None, 0, 0.0)
    outcome = split_video("film", facts, arrays, SPEC, network=LastFrames())
    assert outcome.detector == "transnetv2"
    assert [shot.shot.span.start_frame for shot in outcome.shots] == [0, *film[1]]
    assert [shot.shot.span.end_frame for shot in outcome.shots[:-1]] == [cut - 1 for cut in film[1]]
    assert outcome.clips


def arrays_of(frames: np.ndarray) -> ScanArrays:
    """A scan at 25 frames a second that saw nothing but thumbnails."""
    ticks = np.arange(len(frames) + 1)
    needed = [field.name for field in fields(ScanArrays) if field.default is MISSING]
    seen = {"pts": ticks, "times_s": ticks / 25, "thumbnails": frames}
    return ScanArrays(**{**dict.fromkeys(needed, np.zeros(0)), **seen})
