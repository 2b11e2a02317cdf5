"""Captions from an OpenAI-compatible server: a real one on this machine, which misbehaves as it is told."""

import base64
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from clipmill.errors import EngineDied, ModelUnavailable
from clipmill.models.captioning.backends import http_client
from clipmill.models.captioning.backends.endpoint import MAX_FAILURES_IN_A_ROW
from clipmill.models.captioning.backends.http_client import delay_s, retry_after_s
from clipmill.models.captioning.chat import Caption, ChatRequest
from clipmill.models.captioning.open_chat import check_model
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from tests.support.captioners import AskedModel, open_captioner
from tests.support.stand_ins.model_server import ModelServer, Reply, model_server

pytestmark = pytest.mark.integration


PARTS = b'{"choices": [{"message": {"content": [{"text": "a"}, {"text": "b"}]}}]}'
REFUSED_PART = b'{"choices": [{"message": {"content": [{"type": "refusal", "refusal": "not this"}]}}]}'
STREAM = (
    b': ping\n\ndata: {"choices": [{"delta": {"role": "assistant", "content": "a "}}]}\n\n'
    b'data: {"choices": [{"delta": {"content": "cat"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)
POLICY = (
    b'{"error": {"message": "The prompt was filtered", "code": null, "status": 400, '
    b'"innererror": {"code": "ResponsibleAIPolicyViolation"}}}'
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def content(said: object) -> Reply:
    """An answer whose content has another shape than a string."""
    return Reply(raw=json.dumps({"choices": [{"message": {"content": said}}]}).encode())


def error(status: int, said: object) -> Reply:
    return Reply(status=status, raw=json.dumps(said).encode())


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_DELAY_S", 0.01)


def spec_for(server: ModelServer, **fields: object) -> CaptionGenerationStage:
    return CaptionGenerationStage.model_validate(
        {"endpoint_url": server.url, "endpoint_model": "tiny", "endpoint_timeout_s": 5.0, **fields}
    )


def captioner_for(server: ModelServer, **fields: object) -> AskedModel:
    spec = spec_for(server, **fields)
    return open_captioner(spec.serving(), refinement=spec.refinement)


def requests(*names: str) -> Iterator[ChatRequest]:
    for shade, name in enumerate(names):
        frames = np.full((4, 8, 8, 3), 40 * (shade % 6), np.uint8)
        yield ChatRequest(name, f"What is {name}?", frames=frames, fps=2.0)


def captions(server: ModelServer, *names: str, **fields: object) -> dict[str, Caption]:
    captioner = captioner_for(server, **fields)
    found = list(captioner.caption(requests(*names)))
    captioner.close()
    assert sorted(one.window_id for one in found) == sorted(names)
    return {one.window_id: one for one in found}


def test_a_caption_comes_with_its_tokens(server: ModelServer) -> None:
    assert captions(server, "a")["a"] == Caption("a", "a caption", "success", 7, 3)


@pytest.mark.parametrize(
    ("reply", "status", "text", "message"),
    [
        (Reply(finish_reason="length"), "truncated", "a caption", ""),
        (Reply(finish_reason="content_filter"), "blocked", "", "content_filter"),
        (Reply(text=None, refusal="I cannot"), "blocked", "", "I cannot"),
        (Reply(raw=REFUSED_PART), "blocked", "", "not this"),
        (Reply(text="", finish_reason="SAFETY"), "blocked", "", "safety"),
        (Reply(raw=b'{"choices": [], "promptFeedback": {"blockReason": "OTHER"}}'), "blocked", "", "OTHER"),
        (Reply(raw=b'{"error": {"code": "content_filter", "message": "no"}}'), "blocked", "", "no"),
        (Reply(raw=POLICY, status=400), "blocked", "", "was filtered"),
        (Reply(text="I'm sorry, but I can't help with that."), "blocked", "", "I'm sorry"),
        (Reply(text="I cannot describe people in this video."), "blocked", "", "I cannot"),
        (Reply(text="A sign: I cannot help it"), "success", "A sign: I cannot help it", ""),
        (Reply(text=""), "error", "", "empty"),
        (Reply(text="", finish_reason="length"), "truncated", "", "before the first word"),
        (Reply(text="<think>so", finish_reason="model_length"), "truncated", "", "before the first word"),
        (Reply(text="half \ud83d", finish_reason="length"), "truncated", "half", ""),
        (content(["a ", {"text": "cat"}]), "success", "a cat", ""),
        (Reply(raw=b'{"choices": [{"text": " a cat"}], "usage": null}'), "success", "a cat", ""),
        (content({"type": "text", "text": "a"}), "success", "a", ""),
        (Reply(raw=STREAM), "success", "a cat", ""),
        (Reply(raw=b'data: {"error": {"message": "flagged as violence"}}\n\n'), "blocked", "", "violence"),
        (content(None), "error", "", "the answer is empty"),
        (Reply(raw=b'{"error": {"code": 502, "message": "upstream"}}'), "error", "", "server says: upstream"),
        (Reply(raw=b'{"choices": [{"error": {"message": "gone"}}]}'), "error", "", "the server says: gone"),
        (Reply(text="", finish_reason="error"), "error", "", "the server stopped it: error"),
        (Reply(raw=b"[1, 2]"), "error", "", "no message"),
        (Reply(text="", finish_reason="Content-Filter"), "blocked", "", "content_filter"),
        (error(403, {"error": {"code": 403, "message": "requires moderation"}}), "blocked", "", "requires"),
        (error(400, {"detail": "Blocked by content filtering policy"}), "blocked", "", "filtering"),
        (error(400, {"error": "rejected by our safety system"}), "blocked", "", "safety system"),
        (error(400, {"object": "error", "message": "too long"}), "error", "", "HTTP 400: too long"),
        (Reply(text="**I'm sorry**, but I can't help."), "blocked", "", "sorry"),
        (Reply(text="\u62b1\u6b49\uff0c\u6211\u65e0\u6cd5\u63cf\u8ff0"), "blocked", "", "\u62b1\u6b49"),
        (Reply(text="<think>well</think> a cat"), "success", "a cat", ""),
        (Reply(raw=b'{"choices": []}'), "error", "", "no message"),
        (Reply(raw=PARTS), "success", "ab", ""),
        (Reply(status=400), "error", "", "HTTP 400: not now"),
    ],
)  # fmt: skip
def test_what_a_server_says_becomes_a_status(
    server: ModelServer, reply: Reply, status: str, text: str, message: str
) -> None:
    server.plan["a"] = [reply]
    caption = captions(server, "a")["a"]
    assert (caption.status, caption.text) == (status, text)
    assert message in caption.message


@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=429), Reply(status=500), Reply(status=503), Reply(text=None), Reply(is_cut_short=True),
        Reply(raw=b"<html>"), Reply(delay_s=0.6), Reply(raw=b'data: {"choices": []}\n\n'),
        Reply(raw=b"[" * 100_000), Reply(raw=b" " * (17 << 20)), Reply(status=429, retry_after="0"),
    ],
    ids=["429", "500", "503", "dropped", "dropped within the answer", "no JSON", "too slow", "cut stream",
         "too deep", "too long", "wait 0 s"],
)  # fmt: skip
def test_a_passing_fault_is_tried_again(server: ModelServer, fault: Reply) -> None:
    server.plan["a"] = [fault, fault, Reply()]
    assert captions(server, "a", endpoint_timeout_s=0.3)["a"].status == "success"
    assert server.attempts["a"] == 3


def test_a_fault_that_stays_is_an_error_after_the_last_attempt(server: ModelServer) -> None:
    server.plan["a"] = [Reply(status=500)]
    found = captions(server, "a", "b", endpoint_max_attempts=3)
    assert (found["a"].status, found["b"].status) == ("error", "success")
    assert found["a"].message.startswith("HTTP 500: not now, 3 times")
    assert server.attempts["a"] == 3


def test_a_page_in_the_place_of_an_answer_is_shown(server: ModelServer) -> None:
    server.plan["a"] = [Reply(raw=b"<html>\n <title>Sign in</title>")]
    found = captions(server, "a", endpoint_max_attempts=1)["a"]
    assert found.message.startswith("the answer is no JSON: <html> <title>Sign in</title>, 1 times")
    assert found.is_retryable


def test_a_request_that_is_refused_is_not_tried_again(server: ModelServer) -> None:
    server.plan["a"] = [Reply(status=400)]
    captions(server, "a")
    assert server.attempts["a"] == 1


def test_the_server_says_how_long_to_wait_and_everybody_does(server: ModelServer) -> None:
    server.plan["a"] = [Reply(status=429, retry_after="1"), Reply()]
    server.otherwise = Reply(delay_s=0.05)
    captions(server, *"abcdef", endpoint_concurrency=2)
    told, again = server.times_s["a"]
    assert again - told >= 1.0
    later = [time_s - told for name in "cdef" for time_s in server.times_s[name]]
    assert [delay for delay in later if 0.1 < delay < 1.0] == []


def test_answers_in_another_order_belong_to_their_windows(server: ModelServer) -> None:
    for index, name in enumerate("abcdef"):
        server.plan[name] = [Reply(text=f"this is {name}", delay_s=0.3 - 0.05 * index)]
    found = list(captioner_for(server).caption(requests(*"abcdef")))
    assert [one.window_id for one in found] != list("abcdef")
    assert all(one.text == f"this is {one.window_id}" for one in found)


def test_no_more_requests_are_under_way_than_allowed(server: ModelServer) -> None:
    server.otherwise = Reply(delay_s=0.05)
    captions(server, *"abcdefghijkl", endpoint_concurrency=3)
    assert server.most_at_once == 3


def test_requests_are_taken_as_there_is_room(server: ModelServer) -> None:
    taken: list[str] = []

    def noted() -> Iterator[ChatRequest]:
        for request in requests(*"abcdefgh"):
            taken.append(request.window_id)
            yield request

    answers = captioner_for(server, endpoint_concurrency=2).caption(noted())
    next(answers)
    assert len(taken) <= 3


@pytest.mark.parametrize("frames_as", ["video_url", "image_url"])
def test_frames_are_sent_as_the_server_reads_them(server: ModelServer, frames_as: str) -> None:
    captions(server, "a", endpoint_frames=frames_as)
    *pictures, text = server.bodies[0]["messages"][0]["content"]
    urls = [picture[picture["type"]]["url"] for picture in pictures]
    assert text == {"type": "text", "text": "What is a?"}
    kind = {"video_url": "video", "image_url": "image"}[frames_as]
    assert {picture["type"] for picture in pictures} == {frames_as}
    assert all(url.startswith(f"data:{kind}/jpeg;base64,") for url in urls)
    jpegs = [jpeg for url in urls for jpeg in url.split("base64,")[1].split(",")]
    assert [Image.open(io.BytesIO(base64.b64decode(jpeg))).size for jpeg in jpegs] == [(8, 8)] * 4


def test_a_request_carries_how_words_are_chosen(server: ModelServer) -> None:
    captions(server, "a", max_output_tokens=9, endpoint_extra={"seed": 4, "repetition_penalty": ""})
    sent = {name: value for name, value in server.bodies[0].items() if name != "messages"}
    assert sent == {"model": "tiny", "max_tokens": 9, "temperature": 0.1, "top_p": 0.001, "seed": 4}


def test_the_key_is_read_from_the_environment(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "secret"
    monkeypatch.setenv("MODEL_KEY", "secret")
    assert captions(server, "a", endpoint_key_variable="MODEL_KEY")["a"].status == "success"


def test_a_wrong_key_is_told_without_the_key(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "secret"
    monkeypatch.setenv("MODEL_KEY", "guess")
    spec = spec_for(server, endpoint_key_variable="MODEL_KEY")
    with pytest.raises(
        ModelUnavailable, match=r"HTTP 401: no such key; say in endpoint_key_variable"
    ) as told:
        check_model(spec.serving())
    assert "guess" not in str(told.value) + repr(http_client.endpoint_of(spec.serving().endpoint))


def test_a_key_that_is_not_set_is_told_before_anything_is_asked(server: ModelServer) -> None:
    spec = spec_for(server, endpoint_key_variable="NO_SUCH_KEY")
    with pytest.raises(ModelUnavailable, match="NO_SUCH_KEY is not set"):
        check_model(spec.serving())


@pytest.mark.parametrize("models", [("tiny", "large"), None], ids=["it is listed", "there is no list"])
def test_an_endpoint_that_can_be_asked_passes(server: ModelServer, models: tuple[str, ...] | None) -> None:
    server.models = models
    check_model(spec_for(server).serving())


def test_a_model_that_the_endpoint_does_not_serve_is_told(server: ModelServer) -> None:
    server.models = ("small", "large")
    with pytest.raises(ModelUnavailable, match="it serves large, small; name one of them"):
        check_model(spec_for(server).serving())


def test_an_endpoint_that_is_not_there_is_told(server: ModelServer) -> None:
    with pytest.raises(ModelUnavailable, match="start the server, or correct endpoint_url"):
        check_model(spec_for(server, endpoint_url="http://127.0.0.1:9/v1").serving())


def test_an_endpoint_that_is_gone_is_no_error_of_the_windows(server: ModelServer) -> None:
    server.otherwise, server.is_gone = Reply(text=None), True
    captioner = captioner_for(server, endpoint_max_attempts=2, endpoint_concurrency=1)
    with pytest.raises(EngineDied, match="tiny is gone"):
        next(captioner.caption(requests("a", "b")))
    assert server.attempts == {"a": 2}


def test_an_endpoint_that_answers_nobody_is_not_asked_for_ever(server: ModelServer) -> None:
    server.otherwise = Reply(status=503)
    names = [f"w{index}" for index in range(3 * MAX_FAILURES_IN_A_ROW)]
    captioner = captioner_for(server, endpoint_max_attempts=1, endpoint_concurrency=2)
    answers = captioner.caption(requests(*names))
    with pytest.raises(EngineDied, match="tiny is gone: HTTP 503"):
        list(answers)
    assert len(server.attempts) < len(names)


def test_the_second_question_shows_the_frames_and_the_first_caption(server: ModelServer) -> None:
    server.plan["a"] = [Reply(text="a dog"), Reply(text="a brown dog")]
    caption = captions(server, "a", generate_stage2_caption=True, stage2_prompt_text="Refine:")["a"]
    assert caption == Caption("a", "a brown dog", "success", 14, 6)
    first, second = (body["messages"][0]["content"] for body in server.bodies)
    assert second[0] == first[0]
    assert second[1]["text"] == "Refine:\n\na dog"


def test_a_caption_that_could_not_be_refined_is_kept(server: ModelServer) -> None:
    server.plan["a"] = [Reply(text="a dog"), Reply(text=None, refusal="no")]
    server.plan["b"] = [Reply(status=400)]
    found = captions(server, *"ab", generate_stage2_caption=True)
    assert (found["a"].text, found["a"].status) == ("a dog", "success")
    assert found["a"].message == "not refined: no"
    assert found["b"].status == "error"


def test_many_windows_are_refined_with_few_requests_at_once(server: ModelServer) -> None:
    server.otherwise = Reply(delay_s=0.01)
    names = [f"w{index}" for index in range(20)]
    captions(server, *names, generate_stage2_caption=True, endpoint_concurrency=4)
    assert server.most_at_once <= 4
    assert set(server.attempts.values()) == {2}


def test_a_language_model_gets_its_orders_and_the_text(server: ModelServer) -> None:
    spec = CaptionEnhancementStage(endpoint_url=server.url, endpoint_model="tiny")
    model = open_captioner(spec.serving())
    (answer,) = model.caption([ChatRequest("a", "a dog", "Expand.")])
    model.close()
    assert answer.text == "a caption"
    assert server.bodies[0]["messages"] == [
        {"role": "system", "content": "Expand."},
        {"role": "user", "content": "a dog"},
    ]


def test_two_windows_of_one_id_are_an_error(server: ModelServer) -> None:
    with pytest.raises(ValueError, match="asked twice"):
        captions(server, "a", "a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), ("", None), ("soon", None), ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("1e9", 300.0),
        ("nan", None), ("Thu, 01 Jan 2026 00:00:20 GMT", 20.0), ("Thu, 01 Jan 2025 00:00:20 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:00:20", 20.0), ("Thu, 01 Jan 2026 00:00:20 -0000", 20.0),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, NOW) == expected


def test_pauses_double_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_DELAY_S", 0.5)
    assert [delay_s(attempt) for attempt in (1, 2, 3, 7, 20)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_a_slow_server_is_waited_for(server: ModelServer) -> None:
    server.plan["a"] = [Reply(delay_s=0.5)]
    started = time.monotonic()
    assert captions(server, "a", endpoint_timeout_s=3)["a"].status == "success"
    assert time.monotonic() - started >= 0.5
