"""The caption operator: windows of several videos before one model, each answer bound to its window."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from clipmill.models.captioner import Caption, Captioner, CaptionRequest
from clipmill.models.prompts import caption_prompt
from clipmill.plan import RunPlan
from clipmill.streaming.answering import answered
from clipmill.streaming.asking import Asking
from clipmill.streaming.customs import Customs
from clipmill.streaming.makers import Makers
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.windows import has_frames, request_of, span_of
from clipmill.video import Clip, Window


def ask_captioner(captioner: Captioner, requests: Iterable[CaptionRequest]) -> Iterator[Caption]:
    """Put requests to a captioner."""
    return captioner.caption(requests)


class CaptionOperator:
    """Captions every window of the clips that passed. A window that fails is named, and its clip stays."""

    name = "caption"

    def __init__(self, plan: RunPlan, output: str | None, makers: Makers) -> None:
        self._windows = plan.windows
        self._variant = plan.captions.model_variant if plan.captions else ""
        self._asking = Asking(partial(makers.captioner, plan), ask_captioner)
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Caption the windows of all parcels together."""
        return answered(
            parcels,
            self.name,
            ask=self._asking,
            request=self._request,
            take=self._take,
            customs=self._customs,
        )

    def _request(
        self, _parcel: Parcel, clip: Clip, window: Window, window_id: str
    ) -> Callable[[], CaptionRequest] | Caption:
        if not has_frames(clip, self._windows):
            why = clip.errors.get("frames", "the clip has no sampled frames")
            return Caption(window_id, "", "error", message=why)
        prompt = caption_prompt(self._windows)
        return partial(request_of, window_id, clip, span_of(window), prompt, self._windows)

    def _take(self, window: Window, answer: Caption) -> None:
        window.answer = answer
        if answer.text:
            window.caption[self._variant] = answer.text
