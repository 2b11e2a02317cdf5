"""The appraise operator: what models say against a clip, before it costs an encode or an embedding."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from clipmill.models.aesthetics import AestheticScorer
from clipmill.models.captioner import Caption, Captioner, CaptionRequest
from clipmill.models.prompts import answer_of, question_prompt
from clipmill.plan import RunPlan
from clipmill.records import Answer, ClipReason, FrameSpan
from clipmill.scores.verdict import SCORE_DIGITS, aesthetic_verdict, answer_verdict
from clipmill.stages.video.clipping.clip_frame_extraction import FrameExtractionPolicy, frame_signature
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.streaming.asking import Asking
from clipmill.streaming.captioning import ask_captioner
from clipmill.streaming.customs import Customs
from clipmill.streaming.makers import Makers
from clipmill.streaming.operators import filter_clip
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.streaming.windows import has_frames, request_of
from clipmill.video import Clip


class Appraiser:
    """Scores clips that passed the filters without weights; frames of those it rejects go no further."""

    name = "appraise"

    def __init__(self, plan: RunPlan, output: str | None, makers: Makers) -> None:
        self._plan = plan
        self._scorer = makers.scorer(plan)
        self._asking: Asking[Captioner, CaptionRequest] | None = None
        if plan.questions:
            self._asking = Asking(partial(makers.questioner, plan), ask_captioner)
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Score the clips of all parcels together, then give the parcels on."""
        watches = [Stopwatch(self.name, parcel.item.video_id) for parcel in parcels]
        if self._plan.aesthetics and self._scorer:
            wanted = [parcel for parcel in parcels if "aesthetic" in parcel.item.missing]
            self._score(wanted, self._plan.aesthetics, self._scorer)
        if self._asking:
            self._ask([parcel for parcel in parcels if "answers" in parcel.item.missing], self._asking)
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

    def _ask(self, parcels: Sequence[Parcel], asking: Asking[Captioner, CaptionRequest]) -> None:
        """Ask every question about every clip that is left."""
        owners = [(parcel, clip) for parcel in parcels for clip in parcel.task.data.clips]
        shown = [clip for _, clip in owners if has_frames(clip, self._plan.windows)]
        requests = {
            f"{clip.uuid}:{index}": partial(self._request, clip, index)
            for clip in shown
            for index in range(len(self._plan.questions))
        }
        said = {answer.window_id: answer for answer in asking(requests)}
        for parcel, clip in owners:
            answers = [said.get(f"{clip.uuid}:{index}") for index in range(len(self._plan.questions))]
            self._judge_answers(parcel, clip, answers)

    def _request(self, clip: Clip, index: int) -> CaptionRequest:
        """A question about a whole clip, as about one window."""
        assert clip.place is not None
        prompt = question_prompt(self._plan.questions[index].question)
        whole = FrameSpan(0, clip.place.frames.num_frames)
        return request_of(f"{clip.uuid}:{index}", clip, whole, prompt, self._plan.windows)

    def _judge_answers(self, parcel: Parcel, clip: Clip, answers: Sequence[Caption | None]) -> None:
        """An answer that is neither yes nor no, or that failed, never rejects."""
        questions = [spec.question for spec in self._plan.questions]
        clip.answers = tuple(
            answer_of(question, said.text) if said else Answer(question, None)
            for question, said in zip(questions, answers, strict=True)
        )
        if failed := [said.message for said in answers if said and said.status == "error"]:
            clip.errors["answers"] = failed[0]
        elif None in answers:
            clip.errors["answers"] = clip.errors.get("frames", "the clip has no sampled frames")
        if verdict := answer_verdict(clip.answers, self._plan.questions):
            self._filter(parcel, clip, verdict)

    def _filter(self, parcel: Parcel, clip: Clip, reason: ClipReason) -> None:
        """What is left of a rejected clip are its scores, and the frames of its preview."""
        filter_clip(parcel.task.data, clip, reason)
        preview = self._plan.preview
        kept = {frame_signature(FrameExtractionPolicy.SEQUENCE, preview.target_fps)} if preview else set()
        clip.extracted_frames = {key: frames for key, frames in clip.extracted_frames.items() if key in kept}
