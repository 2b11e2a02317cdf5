"""A real vLLM engine on a processor, over tiny checkpoints: each test starts one, which takes a while."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from clipmill.errors import EngineDied, ModelUnavailable
from clipmill.models.captioning.chat import Caption, ChatRequest
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from tests.support.captioners import AskedModel, open_captioner

ENGINE = {"max_model_len": 2048, "max_num_batched_tokens": 2048, "max_num_seqs": 8, "enforce_eager": True}
WORDS = {"max_output_tokens": 8, "dtype": "float32", "temperature": 0.0}

pytestmark = pytest.mark.timeout(600)


def opened(stage: CaptionGenerationStage) -> AskedModel:
    return open_captioner(stage.serving(), refinement=stage.refinement)


def captioner(folder: Path, **fields: object) -> AskedModel:
    spec = {"model": str(folder), "backend": "vllm", "vllm_kwargs": ENGINE, **WORDS, **fields}
    return opened(CaptionGenerationStage.model_validate(spec))


def by_transformers(folder: Path) -> AskedModel:
    spec = {"model": str(folder), "backend": "transformers", "device": "cpu", **WORDS}
    spec["model_does_preprocess"] = True  # as the engine's processor always does
    return opened(CaptionGenerationStage.model_validate(spec))


def requests(num: int, size: tuple[int, int] = (112, 168)) -> Iterator[ChatRequest]:
    for index in range(num):
        frames = np.random.default_rng(index).integers(
            0, 256, (4 + 2 * (index % 3), *size, 3), dtype=np.uint8
        )
        yield ChatRequest(f"w{index}", "describe this video", frames=frames, fps=2.0)


def by_window(captions: Iterator[Caption]) -> dict[str, Caption]:
    found = list(captions)
    assert len({caption.window_id for caption in found}) == len(found)
    return {caption.window_id: caption for caption in found}


def test_the_engine_says_what_transformers_says(saved: Callable[[str], Path]) -> None:
    """The same tokens in; large random weights magnify last bits, so that only some answers are the same.

    By chance none would be: each is eight of 384 tokens.
    """
    folder = saved("qwen2_5_vl")
    with closing(captioner(folder)) as engine, closing(by_transformers(folder)) as other:
        ours, theirs = (by_window(one.caption(requests(12, (84, 140)))) for one in (engine, other))
    assert ours.keys() == theirs.keys()
    assert [ours[name].input_tokens for name in ours] == [theirs[name].input_tokens for name in ours]
    assert sum(ours[name].text == theirs[name].text for name in ours) >= 1
    assert {caption.status for caption in ours.values()} == {"truncated"}


def test_qwen3_sees_its_frames_and_refines(saved: Callable[[str], Path]) -> None:
    with closing(captioner(saved("qwen3_vl"), generate_stage2_caption=True, fp8=False)) as engine:
        found = by_window(engine.caption(requests(6, (96, 128))))
    assert len(found) == 6
    assert len({caption.text for caption in found.values()}) == 6, "frames must matter"
    assert all(caption.output_tokens == 16 for caption in found.values())


def test_a_window_that_is_too_long_is_named_and_the_others_go_on(saved: Callable[[str], Path]) -> None:
    long = ChatRequest("long", "describe " * 3000, frames=next(requests(1)).frames, fps=2.0)
    with closing(captioner(saved("qwen2_5_vl"))) as engine:
        found = by_window(engine.caption([*requests(2), long]))
    assert [found[name].status for name in ("w0", "w1", "long")] == ["truncated", "truncated", "error"]
    assert "2048" in found["long"].message


def test_an_engine_that_dies_is_told_and_another_one_can_be_opened(saved: Callable[[str], Path]) -> None:
    folder = saved("qwen2_5_vl")
    engine = captioner(folder, max_output_tokens=1500)
    answers = engine.caption(requests(4))
    for process in _children():
        os.kill(process, signal.SIGKILL)
    with pytest.raises(EngineDied, match="gone"):
        list(answers)
    with closing(captioner(folder)) as another:
        assert by_window(another.caption(requests(1)))["w0"].text


def _children() -> list[int]:
    """The processes that this one started, and theirs."""
    found = [os.getpid()]
    for process in found:
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            found += [int(child) for child in path.read_text().split()]
    return found[1:]


def test_an_engine_that_cannot_start_is_told_in_one_line(saved: Callable[[str], Path]) -> None:
    wrong = {**ENGINE, "max_model_len": 10_000_000}
    with pytest.raises(ModelUnavailable, match="vLLM does not start") as told:
        captioner(saved("qwen2_5_vl"), vllm_kwargs=wrong)
    assert "\n" not in str(told.value)


def test_a_language_model_works_over_captions(saved: Callable[[str], Path]) -> None:
    spec = {"model": str(saved("language")), "backend": "vllm", "vllm_kwargs": ENGINE, **WORDS}
    asked = [ChatRequest(f"w{index}", "a person walks " * (index + 1), "describe") for index in range(4)]
    with closing(open_captioner(CaptionEnhancementStage.model_validate(spec).serving())) as model:
        found = by_window(model.caption(asked))
    assert len(found) == 4
    assert all(caption.output_tokens == 8 for caption in found.values())
