"""What a chat completion says, as a caption. Pure."""

import json
import re
from collections.abc import Iterator
from typing import cast

from pydantic import JsonValue

from clipmill.models.captioning.chat import Caption, CaptionStatus, failed

_CUT = frozenset({"length", "max_tokens", "model_length", "max_output_tokens"})
_FAILED = frozenset({"error", "model_error", "abort"})
_FILTERS = frozenset(
    {
        "content_filter", "content_filtered", "content_policy_violation", "refusal", "safety", "image_safety",
        "prohibited_content", "blocklist", "spii", "recitation", "guardrail_intervened",
        "responsibleaipolicyviolation", "data_inspection_failed", "moderation_blocked", "error_toxic",
        "image_content_policy_violation",
    }
)  # fmt: skip
"""Finish reasons and codes of errors, in small letters, of a filter or a model that declined."""
_DECLINES = re.compile(
    r"content[ _-](filter|polic|moderation|safety)|content management polic|safety (system|filter|setting)"
    r"|(usage|acceptable use) polic|\bmoderation\b|\bflagged (as|for|by)|responsible ai"
    r"|(inappropriate|prohibited|unsafe) content",
    re.IGNORECASE,
)
"""Words of an error without such a code, by which a server says that its filter declined."""


def caption_of(window_id: str, answer: JsonValue) -> Caption:
    """The first choice of a chat completion; an answer of another shape is an error, never an exception."""
    record = _record(answer)
    choice = _record(next(iter(_list(record.get("choices"))), None))
    message = _record(choice.get("message"))
    if "text" in choice and not message:  # the older kind of completion
        message = {"content": choice["text"]}
    if why := _refusal(choice, message) or refusal_in(choice) or refusal_in(answer):
        return _caption(window_id, record, "", "blocked", why)
    text, is_cut = _text(message.get("content")), _reason(choice) in _CUT
    if why := _failure(choice, record) or _missing(message, text, is_cut=is_cut):
        return failed(window_id, why, is_retryable=True, is_remote=True)
    status: CaptionStatus = "truncated" if is_cut else "success"
    return _caption(window_id, record, text, status)


def refusal_in(answer: JsonValue) -> str:
    """Returns why a filter before the model declined; empty for any other answer or error.

    It is an error whose code or words name a filter, or the feedback about a prompt that was blocked.
    """
    record = _record(answer)
    error = _error(record)
    said = str(error.get("message") or "")
    codes = {
        _word(one.get(name)) for one in (error, _record(error.get("innererror"))) for name in ("code", "type")
    }
    if codes & _FILTERS or _DECLINES.search(said):
        return said or "the server's filter declined"
    feedback = _record(record.get("prompt_feedback") or record.get("promptFeedback"))
    reason = feedback.get("block_reason") or feedback.get("blockReason")
    return f"the server blocked the prompt: {reason}" if reason else ""


def json_of(text: str) -> JsonValue:
    """Returns what a text holds as JSON; None for one that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def error_in(answer: JsonValue) -> str:
    """Returns what a server says is wrong; empty where it says nothing."""
    record = _record(answer)
    error = _error(record) or record
    return str(error.get("message") or error) if error else ""


def joined_events(stream: str) -> JsonValue:
    """Returns what a stream of events of a completion says, as one completion; None for one that was cut off.

    A server may stream though it was not asked to.
    """
    parts = list(_events(stream))
    if failed_part := next((part for part in parts if _error(part)), None):
        return failed_part
    choices = [_record(choice) for part in parts for choice in _list(part.get("choices"))[:1]]
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    if not reasons:
        return None
    deltas = [_record(choice.get("delta") or choice.get("message")) for choice in choices]
    message = {
        name: "".join(_text(delta.get(name), strip=False) for delta in deltas)
        for name in ("content", "refusal")
    }
    usages = [part["usage"] for part in parts if part.get("usage")]
    choice: JsonValue = {"message": cast("JsonValue", message), "finish_reason": reasons[-1]}
    return {"choices": [choice], "usage": usages[-1] if usages else None}


def _events(stream: str) -> Iterator[dict[str, JsonValue]]:
    for line in stream.splitlines():
        if line.startswith("data:"):
            yield _record(json_of(line.removeprefix("data:")))  # empty for [DONE]


def _missing(message: dict[str, JsonValue], text: str, *, is_cut: bool) -> str:
    if not message:
        return "the answer has no message"
    return "" if text or is_cut else "the answer is empty"


def _failure(choice: dict[str, JsonValue], record: dict[str, JsonValue]) -> str:
    """What went wrong where a server says so in a completion; empty otherwise."""
    said = [str(error.get("message") or error) for one in (choice, record) if (error := _error(one))]
    if said:
        return f"the server says: {said[0]}"
    return f"the server stopped it: {_reason(choice)}" if _reason(choice) in _FAILED else ""


def _error(record: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The error of an answer, in the shapes that servers give it; empty where there is none."""
    error = record if record.get("object") == "error" else record.get("error") or record.get("detail")
    return {"message": error} if isinstance(error, str) else _record(error)


def _refusal(choice: dict[str, JsonValue], message: dict[str, JsonValue]) -> str:
    """Why the model, or a filter behind it, declined; empty where there is an answer."""
    content = message.get("content")
    parts = [_record(part) for part in content] if isinstance(content, list) else []
    said = message.get("refusal") or next((part["refusal"] for part in parts if part.get("refusal")), None)
    if said:
        return str(said)
    return f"the server stopped it: {_reason(choice)}" if _reason(choice) in _FILTERS else ""


def _reason(choice: dict[str, JsonValue]) -> str:
    return _word(choice.get("finish_reason"))


def _word(value: JsonValue) -> str:
    return re.sub(r"[\s-]+", "_", str(value or "").lower())


def _caption(
    window_id: str, record: dict[str, JsonValue], text: str, status: CaptionStatus, message: str = ""
) -> Caption:
    usage = _record(record.get("usage"))
    return Caption(
        window_id,
        text,
        status,
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        message=message,
    )


def _text(content: JsonValue, *, strip: bool = True) -> str:
    """Content is a string, a part, or a list of either."""
    if isinstance(content, dict):
        content = content.get("text")
    if isinstance(content, list):
        content = "".join(_text(part, strip=False) for part in content)
    said = content if isinstance(content, str) else ""
    return said.strip() if strip else said


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _record(value: JsonValue) -> dict[str, JsonValue]:
    return cast("dict[str, JsonValue]", value) if isinstance(value, dict) else {}


def _count(value: JsonValue) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
