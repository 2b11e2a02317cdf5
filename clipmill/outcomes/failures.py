"""What an error means for the item that was worked on: final or tried again, and by which reason. Pure.

A failure is final only where it follows from the bytes and the parameters. ``failure_of`` is the one place
that decides it.
"""

import traceback

from clipmill.errors import (
    DISK_ERRNOS,
    ClipmillError,
    CodecChildDied,
    CodecChildError,
    CodecChildTimeout,
    EncodeFailed,
    OutputFault,
    ScratchFault,
    SourceChanged,
    StoreError,
    TransientStoreError,
    UnreadableVideo,
    plain_text,
)
from clipmill.limits import LimitsSpec
from clipmill.records import VideoReason
from clipmill.stages.worker import Failed

TRACEBACK_FRAMES = 6
"""Frames of a traceback that a message keeps, the innermost ones."""
TRACEBACK_CHARACTERS = 4000
STORE_RETRY_S = 2.0
"""A store that failed for longer was asked again by its own client: another attempt would double that."""
ENDPOINT_ERROR = "endpoint_error"
"""Reason of an item that a model's server did not answer."""

_OF_ITEM = (UnreadableVideo, EncodeFailed, StoreError, CodecChildDied, CodecChildTimeout, CodecChildError)

OF_SERVICES = frozenset(
    {
        VideoReason.STORE_ERROR,
        VideoReason.STORE_UNAVAILABLE,
        VideoReason.SOURCE_CHANGED,
        VideoReason.OUTPUT_ERROR,
        VideoReason.SCRATCH_ERROR,
        ENDPOINT_ERROR,
    }
)
"""Reasons that say nothing about the item: they are tried again in every run, without end."""

PASSING = OF_SERVICES | {
    VideoReason.DECODER_CRASHED,
    VideoReason.DECODER_TIMEOUT,
    VideoReason.UNEXPECTED,
    VideoReason.WORKER_LOST,
}
"""Reasons that do not follow from the bytes, also where all tries are used up."""


def failure_of(
    error: BaseException, *, uri: str, limits: LimitsSpec | None = None, final_reason: str = ""
) -> Failed:
    """Returns what an error means for an item of the source ``uri``.

    ``limits`` are None where the time of the call is no limit of the run. ``final_reason`` is the stage's own
    reason for bytes that it cannot work on; without one, the reason of ``UnreadableVideo`` counts.
    """
    if isinstance(error, UnreadableVideo):
        return Failed("final", final_reason or error.reason, str(error))
    if isinstance(error, EncodeFailed):
        return Failed("final", final_reason or VideoReason.UNREADABLE, named(error, uri))
    if isinstance(error, StoreError):
        return Failed("retryable", _of_store(error), named(error, uri))
    if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
        return Failed("retryable", VideoReason.SCRATCH_ERROR, named(error, uri))
    if isinstance(error, CodecChildDied | CodecChildTimeout):
        return _of_process(error, uri, limits)
    return Failed("retryable", VideoReason.UNEXPECTED, f"{named(error, uri)}\n{last_frames(error)}")


def is_of_item(error: BaseException) -> bool:
    """Returns True for an error that costs one item; any other error of ours ends the run."""
    return isinstance(error, _OF_ITEM) or not isinstance(error, ClipmillError)


def is_outage(error: BaseException) -> bool:
    """Returns True for a store that failed although its client tried for long."""
    return isinstance(error, TransientStoreError) and error.tried_s > STORE_RETRY_S


def named(error: BaseException, uri: str) -> str:
    """Returns an error in one line that names the source and, for a foreign error, its class."""
    kind = "" if type(error).__module__ == "clipmill.errors" else f"{type(error).__name__}: "
    text = str(error)
    return text if uri in text else f"{uri}: {kind}{text}"


def last_frames(error: BaseException) -> str:
    """Returns the last frames of an error's traceback, with those of its process where it has notes."""
    lines = traceback.format_exception(error)
    return plain_text("".join(lines[-TRACEBACK_FRAMES:]).rstrip(), TRACEBACK_CHARACTERS)


def _of_store(error: StoreError) -> VideoReason:
    if isinstance(error, SourceChanged):
        return VideoReason.SOURCE_CHANGED
    if isinstance(error, OutputFault):
        return VideoReason.OUTPUT_ERROR
    if isinstance(error, ScratchFault):
        return VideoReason.SCRATCH_ERROR
    is_passing = isinstance(error, TransientStoreError)
    return VideoReason.STORE_UNAVAILABLE if is_passing else VideoReason.STORE_ERROR


def _of_process(error: CodecChildDied | CodecChildTimeout, uri: str, limits: LimitsSpec | None) -> Failed:
    """A codec process that died or was too slow; a limit that it hit is named with its value."""
    text, limit = named(error, uri), _limit_of(error)
    is_slow = isinstance(error, CodecChildTimeout)
    reason = VideoReason.DECODER_TIMEOUT if is_slow else VideoReason.DECODER_CRASHED
    if limits is None or not limit:
        return Failed("retryable", reason, text)
    value = float(getattr(limits, limit))
    return Failed("retryable", reason, f"{text} (limits.{limit} is {value:g})", limit, value)


def _limit_of(error: CodecChildDied | CodecChildTimeout) -> str:
    if isinstance(error, CodecChildDied):
        return "max_child_bytes" if error.is_memory else ""
    return "decode_stall_s" if error.is_stall else "decode_timeout_s"
