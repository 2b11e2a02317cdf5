"""The enhance operator: captions before a language model, those of this run or of an earlier one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from clipmill.models.captioner import Caption, skipped
from clipmill.models.language_model import LanguageModel, TextRequest
from clipmill.models.prompts import enhancement_prompt
from clipmill.plan import RunPlan
from clipmill.stages.video.caption.caption_enhancement import ENHANCED_KEY
from clipmill.streaming.answering import answered
from clipmill.streaming.asking import Asking
from clipmill.streaming.customs import Customs
from clipmill.streaming.makers import Makers
from clipmill.streaming.parcel import Parcel
from clipmill.video import Clip, Window


def ask_language_model(model: LanguageModel, requests: Iterable[TextRequest]) -> Iterator[Caption]:
    """Put requests to a language model."""
    return model.complete(requests)


class EnhanceOperator:
    """Works over every caption there is; a window without one is skipped."""

    name = "enhance"

    def __init__(self, plan: RunPlan, output: str | None, makers: Makers) -> None:
        self._system = enhancement_prompt(plan.enhancement) if plan.enhancement else ""
        self._asking = Asking(partial(makers.language_model, plan), ask_language_model)
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Enhance the captions of all parcels together."""
        return answered(
            parcels,
            self.name,
            ask=self._asking,
            request=self._request,
            take=_take,
            customs=self._customs,
        )

    def _request(
        self, parcel: Parcel, clip: Clip, window: Window, window_id: str
    ) -> Callable[[], TextRequest] | Caption:
        text = caption_of(parcel, clip, window)
        return partial(TextRequest, window_id, self._system, text) if text else skipped(window_id)


def caption_of(parcel: Parcel, clip: Clip, window: Window) -> str:
    """What was said of a window, now or in an earlier run; empty where nothing was."""
    if window.answer is not None:
        return window.answer.text
    known = parcel.item.captions.get(str(clip.uuid), [])
    index = next(index for index, one in enumerate(clip.windows) if one is window)
    return known[index] if index < len(known) else ""


def _take(window: Window, answer: Caption) -> None:
    window.enhanced_answer = answer
    if answer.text:
        window.enhanced_caption[ENHANCED_KEY] = answer.text
