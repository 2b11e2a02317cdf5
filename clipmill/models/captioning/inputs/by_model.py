"""From requests to the tensors that ``generate`` takes, by the kind of model: text only, Qwen-VL, SmolVLM."""

# pyright: reportMissingImports=false
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clipmill.errors import ModelUnavailable
from clipmill.models.captioning.chat import ChatRequest
from clipmill.models.captioning.inputs.base import ChatText, Inputs, Prepared
from clipmill.models.registry import ModelEntry

if TYPE_CHECKING:
    import torch


class TextInputs:
    """Requests without frames."""

    def __init__(self, chat: ChatText) -> None:
        self._chat = chat

    def prepare(self, request: ChatRequest) -> Prepared:
        ids = self._chat.ids(self._chat.of(request))
        return Prepared(ids, [False] * len(ids))

    def collate(self, prepared: Sequence[Prepared]) -> "dict[str, torch.Tensor]":
        """Nothing goes with text."""
        return {}


def padded(prepared: Sequence[Prepared], pad_id: int) -> "dict[str, torch.Tensor]":
    """Tokens of a batch int64 ``(n, L)``, filled up on the left, and their mask."""
    import torch

    length = max(len(one.ids) for one in prepared)
    gaps = [length - len(one.ids) for one in prepared]
    ids = [[pad_id] * gap + one.ids for gap, one in zip(gaps, prepared, strict=True)]
    mask = [[0] * gap + [1] * len(one.ids) for gap, one in zip(gaps, prepared, strict=True)]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def inputs_of(entry: ModelEntry, folder: Path, chat: ChatText, *, does_preprocess: bool) -> Inputs:
    """The inputs of the checkpoint in ``folder``. ModelUnavailable where its kind is not known here."""
    from clipmill.models.captioning.inputs.qwen import QwenInputs
    from clipmill.models.captioning.inputs.smolvlm import SmolVlmInputs

    if entry.kind == "language":
        return TextInputs(chat)
    config = config_of(folder)
    kinds: dict[str, Callable[[], Inputs]] = {
        "qwen2_5_vl": lambda: QwenInputs(folder, chat, config, does_preprocess=does_preprocess),
        "qwen3_vl": lambda: QwenInputs(folder, chat, config, does_preprocess=does_preprocess),
        "smolvlm": lambda: SmolVlmInputs(folder, chat, config),
    }
    kind = str(config.get("model_type"))
    if kind not in kinds:
        cause = f"the transformers backend does not know the kind {kind!r}, only {', '.join(kinds)}"
        raise ModelUnavailable(entry.name, str(folder), cause, "use the vllm backend or an endpoint")
    return kinds[kind]()


def config_of(folder: Path) -> dict[str, Any]:
    """The checkpoint's own description; empty where it has none."""
    path = folder / "config.json"
    return cast("dict[str, Any]", json.loads(path.read_bytes())) if path.is_file() else {}
