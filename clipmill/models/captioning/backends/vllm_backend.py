"""Models that vLLM runs in this process: one engine on one or several GPUs, batched continuously.

Requests of all videos are in the engine together; it batches by token, not by request. The engine runs in a
process of its own and is spoken to from an event loop in a thread. Its death is ``EngineDied`` for the
code that waits: the operator that holds the model opens another one and asks again.
"""

# pyright: reportMissingImports=false

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from clipmill.errors import EngineDied, ModelUnavailable, one_line
from clipmill.models.captioning.chat import Caption, ChatRequest, answers_as_done, failed
from clipmill.models.captioning.inputs.base import ChatText
from clipmill.models.captioning.options import Sampling, ServingOptions
from clipmill.models.registry import ModelEntry

_AHEAD = 4
"""Times ``in_flight`` that requests are handed over: the engine looks at the frames of those that wait."""
_MM_CACHE_GB = 4.0
_CONTEXT_TOKENS = 32_768  # a window of 768 frames has at most half of it
_GPU_SHARE = 0.85
"""Of the part of a GPU that is an engine's: the rest is for what it does not count."""
_HEALTH_S = 5.0
_SHUTDOWN_S = 30.0

Result = TypeVar("Result")


class VllmModel:
    """Answers requests by an engine that was started; ``name`` is who it is in messages."""

    def __init__(
        self, engine: Any, loop: "_Loop", chat: ChatText, sampling: Sampling, *, in_flight: int, name: str
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._chat = chat
        self._sampling = sampling
        self._in_flight = in_flight
        self._name = name
        self._numbers = count()

    def answer(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        """See ``ChatModel``. EngineDied when the engine is gone."""
        return answers_as_done(requests, self._submit, limit=self._in_flight)

    def close(self) -> None:
        """See ``ChatModel``; an engine that does not end in time ends with this process."""
        try:
            self._loop.submit(_shut_down(self._engine)).result(_SHUTDOWN_S)
        finally:
            self._loop.close()

    def _submit(self, request: ChatRequest) -> Future[Caption]:
        return self._loop.submit(self._caption(request))

    async def _caption(self, request: ChatRequest) -> Caption:
        from vllm import exceptions
        from vllm.v1.engine.exceptions import EngineDeadError

        of_request = getattr(exceptions, "VLLMError", ValueError)  # older ones raised ValueError

        try:
            return _caption_of(request.window_id, await self._generated(request))
        except EngineDeadError as error:
            raise EngineDied(self._name, one_line(error)) from error
        except (of_request, ValueError, TypeError) as error:
            return failed(request.window_id, one_line(error))
        except RuntimeError as error:
            return failed(request.window_id, one_line(error), is_retryable=True)

    async def _generated(self, request: ChatRequest) -> Any:
        """The last output. A request that reached the engine as it died learns that here only."""
        work = asyncio.ensure_future(self._last_output(request))
        try:
            while not (await asyncio.wait({work}, timeout=_HEALTH_S))[0]:
                if self._engine.errored:
                    raise EngineDied(self._name, "it died while it was asked")
            return work.result()
        finally:
            work.cancel()

    async def _last_output(self, request: ChatRequest) -> Any:
        """The engine hands over nothing before."""
        last = None
        asked = {"prompt": self._chat.of(request), **_frames_of(request)}
        # The engine wants a new name for each request; a window is asked about twice where it is refined.
        name = f"{request.window_id}-{next(self._numbers)}"
        async for output in self._engine.generate(
            asked, _sampling_params(self._sampling, request.max_output_tokens), request_id=name
        ):
            last = output
        return last


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def open_vllm(options: ServingOptions, entry: ModelEntry, folder: Path) -> VllmModel:
    """An engine over the weights in a folder. ModelUnavailable when it does not start."""
    chat = ChatText(entry, folder)
    loop = _Loop()
    try:
        engine = loop.submit(_started(engine_arguments(options, folder))).result()
    except (RuntimeError, ValueError, OSError, TypeError) as error:
        loop.close()
        remedy = "see the engine's log above; vllm_kwargs changes how it starts"
        raise ModelUnavailable(
            entry.name, str(folder), f"vLLM does not start: {one_line(error)}", remedy
        ) from error
    in_flight = _AHEAD * options.in_flight
    return VllmModel(engine, loop, chat, options.sampling, in_flight=in_flight, name=entry.name)


def engine_arguments(options: ServingOptions, folder: Path) -> dict[str, object]:
    """How the engine is started; ``vllm_kwargs`` has the last word."""
    arguments: dict[str, object] = {
        "model": str(folder),
        "dtype": options.dtype,
        "quantization": "fp8" if options.fp8 else None,
        "tensor_parallel_size": options.tensor_parallel_size,
        "max_model_len": _CONTEXT_TOKENS,
        "max_num_batched_tokens": _CONTEXT_TOKENS,  # a whole window in one step of the encoder
        "gpu_memory_utilization": round(_GPU_SHARE * min(1.0, options.gpu_share or 1.0), 3),
        "enable_prefix_caching": True,
        "disable_log_stats": True,
    }
    if options.vision:
        arguments |= {
            "limit_mm_per_prompt": {"image": 0, "video": 1},
            "mm_processor_cache_gb": _MM_CACHE_GB if options.vision.keeps_prepared else 0.0,
            "skip_mm_profiling": True,  # up to a minute of every start
        }
    return {**arguments, **options.vllm_kwargs}


async def _started(arguments: dict[str, object]) -> Any:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    known: Any = arguments
    return AsyncLLM.from_engine_args(AsyncEngineArgs(**known))


async def _shut_down(engine: Any) -> None:
    """In the loop that the engine's tasks run in, or they complain of its end."""
    engine.shutdown()


def _sampling_params(sampling: Sampling, max_output_tokens: int | None) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        repetition_penalty=sampling.repetition_penalty,
        max_tokens=max_output_tokens or sampling.max_output_tokens,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _frames_of(request: ChatRequest) -> dict[str, object]:
    """Frames as vLLM takes a video that was sampled already: with what it would else read from a file."""
    if request.frames is None:
        return {}
    num_frames = len(request.frames)
    facts = {
        "fps": request.fps,
        "total_num_frames": num_frames,
        "frames_indices": list(range(num_frames)),
        "duration": num_frames / request.fps,
        "video_backend": "opencv",
        "do_sample_frames": False,
    }
    return {"multi_modal_data": {"video": [(request.frames, facts)]}}


def _caption_of(window_id: str, output: Any) -> Caption:
    if output is None or not output.outputs:
        return failed(window_id, "the engine gave no answer", is_retryable=True)
    said = output.outputs[0]
    if said.finish_reason not in {"stop", "length"}:
        return failed(window_id, f"the engine stopped it: {said.finish_reason}", is_retryable=True)
    return Caption(
        window_id,
        said.text.strip(),
        "truncated" if said.finish_reason == "length" else "success",
        input_tokens=len(output.prompt_token_ids or ()),
        output_tokens=len(said.token_ids),
    )
