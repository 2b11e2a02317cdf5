"""Captions and texts by transformers: tiny checkpoints of the real classes, loaded as real ones are."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from clipmill.errors import EngineDied, ModelUnavailable
from clipmill.models.captioning.backends.transformers_backend import TransformersModel
from clipmill.models.captioning.chat import Caption, ChatRequest
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from tests.support.captioners import AskedModel, open_captioner
from tests.support.checkpoints.tiny_vlm import VLMS, save_language_model

EVERY = pytest.mark.parametrize("kind", VLMS)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where the tiny checkpoint of a kind lies; each is made once."""
    root = tmp_path_factory.mktemp("checkpoints")

    def folder(kind: str) -> Path:
        return root / kind if (root / kind).exists() else VLMS[kind](root / kind)

    return folder


def opened(stage: CaptionGenerationStage) -> AskedModel:
    return open_captioner(stage.serving(), refinement=stage.refinement)


def captioner(folder: Path, **fields: object) -> AskedModel:
    spec = {"model": str(folder), "max_output_tokens": 6, "device": "cpu", **fields}
    return opened(CaptionGenerationStage.model_validate(spec))


def model_in(opened: AskedModel) -> TransformersModel:
    assert isinstance(opened.chat, TransformersModel)
    return opened.chat


def request(
    name: str, num_frames: int = 4, *, seed: int = 0, size: tuple[int, int] = (96, 128)
) -> ChatRequest:
    frames = np.random.default_rng(seed).integers(0, 256, (num_frames, *size, 3), dtype=np.uint8)
    return ChatRequest(name, "describe this video", frames=frames, fps=2.0)


@EVERY
def test_windows_are_answered_in_a_batch_as_they_are_alone(kind: str, saved: Callable[[str], Path]) -> None:
    opened = captioner(saved(kind))
    requests = [request(f"w{index}", 4 + 2 * index, seed=index) for index in range(3)]
    together = list(opened.caption(requests))
    alone = [caption for one in requests for caption in opened.caption([one])]
    assert [caption.window_id for caption in together] == ["w0", "w1", "w2"]
    assert together == alone
    assert len({caption.text for caption in together}) == 3, "frames must matter"


@pytest.mark.parametrize(
    ("kind", "num_frames", "num_tokens"),
    [
        ("qwen2_5_vl", 4, 2 * (84 // 28) * (140 // 28)),
        ("qwen2_5_vl", 8, 4 * (84 // 28) * (140 // 28)),
        ("qwen3_vl", 4, 2 * (96 // 32) * (128 // 32)),
        ("smolvlm", 4, 4 * (64 // 8 // 4) ** 2),
    ],
)
def test_frames_cost_the_tokens_they_should(
    kind: str, num_frames: int, num_tokens: int, saved: Callable[[str], Path]
) -> None:
    chat = model_in(captioner(saved(kind)))
    prepared = chat._inputs.prepare(
        request("w", num_frames, size=(90, 140) if kind == "qwen2_5_vl" else (96, 128))
    )
    assert sum(prepared.is_frame) == num_tokens


def test_the_models_own_budget_is_used_where_it_is_asked_for(saved: Callable[[str], Path]) -> None:
    large = request("w", 4, size=(400, 700))
    few, many = (
        next(captioner(saved("qwen2_5_vl"), model_does_preprocess=own).caption([large])).input_tokens
        for own in (True, False)
    )
    assert few < 100 < many


def test_qwen3_reads_the_time_of_each_pair_of_frames(saved: Callable[[str], Path]) -> None:
    chat = model_in(captioner(saved("qwen3_vl")))
    prepared = chat._inputs.prepare(request("w", 6))
    text = chat._chat.tokenizer.decode(prepared.ids).replace("<|video_pad|>", "")
    assert "".join(text.split("user\n")[1].split("describe")[0].split()) == (
        "<0.2seconds><|vision_start|><|vision_end|><1.2seconds><|vision_start|><|vision_end|>"
        "<2.2seconds><|vision_start|><|vision_end|>"
    )


def test_smolvlm_reads_how_many_frames_there_are_and_when(saved: Callable[[str], Path]) -> None:
    chat = model_in(captioner(saved("smolvlm")))
    text = chat._chat.tokenizer.decode(chat._inputs.prepare(request("w", 4)).ids)
    assert "series of four frames from a 0:00:02 [H:MM:SS] video" in text
    assert [part[:5] for part in text.split("Frame from ")[1:]] == ["00:00", "00:00", "00:01", "00:01"]


def test_smolvlm_looks_at_no_more_frames_than_it_was_made_for(saved: Callable[[str], Path]) -> None:
    chat = model_in(captioner(saved("smolvlm")))
    prepared = chat._inputs.prepare(request("w", 70, size=(32, 32)))
    assert len(prepared.pixels["pictures"]) == 64


def test_an_answer_that_ends_is_a_success(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = captioner(saved("qwen2_5_vl"))
    chat = model_in(opened)
    said = [*chat._chat.ids("a person walks"), chat._chat.tokenizer.eos_token_id, 0, 0]

    def generate(**given: torch.Tensor) -> torch.Tensor:
        ids = given["input_ids"]
        return torch.cat([ids, torch.tensor([said] * len(ids))], dim=1)

    monkeypatch.setattr(chat._network, "generate", generate)
    ended = next(opened.caption([request("w")]))
    assert (ended.status, ended.text, ended.output_tokens) == ("success", "a person walks", len(said) - 2)


def test_a_window_that_spoils_its_batch_is_the_only_one_named(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = captioner(saved("qwen2_5_vl"))
    chat = model_in(opened)
    generate, mark = chat._network.generate, chat._chat.ids("Q")[0]

    def touchy(**given: torch.Tensor) -> torch.Tensor:
        if (given["input_ids"] == mark).any():
            raise RuntimeError("the shapes do not match")
        return generate(**given)

    monkeypatch.setattr(chat._network, "generate", touchy)
    spoiled = replace(request("w1"), text="Q")
    found = list(opened.caption([request("w0"), spoiled, request("w2")]))
    assert [caption.status for caption in found] == ["truncated", "error", "truncated"]
    assert found[1].message == "the shapes do not match"


def test_out_of_memory_halves_the_batch_for_good(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = captioner(saved("smolvlm"), caption_batch_size=8)
    chat = model_in(opened)
    sizes = full_above(chat, monkeypatch, most=2, error=RuntimeError("CUDA out of memory"))
    found = list(opened.caption(request(f"w{index}") for index in range(9)))
    assert [caption.status for caption in found] == ["truncated"] * 9
    assert sizes == [8, 4, 2, 2, 2, 2, 1]
    assert chat.batch_size == 2


def full_above(
    chat: TransformersModel, monkeypatch: pytest.MonkeyPatch, *, most: int, error: Exception
) -> list[int]:
    """Make generation fail for batches above ``most``; the sizes it was asked for."""
    generate, sizes = chat._network.generate, []

    def limited(**given: torch.Tensor) -> torch.Tensor:
        sizes.append(len(given["input_ids"]))
        if sizes[-1] > most:
            raise error
        return generate(**given)

    monkeypatch.setattr(chat._network, "generate", limited)
    return sizes


def test_a_window_that_fits_nowhere_is_named(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = captioner(saved("smolvlm"))
    full_above(model_in(opened), monkeypatch, most=0, error=RuntimeError("CUDA out of memory"))
    assert next(opened.caption([request("w")])) == Caption(
        "w", "", "error", message="CUDA out of memory", is_retryable=True
    )


def test_a_gpu_that_is_lost_is_no_error_of_the_window(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = captioner(saved("smolvlm"))
    full_above(
        model_in(opened), monkeypatch, most=0, error=RuntimeError("CUDA error: unspecified launch failure")
    )
    with pytest.raises(EngineDied, match="launch failure"):
        list(opened.caption([request("w")]))


def test_the_second_question_sees_the_frames_again(saved: Callable[[str], Path]) -> None:
    once = next(captioner(saved("qwen2_5_vl")).caption([request("w")]))
    refined = captioner(saved("qwen2_5_vl"), generate_stage2_caption=True, caption_batch_size=2)
    twice = {
        one.window_id: one for one in refined.caption([request("w"), request("v", seed=1), request("u")])
    }
    assert sorted(twice) == ["u", "v", "w"]
    assert twice["w"].text != once.text
    assert twice["w"].input_tokens > 2 * once.input_tokens, "the frames, and the first caption"
    assert twice["w"].output_tokens == 12


def broken(saved: Path, folder: Path, change: Callable[[Path], None]) -> Path:
    folder.mkdir()
    for path in saved.iterdir():
        if path.is_file() and path.name != "clipmill.json":
            (folder / path.name).write_bytes(path.read_bytes())
    change(folder)
    return folder


def _without_a_weight(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights.pop(next(name for name in weights if "visual" in name))
    save_file(weights, path, metadata={"format": "pt"})


def _of_another_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gemma"}))


def _without_a_template(folder: Path) -> None:
    for name in ("chat_template.jinja", "chat_template.json"):
        (folder / name).unlink(missing_ok=True)


def test_the_processors_template_comes_before_the_tokenizers(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    def text_only(folder: Path) -> None:
        template = (folder / "chat_template.jinja").read_text()
        (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
        (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")

    folder = broken(saved("qwen2_5_vl"), tmp_path / "both", text_only)
    assert next(captioner(folder).caption([request("w")])).status in {"success", "truncated"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_without_a_weight, "1 weights are missing, the first is model.visual"),
        (
            _of_another_kind,
            "does not know the kind 'gemma', only qwen2_5_vl, qwen3_vl, smolvlm; use the vllm",
        ),
        (_without_a_template, "its tokenizer has no chat template"),
    ],
    ids=["a weight is missing", "another kind", "no template"],
)
def test_weights_that_cannot_caption_are_told_in_one_line(
    change: Callable[[Path], None], told: str, saved: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = broken(saved("qwen2_5_vl"), tmp_path / "broken", change)
    with pytest.raises(ModelUnavailable, match=told) as raised:
        captioner(folder)
    assert "\n" not in str(raised.value)


def test_a_language_model_works_over_captions(tmp_path: Path) -> None:
    folder = save_language_model(tmp_path / "lm")
    spec = CaptionEnhancementStage(
        model=str(folder), max_output_tokens=6, device="cpu", model_batch_size=2, backend="transformers"
    )
    model = open_captioner(spec.serving())
    requests = [ChatRequest(f"w{index}", "a person walks" * (index + 1), "describe") for index in range(3)]
    together = list(model.caption(requests))
    assert [caption.window_id for caption in together] == ["w0", "w1", "w2"]
    assert all(caption.text and caption.input_tokens for caption in together)
    assert together == [caption for one in requests for caption in model.caption([one])]
    assert together[0] != next(model.caption([ChatRequest("w0", "a person walks", "walk")])), "orders matter"
