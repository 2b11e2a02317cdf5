"""Models that transformers runs in this process, on a CPU or one GPU."""

# pyright: reportMissingImports=false

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipmill.errors import EngineDied, one_line
from clipmill.models.captioning.chat import Caption, ChatRequest, failed
from clipmill.models.captioning.inputs.base import ChatText, Inputs
from clipmill.models.captioning.inputs.by_model import config_of, inputs_of, padded
from clipmill.models.captioning.options import Sampling, ServingOptions
from clipmill.models.registry import ModelEntry
from clipmill.models.runtime import is_out_of_memory, torch_device, use_threads
from clipmill.models.weights.checkpoint import load_network

if TYPE_CHECKING:
    import torch


class TransformersModel:
    """Answers requests in batches of at most ``batch_size``; one that does not fit is halved for good."""

    def __init__(
        self, network: Any, chat: ChatText, inputs: Inputs, sampling: Sampling, *, batch_size: int, name: str
    ) -> None:
        self._network: Any = network
        self._chat = chat
        self._inputs = inputs
        self._sampling = sampling
        self._name = name
        self.batch_size = batch_size

    def answer(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        """See ``ChatModel``. EngineDied when the GPU is lost."""
        source = iter(requests)
        while batch := list(islice(source, self.batch_size)):
            while batch:
                asked = batch[: self.batch_size]
                answers = self._answers(asked)
                batch = batch[len(answers) :]
                yield from answers

    def close(self) -> None:
        self._network = None
        _free_memory()

    def _answers(self, batch: Sequence[ChatRequest]) -> list[Caption]:
        """Answers to a batch, to none of it where it was too large, one by one where one of it spoils it."""
        try:
            return self._generated(batch)
        except (MemoryError, RuntimeError, ValueError) as error:
            if _is_lost(error):
                raise EngineDied(self._name, one_line(error)) from error
            if len(batch) == 1:
                is_retryable = not isinstance(error, ValueError)
                return [failed(batch[0].window_id, one_line(error), is_retryable=is_retryable)]
            is_full = is_out_of_memory(error)
        # Outside of the except clause, whose traceback would keep the tensors of the batch alive.
        if not is_full:
            return [caption for request in batch for caption in self._answers([request])]
        self.batch_size = len(batch) // 2
        _free_memory()
        return []

    def _generated(self, batch: Sequence[ChatRequest]) -> list[Caption]:
        import torch

        prepared = [self._inputs.prepare(request) for request in batch]
        tokens = padded(prepared, self._chat.tokenizer.pad_token_id)
        given = {**tokens, **self._inputs.collate(prepared)}
        with torch.inference_mode():
            output = self._network.generate(
                **{name: self._placed(value) for name, value in given.items()}, **self._choices(batch)
            )
        said = output[:, tokens["input_ids"].shape[1] :].tolist()
        return [
            self._caption(request, len(one.ids), ids)
            for request, one, ids in zip(batch, prepared, said, strict=True)
        ]

    def _placed(self, value: "torch.Tensor") -> "torch.Tensor":
        if value.is_floating_point():
            return value.to(self._network.device, self._network.dtype)
        return value.to(self._network.device)

    def _choices(self, batch: Sequence[ChatRequest]) -> dict[str, object]:
        sampling = self._sampling
        choices: dict[str, object] = {
            "max_new_tokens": max(one.max_output_tokens or sampling.max_output_tokens for one in batch),
            "repetition_penalty": sampling.repetition_penalty,
            "pad_token_id": self._chat.tokenizer.pad_token_id,
            "do_sample": sampling.temperature > 0,
        }
        if sampling.temperature > 0:
            choices |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        return choices

    def _caption(self, request: ChatRequest, num_input: int, ids: list[int]) -> Caption:
        end_ids = self._end_ids()
        ends = [index for index, one in enumerate(ids) if one in end_ids]
        spoken = ids[: ends[0]] if ends else ids
        return Caption(
            request.window_id,
            self._chat.text(spoken),
            "success" if ends else "truncated",
            input_tokens=num_input,
            output_tokens=len(spoken) + bool(ends),
        )

    def _end_ids(self) -> set[int]:
        ends = self._network.generation_config.eos_token_id
        own = {self._chat.tokenizer.eos_token_id}
        return own | (set(ends) if isinstance(ends, list) else {ends})


def open_transformers(
    options: ServingOptions, entry: ModelEntry, folder: Path, *, num_threads: int
) -> TransformersModel:
    """The model in a folder, loaded. ModelUnavailable for weights that are not whole, or of another kind."""
    chat = ChatText(entry, folder)
    does_preprocess = options.vision is not None and options.vision.does_preprocess
    inputs = inputs_of(entry, folder, chat, does_preprocess=does_preprocess)
    use_threads(num_threads)
    device = torch_device(options.device)
    network = load_network(
        entry,
        folder,
        dtype=_dtype(options, folder, device.type),
        device=device,
        auto="AutoModelForImageTextToText" if options.vision else "AutoModelForCausalLM",
    )
    return TransformersModel(
        network, chat, inputs, options.sampling, batch_size=options.in_flight, name=entry.name
    )


def _dtype(options: ServingOptions, folder: Path, device: str) -> str:
    """``auto``: 32 bits on a CPU, on a GPU what the weights are kept in."""
    if options.dtype != "auto":
        return options.dtype
    config = config_of(folder)
    return (
        "float32" if device == "cpu" else str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
    )


def _is_lost(error: Exception) -> bool:
    """Whether the GPU is gone for this process; what it says after that means nothing."""
    return "CUDA error" in str(error) and not is_out_of_memory(error)


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
