"""What a chat completion says, as a caption. Pure."""

from typing import cast

from pydantic import JsonValue

from clipmill.models.captioning.base import Caption, CaptionStatus
from clipmill.models.captioning.chat import failed

_STATUS: dict[str, CaptionStatus] = {"length": "truncated", "content_filter": "blocked"}


def caption_of(window_id: str, answer: JsonValue) -> Caption:
    """The first choice of a chat completion; an answer of another shape is an error, never an exception."""
    record = _record(answer)
    choices = record.get("choices")
    choice = _record(choices[0]) if isinstance(choices, list) and choices else {}
    message = _record(choice.get("message"))
    if not message:
        return failed(window_id, "the answer has no message", is_retryable=True, is_remote=True)
    usage = _record(record.get("usage"))
    reason = str(choice.get("finish_reason") or "")
    refusal = message.get("refusal")
    status: CaptionStatus = "blocked" if refusal else _STATUS.get(reason, "success")
    text = "" if status == "blocked" else _text(message.get("content"))
    return Caption(
        window_id,
        text,
        status,
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        message=_message(status, reason, refusal),
    )


def _message(status: CaptionStatus, reason: str, refusal: JsonValue) -> str:
    if status != "blocked":
        return ""
    return str(refusal) if refusal else f"the server stopped it: {reason}"


def _text(content: JsonValue) -> str:
    """Content is a string, or a list of parts."""
    if isinstance(content, list):
        return "".join(str(_record(part).get("text") or "") for part in content).strip()
    return content.strip() if isinstance(content, str) else ""


def _record(value: JsonValue) -> dict[str, JsonValue]:
    return cast("dict[str, JsonValue]", value) if isinstance(value, dict) else {}


def _count(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None
