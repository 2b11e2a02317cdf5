"""What inputs of language models have in common: the messages as one text, and how checkpoints see videos."""

# pyright: reportMissingImports=false

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from clipmill.models.captioning.chat import ChatRequest

if TYPE_CHECKING:
    import torch
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.checkpoint import load_tokenizer, unavailable


@dataclass(frozen=True)
class Prepared:
    """One request: its tokens, which of them stand for frames, and what the frames became."""

    ids: list[int]
    is_frame: list[bool]
    pixels: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])


class Inputs(Protocol):
    """Makes requests into tensors."""

    def prepare(self, request: ChatRequest) -> Prepared:
        """One request. ValueError for frames that the model cannot look at."""
        ...

    def collate(self, prepared: Sequence[Prepared]) -> "dict[str, torch.Tensor]":
        """What goes with the tokens of a batch, on the CPU."""
        ...


def video_config(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of how it looks at videos, or at images where it says nothing of videos."""
    for name, part in (
        ("video_preprocessor_config.json", None),
        ("processor_config.json", "video_processor"),
        ("preprocessor_config.json", None),
        ("processor_config.json", "image_processor"),
    ):
        if (folder / name).is_file():
            record = cast("dict[str, Any]", json.loads((folder / name).read_bytes()))
            found = record.get(part) if part else record
            if found:
                return found
    return {}


class ChatText:
    """The tokenizer of a checkpoint and its template of a conversation."""

    def __init__(self, entry: ModelEntry, folder: Path) -> None:
        self.tokenizer: Any = load_tokenizer(entry, folder)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        # The file beside the tokenizer is the processor's, which alone has to know of frames.
        self._template = _template_beside(folder) or self.tokenizer.chat_template
        if self._template is None:
            raise unavailable(entry, folder, "its tokenizer has no chat template")

    def of(self, request: ChatRequest) -> str:
        """The whole text, with one place that stands for the frames, where there are any.

        Frames stand before the question: another one about them finds them in a prefix cache. Models that
        can think aloud are asked not to.
        """
        content: list[dict[str, str]] = [{"type": "text", "text": request.text}]
        if request.frames is not None:
            content.insert(0, {"type": "video"})
        asked = content if request.frames is not None else request.text
        system = [{"role": "system", "content": request.system}] if request.system else []
        return self.tokenizer.apply_chat_template(
            [*system, {"role": "user", "content": asked}],
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )

    def ids(self, text: str) -> list[int]:
        """The tokens of a text that already holds its special ones."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def text(self, ids: list[int]) -> str:
        """What tokens say."""
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()


def _template_beside(folder: Path) -> str | None:
    """The template of checkpoints that keep it in a file of its own."""
    path = folder / "chat_template.json"
    if not path.is_file():
        return None
    record = cast("dict[str, object]", json.loads(path.read_bytes()))
    return cast("str | None", record.get("chat_template"))
