"""Which clip a frame is in, said while frames come: what the rules say once the whole video is known."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from clipmill.media import clip_deciders
from clipmill.media.clip_deciders import ClipDecider, ContentDecider, StrideDecider
from clipmill.records import Cuts, FrameSpan, Split
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.timeline import clips_from_shots, fixed_stride_clips, shots_from_cuts

THUMBNAIL = np.zeros((27, 48, 3), np.uint8)
LAG = 7


def told(decider: ClipDecider, times_s: Sequence[float]) -> list[FrameSpan]:
    """The clips of a video whose frames come one by one, as long as they have to be."""
    numbers: list[int | None] = []
    for time_s in times_s[:-1]:
        numbers += decider.take(time_s, THUMBNAIL)
        assert len(numbers) <= len(times_s)
    numbers += decider.finish(times_s[-1])
    assert len(numbers) == len(times_s) - 1
    edges = [0, *(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1]), len(numbers)]
    runs = [FrameSpan(a, b) for a, b in pairwise(edges) if numbers[a] is not None]
    long = decider.min_length_s - 1e-6
    clips = [run for run in runs if times_s[run.end_frame] - times_s[run.start_frame] >= long]
    return clips[: decider.limit_clips or None]


def times(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """Frame times of a variable rate around 25 a second, and the end of the last."""
    steps = rng.choice([0.02, 0.04, 0.04, 0.04, 0.1], num_frames)
    return np.concatenate([[0.0], np.cumsum(steps)])


class Scripted:
    """Tells cuts that are known beforehand as late as ``CutFinder`` may."""

    latency_frames = hard_latency_frames = LAG

    def __init__(self, cuts: Cuts, num_frames: int) -> None:
        self.num_final = 0
        self._cuts, self._num_frames, self._num_fed = cuts, num_frames, 0

    def no_cut_until(self, frame: int) -> int:
        return min((cut for cut in self._cuts.hard if cut > frame), default=self._num_fed)

    def feed(self, thumbnails: np.ndarray) -> Cuts:
        self._num_fed += len(thumbnails)
        return self._until(max(0, self._num_fed - LAG))

    def finish(self) -> Cuts:
        return self._until(self._num_frames + LAG)

    def _until(self, final: int) -> Cuts:
        for span in self._cuts.gradual:
            if span.start_frame < final < span.end_frame + LAG and final < self._num_frames:
                final = span.start_frame
        before, self.num_final = self.num_final, max(final, self.num_final)
        hard = tuple(cut for cut in self._cuts.hard if before <= cut < self.num_final)
        gradual = (span for span in self._cuts.gradual if before <= span.start_frame < self.num_final)
        return Cuts(hard, tuple(gradual))


def random_cuts(rng: np.random.Generator, num_frames: int) -> Cuts:
    edges = sorted(rng.choice(np.arange(1, num_frames), 8, replace=False).tolist())
    gradual = [FrameSpan(edges[2], edges[3]), FrameSpan(edges[5], edges[6])]
    inside = [cut for cut in edges if not any(s.start_frame <= cut <= s.end_frame for s in gradual)]
    return Cuts(tuple(inside), tuple(gradual))


RULES = {
    "defaults": ContentClipExtractionStage(),
    "no crop": ContentClipExtractionStage(crop_s=None, min_length_s=0.5),
    "strides": ContentClipExtractionStage(max_length_s=1.0, min_length_s=0.4, crop_s=0.2),
    "truncated": ContentClipExtractionStage(max_length_s=1.0, max_length_mode="truncate", min_length_s=0.4),
    "no lengths": ContentClipExtractionStage(max_length_s=None, min_length_s=None, crop_s=0.1),
    "limit": ContentClipExtractionStage(limit_clips=2, min_length_s=0.5),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("seed", range(6))
def test_clips_of_shots(
    monkeypatch: pytest.MonkeyPatch, rules: ContentClipExtractionStage, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    num_frames = 800
    times_s, cuts = times(rng, num_frames), random_cuts(rng, num_frames)
    monkeypatch.setattr(clip_deciders, "CutFinder", lambda spec: Scripted(cuts, num_frames))
    split, _ = clips_from_shots(shots_from_cuts(cuts, num_frames=num_frames), times_s, rules)
    assert told(ContentDecider(rules), times_s.tolist()) == list(split.clips)
    assert split.clips


def test_a_long_shot_is_told_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_deciders, "CutFinder", lambda spec: Scripted(Cuts(), 1000))
    decider, num_told = ContentDecider(ContentClipExtractionStage()), 0
    for index in range(500):
        num_told += len(decider.take(index / 25, THUMBNAIL))
        assert index - num_told <= LAG + 0.5 * 25 + 2


@pytest.mark.parametrize("seed", range(4))
def test_clips_by_the_clock(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spec = FixedStrideExtractorStage(clip_len_s=1.5, clip_stride_s=2.0 - seed / 6, min_clip_length_s=1.0)
    times_s = times(rng, 300)
    split: Split = fixed_stride_clips(times_s, spec)
    assert told(StrideDecider(spec), times_s.tolist()) == list(split.clips)
