"""The appraise operator: what models say against a clip, before it costs an encode or an embedding."""

from collections.abc import Iterator, Sequence

import numpy as np

from clipmill.models.aesthetics import AestheticScorer
from clipmill.plan import RunPlan
from clipmill.records import ClipReason
from clipmill.scores.verdict import aesthetic_verdict
from clipmill.stages.video.clipping.clip_frame_extraction import FrameExtractionPolicy, frame_signature
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.streaming.customs import Customs
from clipmill.streaming.makers import Makers
from clipmill.streaming.operators import filter_clip
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.video import Clip

SCORE_DIGITS = 6
"""Scores are rounded before any threshold, so that the last bits of a processor decide nothing."""


class Appraiser:
    """Scores clips that passed the filters without weights; frames of those it rejects go no further."""

    name = "appraise"

    def __init__(self, plan: RunPlan, output: str | None, makers: Makers) -> None:
        self._plan = plan
        self._scorer = makers.scorer(plan)
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Score the clips of all parcels together, then give the parcels on."""
        watches = [Stopwatch(self.name, parcel.item.video_id) for parcel in parcels]
        if self._plan.aesthetics and self._scorer:
            wanted = [parcel for parcel in parcels if "aesthetic" in parcel.item.missing]
            self._score(wanted, self._plan.aesthetics, self._scorer)
        for parcel, watch in zip(parcels, watches, strict=True):
            yield self._customs(parcel).measured(watch.lap(parcel.task.data.clip_chunk_index))

    def _score(
        self, parcels: Sequence[Parcel], spec: ClipAestheticFilterStage, scorer: AestheticScorer
    ) -> None:
        key = frame_signature(FrameExtractionPolicy.SEQUENCE, spec.target_fps)
        owners = [(parcel, clip) for parcel in parcels for clip in parcel.task.data.clips]
        ready = [(parcel, clip) for parcel, clip in owners if key in clip.extracted_frames]
        scores = scorer.score([clip.extracted_frames[key] for _, clip in ready]) if ready else []
        found = dict(zip((clip.uuid for _, clip in ready), scores, strict=True))
        for parcel, clip in owners:
            self._judge(parcel, clip, found.get(clip.uuid), spec)

    def _judge(
        self, parcel: Parcel, clip: Clip, scores: np.ndarray | None, spec: ClipAestheticFilterStage
    ) -> None:
        if scores is None or not len(scores):
            clip.errors["aesthetic"] = clip.errors.get("frames", "the clip has no sampled frames")
            return
        clip.frame_scores = scores.astype(np.float32).round(SCORE_DIGITS)
        reduced = clip.frame_scores.min() if spec.reduction == "min" else clip.frame_scores.mean()
        clip.aesthetic_score = round(float(reduced), SCORE_DIGITS)
        verdict = aesthetic_verdict(clip.aesthetic_score, spec)
        spec.log().debug("%s: %g, %s", clip.uuid, clip.aesthetic_score, verdict or "passed")
        if verdict:
            self._filter(parcel, clip, verdict)

    def _filter(self, parcel: Parcel, clip: Clip, reason: ClipReason) -> None:
        """What is left of a rejected clip are its scores, and the frames of its preview."""
        filter_clip(parcel.task.data, clip, reason)
        preview = self._plan.preview
        kept = {frame_signature(FrameExtractionPolicy.SEQUENCE, preview.target_fps)} if preview else set()
        clip.extracted_frames = {key: frames for key, frames in clip.extracted_frames.items() if key in kept}
