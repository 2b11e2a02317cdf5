"""A whole run whose questions, captions and enhancement come from one model server, without any weights."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipmill.errors import ModelUnavailable
from clipmill.specs import CurateSpec
from tests.support.films.document_film import draw_parts
from tests.support.runs.curation import curate_here, plain_spec, rows
from tests.support.runs.one_codec import one_codec_process
from tests.support.stand_ins.model_server import ModelServer, Reply, model_server


def speaks(body: dict) -> str:
    """Rejects the first clip it is asked about; captions say what was asked."""
    message = body["messages"][-1]["content"]
    if isinstance(message, str):
        return f"better: {message}"
    text = message[-1]["text"]
    return "Yes." if text.startswith("Is it dull?") else f"{len(message)} parts: {text[:7]}"


def spec_for(server: ModelServer) -> CurateSpec:
    served = {"endpoint_url": server.url, "endpoint_model": "tiny", "endpoint_max_attempts": 2}
    questions = [
        {"question": "Is it dull?", "reject_if": "yes", "score_only": True},
        {"question": "Is it a video?", "reject_if": "yes"},
    ]
    return plain_spec(captions=served, enhancement=served, questions=questions, embedding=None, dedup=None)


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ModelServer]]:
    folder = tmp_path_factory.mktemp("asked")
    draw_parts(folder / "films" / "parts.mp4")
    with model_server() as server, one_codec_process():
        server.speaks = speaks
        curate_here(folder / "films", folder / "out", spec_for(server))
        yield folder / "out", server


def test_every_window_is_captioned_and_enhanced(curated: tuple[Path, ModelServer]) -> None:
    windows = rows(curated[0], "windows")
    assert len(windows) == 2
    for window in windows:
        assert (window["caption"], window["status"], window["model"]) == (
            "2 parts: Write a",
            "success",
            "tiny",
        )
        assert window["enhanced_caption"] == "better: 2 parts: Write a"
        assert (window["input_tokens"], window["output_tokens"]) == (7, 3)


def test_an_unclear_answer_rejects_nothing(curated: tuple[Path, ModelServer]) -> None:
    assert {row["status"] for row in rows(curated[0], "clips")} == {"kept"}


def test_each_clip_is_asked_each_question_once(curated: tuple[Path, ModelServer]) -> None:
    asked = [body["messages"][-1]["content"] for body in curated[1].bodies]
    texts = [content[-1]["text"] for content in asked if not isinstance(content, str)]
    assert sum(text == "Is it dull? Answer with one word, yes or no." for text in texts) == 2
    assert len(asked) == 2 * (2 + 1 + 1), "two questions, a caption and its enhancement"


def test_an_endpoint_that_is_not_there_ends_the_run_before_any_work(tmp_path: Path) -> None:
    draw_parts(tmp_path / "films" / "parts.mp4")
    served = {"endpoint_url": "http://127.0.0.1:9/v1", "endpoint_model": "tiny"}
    with pytest.raises(ModelUnavailable, match="start the server, or correct endpoint_url"):
        curate_here(tmp_path / "films", tmp_path / "out", plain_spec(captions=served))
    assert not (tmp_path / "out" / "clips").exists()


def test_only_a_caption_that_was_cut_is_asked_for_again_with_more_tokens(tmp_path: Path) -> None:
    """Fewer tokens ask for nothing; a caption that is cut again waits for still more."""
    draw_parts(tmp_path / "films" / "parts.mp4")
    calls: list[int] = []
    seen: list[set[tuple[object, ...]]] = []
    long: list[str] = []

    def needs_twenty_tokens(body: dict) -> Reply:
        """For the first window; the other ends by itself."""
        asked = str(body["messages"])
        long[:] = long or [asked]
        is_cut = asked == long[0] and body["max_tokens"] < 20
        return Reply(text=f"up to {body['max_tokens']}", finish_reason="length" if is_cut else "stop")

    with model_server() as server, one_codec_process():
        server.speaks = needs_twenty_tokens
        served = {"endpoint_url": server.url, "endpoint_model": "tiny", "endpoint_concurrency": 1}
        for most in (8, 16, 4, 32):
            captions = {**served, "max_output_tokens": most}
            windows = {"prompt_text": "Say what moves."}
            before = len(server.bodies)
            spec = plain_spec(captions=captions, windows=windows, embedding=None, dedup=None)
            curate_here(tmp_path / "films", tmp_path / "out", spec)
            calls.append(len(server.bodies) - before)
            found = rows(tmp_path / "out", "windows")
            seen.append({(row["status"], row["caption"], row["prompt"]) for row in found})
    assert calls == [2, 1, 0, 1]
    short = ("success", "up to 8", "Say what moves.")
    assert seen == [
        {short, ("truncated", "up to 8", "Say what moves.")},
        *[{short, ("truncated", "up to 16", "Say what moves.")}] * 2,
        {short, ("success", "up to 32", "Say what moves.")},
    ]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["stages"]["caption"]["asked"] == ["Say what moves."]
