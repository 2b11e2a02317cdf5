"""Cuts by a shot network as frames come; the network is a stand-in that needs no weights."""

from collections.abc import Iterable
from hashlib import sha256

import numpy as np
import pytest

from clipmill.media.types import ScanArrays, ScanFacts
from clipmill.models.shots.detector import NetworkCutFinder
from clipmill.records import Cuts, FrameSpan
from clipmill.shots.clip_splitter import ClipState, split_whole
from clipmill.shots.content import all_cuts
from clipmill.shots.windows import STRIDE
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from footage.cut_films import CutKind, plan_cut_film
from footage.film import cuts, thumbnails
from tests.support.stages.stage_context import PlainContext
from tests.support.stand_ins.known_cuts import splitter_of
from tests.support.whole_split import split_video

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
    finder, gradual, start = NetworkCutFinder(LastFrames(), spec.network_options()), list[FrameSpan](), 0
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
    finders = [NetworkCutFinder(LastFrames(), spec.network_options()) for spec in (EVERYWHERE, SPEC)]
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
        all_cuts(NetworkCutFinder(network, spec.network_options()), frames)
        for network, spec in zip(networks, (EVERYWHERE, SPEC), strict=True)
    )
    assert networks[1].said.keys() < networks[0].said.keys()
    looked_at = {frame // STRIDE for frame in frames_of(cascade)}
    assert frames_of(cascade) == {frame for frame in frames_of(everywhere) if frame // STRIDE in looked_at}


def frames_of(found: Cuts) -> set[int]:
    return {frame for span in found.gradual for frame in range(span.start_frame, span.end_frame)}


def test_cuts_do_not_depend_on_batches(film: tuple[np.ndarray, object]) -> None:
    network = LastFrames(batch_windows=4)
    assert all_cuts(NetworkCutFinder(network, EVERYWHERE.network_options()), film[0]) == found(
        film[0], EVERYWHERE
    )
    assert set(network.seen[:-1]) == {4}


def test_what_is_final_stays_final(film: tuple[np.ndarray, object]) -> None:
    for spec in (SPEC, EVERYWHERE):
        finder = NetworkCutFinder(LastFrames(batch_windows=2), spec.network_options())
        whole, settled, before = found(film[0], spec).gradual, list[FrameSpan](), 0
        for start in range(0, len(film[0]), 40):
            settled += finder.feed(film[0][start : start + 40]).gradual
            assert finder.num_final >= before
            before = finder.num_final
            assert settled == [span for span in whole if span.start_frame < finder.num_final]
        assert before > len(film[0]) - 400


def test_what_is_final_lies_a_bounded_number_of_frames_behind(film: tuple[np.ndarray, object]) -> None:
    for spec in (SPEC, EVERYWHERE):
        finder, behind = NetworkCutFinder(LastFrames(), spec.network_options()), list[int]()
        for end in range(10, len(film[0]), 10):
            finder.feed(film[0][end - 10 : end])
            behind.append(end - finder.num_final)
            assert finder.no_cut_until(finder.num_final - 1) == finder.num_final
        assert max(behind) <= finder.latency_frames


def test_clips_told_early_are_those_of_the_whole(film: tuple[np.ndarray, object]) -> None:
    splitter = splitter_of(SPEC, NetworkCutFinder(LastFrames(), SPEC.network_options()))
    times_s, settled = np.arange(len(film[0]) + 1) / 25, list[FrameSpan]()
    for end in range(60, len(film[0]), 60):
        updates = splitter.feed(film[0][end - 60 : end], times_s[end - 60 : end])
        settled += [update.span for update in updates if update.state is ClipState.KEPT]
    finder = NetworkCutFinder(LastFrames(), SPEC.network_options())
    whole = split_whole(splitter_of(SPEC, finder), film[0], times_s)
    assert len(settled) >= 5
    assert settled == list(whole.clips[: len(settled)])


def test_a_higher_threshold_marks_less(film: tuple[np.ndarray, object]) -> None:
    low = TransNetV2ClipExtractionStage(threshold=0.02, cascade=False)
    assert len(found(film[0], low).gradual) > len(found(film[0], EVERYWHERE).gradual)


def test_each_extractor_has_its_finder() -> None:
    assert isinstance(SPEC.finder(with_network(LastFrames())), NetworkCutFinder)
    assert not isinstance(ContentClipExtractionStage().finder(None), NetworkCutFinder)
    with pytest.raises(ValueError, match="transnetv2 needs a worker to look for cuts"):
        SPEC.finder(None)


def with_network(network: LastFrames) -> PlainContext:
    """The context of a worker in which a network is open."""
    context = PlainContext()
    context.shared(f"shot network {SPEC.network_options()}", lambda: network)
    return context


def test_a_split_names_its_detector(film: tuple[np.ndarray, tuple[int, ...]]) -> None:
    arrays = arrays_of(film[0])
    facts = ScanFacts(len(film[0]), len(film[0]) / 25, 1, False, False, "", "cd1:0", None, 0, 0.0)
    outcome = split_video("film", facts, arrays, SPEC, with_network(LastFrames()))
    assert outcome.detector == "transnetv2"
    assert [shot.shot.span.start_frame for shot in outcome.shots] == [0, *film[1]]
    assert [shot.shot.span.end_frame for shot in outcome.shots[:-1]] == [cut - 1 for cut in film[1]]
    assert outcome.clips


def arrays_of(frames: np.ndarray) -> ScanArrays:
    """A scan at 25 frames a second that saw nothing but thumbnails."""
    ticks = np.arange(len(frames) + 1)
    return ScanArrays(pts=ticks, times_s=ticks / 25, is_key=np.zeros(len(frames), bool), thumbnails=frames)
