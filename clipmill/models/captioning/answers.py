"""Requests about items of a stage, and what their answers mean for the stage's columns."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from clipmill.models.captioning.chat import Caption, ChatRequest, answered
from clipmill.models.captioning.frames import WindowOptions, window_frames
from clipmill.models.captioning.options import ServingOptions
from clipmill.models.captioning.shared_model import acquire_model
from clipmill.outcomes.failures import ENDPOINT_ERROR
from clipmill.stages.worker import Failed, Item, StageContext

MODEL_FAILED = "model_failed"
"""Reason of an item about which a model of this machine could not be asked."""

Answered = tuple[str, Mapping[str, object] | Failed]
"""Id of an item, and its columns."""


class AskingWorker(ABC):
    """Asks one model, which it shares with other stages of its process, about items.

    With ``refinement`` each item is asked about again, beside the first answer.
    """

    def __init__(
        self, context: StageContext, options: ServingOptions, *, refinement: str | None = None
    ) -> None:
        self.max_output_tokens = options.sampling.max_output_tokens
        self._refinement = refinement
        self._model = acquire_model(context, options)

    @abstractmethod
    def request(self, item: Item) -> ChatRequest:
        """Returns what the model is asked about an item."""

    @abstractmethod
    def columns(self, answer: Caption) -> Mapping[str, object]:
        """Returns the columns of an item with its answer."""

    def stream(self, items: Iterator[Item]) -> Iterator[Answered]:
        """Yields ids and columns. A request is made when the model has room for it.

        EngineDied when the model is gone.
        """
        with self._model.running() as chat:
            for answer in answered(chat, map(self.request, items), refinement=self._refinement):
                yield answer.window_id, self._columns_or_failure(answer)

    def close(self) -> None:
        """Gives the model back."""
        self._model.release()

    def _columns_or_failure(self, answer: Caption) -> Mapping[str, object] | Failed:
        if answer.is_retryable:
            reason = ENDPOINT_ERROR if answer.is_remote else MODEL_FAILED
            return Failed("retryable", reason, answer.message)
        return self.columns(answer)

    def about_frames(self, item: Item, prompt: str, options: WindowOptions) -> ChatRequest:
        """Returns a request about the frames that were sampled of a window, or of a whole clip."""
        if item.frames is None or item.frame_numbers is None:
            raise ValueError(f"item {item.id} has no sampled frames")
        source_fps = item.clip.frames.num_frames / item.clip.duration_s
        frames, fps = window_frames(
            item.frames, item.frame_numbers, item.shown, source_fps=source_fps, options=options
        )
        most = self.max_output_tokens
        return ChatRequest(item.id, prompt, frames=frames, fps=fps, max_output_tokens=most)
