"""What a chat completion says, as a caption. Pure."""

from typing import cast

from pydantic import JsonValue

from clipmill.models.captioning.base import Caption, CaptionStatus
from clipmill.models.captioning.chat import failed

_CUT = frozenset({"length", "max_tokens"})
_FILTERS = frozenset(
    {
        "content_filter", "content_filtered", "content_policy_violation", "refusal", "safety", "image_safety",
        "prohibited_content", "blocklist", "spii", "recitation", "guardrail_intervened",
        "responsibleaipolicyviolation", "data_inspection_failed",
    }
)  # fmt: skip
"""Finish reasons and codes of errors, in small letters, of a filter or a model that declined."""


def caption_of(window_id: str, answer: JsonValue) -> Caption:
    """The first choice of a chat completion; an answer of another shape is an error, never an exception."""
    record = _record(answer)
    choices = record.get("choices")
    choice = _record(choices[0]) if isinstance(choices, list) and choices else {}
    message = _record(choice.get("message"))
    if why := _refusal(choice, message) or refusal_in(answer):
        return _caption(window_id, record, "", "blocked", why)
    if not message:
        return failed(window_id, "the answer has no message", is_retryable=True, is_remote=True)
    status: CaptionStatus = "truncated" if _reason(choice) in _CUT else "success"
    return _caption(window_id, record, _text(message.get("content")), status)


def refusal_in(answer: JsonValue) -> str:
    """Returns why a filter before the model declined; empty for any other answer or error.

    It is an error whose code names a filter, or the feedback about a prompt that was blocked.
    """
    record = _record(answer)
    error = _record(record.get("error"))
    inner = _record(error.get("innererror"))
    if {str(one.get(name)).lower() for one in (error, inner) for name in ("code", "type")} & _FILTERS:
        return str(error.get("message") or "the server's filter declined")
    feedback = _record(record.get("prompt_feedback") or record.get("promptFeedback"))
    reason = feedback.get("block_reason") or feedback.get("blockReason")
    return f"the server blocked the prompt: {reason}" if reason else ""


def _refusal(choice: dict[str, JsonValue], message: dict[str, JsonValue]) -> str:
    """Why the model, or a filter behind it, declined; empty where there is an answer."""
    content = message.get("content")
    parts = [_record(part) for part in content] if isinstance(content, list) else []
    said = message.get("refusal") or next((part["refusal"] for part in parts if part.get("refusal")), None)
    if said:
        return str(said)
    return f"the server stopped it: {_reason(choice)}" if _reason(choice) in _FILTERS else ""


def _reason(choice: dict[str, JsonValue]) -> str:
    return str(choice.get("finish_reason") or "").lower()


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


def _text(content: JsonValue) -> str:
    """Content is a string, or a list of parts."""
    if isinstance(content, list):
        return "".join(str(_record(part).get("text") or "") for part in content).strip()
    return content.strip() if isinstance(content, str) else ""


def _record(value: JsonValue) -> dict[str, JsonValue]:
    return cast("dict[str, JsonValue]", value) if isinstance(value, dict) else {}


def _count(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None
