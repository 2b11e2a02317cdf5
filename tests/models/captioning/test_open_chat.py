"""Which model a stage means, which backend runs it, and what is told when it cannot."""

from collections.abc import Iterable, Iterator

import pytest

from clipmill.errors import ModelUnavailable, SpecError
from clipmill.models.captioning import open_chat
from clipmill.models.captioning.chat import Caption, ChatRequest, answered
from clipmill.models.registry import entry_of
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.text_model import ServedModel
from tests.support.captioners import open_captioner

REMOTE = {"endpoint_url": "http://server/v1", "endpoint_model": "m"}


@pytest.mark.parametrize(
    ("spec", "source", "model_dir", "revision"),
    [
        (CaptionGenerationStage(), "Qwen/Qwen2.5-VL-7B-Instruct", "models/qwen", "cc59489"),
        (
            CaptionGenerationStage(model_variant="qwen3"),
            "Qwen/Qwen3-VL-8B-Instruct",
            "models/qwen",
            "0c351dd",
        ),
        (CaptionGenerationStage(revision="abc"), "Qwen/Qwen2.5-VL-7B-Instruct", "models/qwen", "abc"),
        (CaptionGenerationStage(model="org/eyes", model_dir="m"), "org/eyes", "m", "main"),
        (CaptionGenerationStage(model="/weights/eyes"), "eyes", "/weights/eyes", "main"),
        (CaptionGenerationStage(model="s3://store/eyes"), "eyes", "s3://store/eyes", "main"),
        (CaptionEnhancementStage(), "Qwen/Qwen2.5-14B-Instruct", "models/qwen", "cf98f3b"),
        (CaptionEnhancementStage(model_variant="qwen3"), "Qwen/Qwen3-14B", "models/qwen", "f8c293d"),
    ],
    ids=["qwen", "qwen3", "revision", "hub id", "folder", "store", "language", "language of qwen3"],
)
def test_a_stage_means_one_model(spec: ServedModel, source: str, model_dir: str, revision: str) -> None:
    [used] = spec.models()
    assert (entry_of(used.name).source, used.place, used.revision) == (source, model_dir, revision)
    assert spec.writer() == (source, revision)


def test_a_variant_that_names_no_model_is_refused() -> None:
    said = (
        r"there is no caption model 'nemotron'; known are qwen, .*smolvlm2; for any other name its id .* as "
    )
    with pytest.raises(SpecError, match=said + "model, or a server that runs it as endpoint_url"):
        CaptionGenerationStage(model_variant="nemotron").models()


@pytest.mark.parametrize(
    ("fields", "is_installed", "has_gpu", "expected"),
    [
        ({}, True, True, "vllm"),
        ({}, True, False, "transformers"),
        ({}, False, True, "transformers"),
        ({"device": "cpu"}, True, True, "transformers"),
        ({"model_variant": "smolvlm2"}, True, True, "transformers"),
        ({"backend": "vllm"}, False, False, "vllm"),
        (REMOTE, True, True, "endpoint"),
        ({**REMOTE, "backend": "transformers"}, True, True, "transformers"),
    ],
    ids=[
        "all there",
        "no GPU",
        "no vLLM",
        "not wanted",
        "no videos",
        "asked for",
        "endpoint",
        "not the endpoint",
    ],
)
def test_the_backend_is_what_the_machine_has(
    fields: dict[str, object],
    is_installed: bool,
    has_gpu: bool,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_chat.importlib.util, "find_spec", lambda _name: "spec" if is_installed else None)
    monkeypatch.setattr(open_chat, "num_gpus_here", lambda: int(has_gpu))
    assert open_chat.backend_of(CaptionGenerationStage.model_validate(fields).serving()) == expected


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("vllm", "vllm is not installed here; install the vllm extra, or name an endpoint_url"),
        ("transformers", "transformers is not installed here; install the models extra"),
    ],
)
def test_a_backend_that_is_not_installed_is_told(
    backend: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_chat.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ModelUnavailable, match=told):
        open_captioner(CaptionGenerationStage.model_validate({"backend": backend}).serving())


def test_a_model_that_vllm_shows_no_videos_is_told_before_any_work() -> None:
    with pytest.raises(ModelUnavailable, match="vLLM does not show it videos; say backend: transformers"):
        open_chat.check_model(CaptionGenerationStage(model_variant="smolvlm2", backend="vllm").serving())


def test_fp8_where_there_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_chat.importlib.util, "find_spec", lambda _name: "spec")
    monkeypatch.setattr(open_chat, "num_gpus_here", lambda: 0)
    with pytest.raises(ModelUnavailable, match="the transformers backend has no fp8; leave fp8 out"):
        open_captioner(CaptionGenerationStage(fp8=True).serving())


def test_missing_weights_are_told_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="qwen"):
        open_chat.check_model(CaptionGenerationStage(model_dir=str(tmp_path)).serving())


@pytest.mark.parametrize(
    ("spec", "gpus"),
    [
        (CaptionGenerationStage(), 1.0),
        (CaptionGenerationStage(num_gpus_per_worker=0.5), 0.5),
        (CaptionGenerationStage(tensor_parallel_size=4), 4.0),
        (CaptionGenerationStage(device="cpu"), 0.0),
        (CaptionGenerationStage.model_validate(REMOTE), 0.0),
    ],
    ids=["one", "half", "split", "cpu", "endpoint"],
)
def test_a_worker_asks_for_the_gpus_it_uses(spec: CaptionGenerationStage, gpus: float) -> None:
    assert spec.gpus_per_worker == gpus


def test_where_a_model_runs_changes_no_digest() -> None:
    here = CaptionGenerationStage()
    there = CaptionGenerationStage(model_dir="x", backend="vllm", device="cuda", caption_batch_size=64)
    assert here.digest() == there.digest()
    assert here.digest() == CaptionGenerationStage(max_output_tokens=64).digest(), "rows that it cut name it"
    assert here.digest() != CaptionGenerationStage(temperature=0.5).digest()


class Scripted:
    """A model that answers whatever it was told to, whoever asks."""

    def __init__(self, *captions: Caption) -> None:
        self.captions = captions

    def answer(self, requests: Iterable[ChatRequest]) -> Iterator[Caption]:
        list(requests)
        yield from self.captions

    def close(self) -> None:
        pass


def completed(*captions: Caption) -> list[Caption]:
    return list(answered(Scripted(*captions), [ChatRequest(name, name, "Do.") for name in "ab"]))


def test_a_window_without_an_answer_is_named() -> None:
    assert completed(Caption("b", "text", "success"))[1] == Caption(
        "a", "", "error", message="the model gave no answer", is_retryable=True
    )


@pytest.mark.parametrize("strangers", [("c",), ("a", "a")], ids=["not asked", "twice"])
def test_an_answer_to_nobody_is_an_error(strangers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="not asked or was answered before"):
        completed(*(Caption(name, "text", "success") for name in strangers))
