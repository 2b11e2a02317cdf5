"""What an error means for one item: final only where it follows from the bytes."""

import errno
import pickle

import pytest

from clipmill.errors import (
    CodecChildDied,
    CodecChildError,
    CodecChildTimeout,
    EncodeFailed,
    OutputFault,
    ScratchFault,
    SourceChanged,
    SpecError,
    StoreError,
    TransientStoreError,
    UnreadableVideo,
)
from clipmill.limits import LimitsSpec
from clipmill.outcomes.failures import STORE_RETRY_S, failure_of, is_of_item, is_outage
from clipmill.stages.worker import Failed

LIMITS = LimitsSpec(decode_timeout_s=7, decode_stall_s=5, max_child_bytes=1 << 30)
URI = "films/a.mp4"

ERRORS: dict[str, tuple[Exception, str, str]] = {
    "damaged file": (UnreadableVideo(URI, "unreadable", "no index"), "final", "unreadable"),
    "clip that cannot be encoded": (EncodeFailed("odd size"), "final", "unreadable"),
    "missing file": (StoreError(URI, "no such file"), "retryable", "store_error"),
    "store that throttles": (TransientStoreError(URI, "503"), "retryable", "store_unavailable"),
    "replaced file": (SourceChanged(URI, "it grew"), "retryable", "source_changed"),
    "full disk": (OutputFault("out/x", "no space left"), "retryable", "output_error"),
    "full scratch disk": (ScratchFault("/tmp/x", "no space left"), "retryable", "scratch_error"),
    "file that may not grow": (OSError(errno.EFBIG, "File too large"), "retryable", "scratch_error"),
    "crash": (CodecChildDied(-11), "retryable", "decoder_crashed"),
    "memory": (CodecChildDied(None, "memory", is_memory=True), "retryable", "decoder_crashed"),
    "too slow": (CodecChildTimeout(9.0), "retryable", "decoder_timeout"),
    "stalled": (CodecChildTimeout(5.0, is_stall=True), "retryable", "decoder_timeout"),
    "error without a meaning here": (CodecChildError("Odd", "no"), "retryable", "unexpected"),
    "bug": (IndexError("list index out of range"), "retryable", "unexpected"),
}


@pytest.mark.parametrize(("error", "kind", "reason"), ERRORS.values(), ids=ERRORS)
def test_kind_and_reason_of_an_error(error: Exception, kind: str, reason: str) -> None:
    failed = failure_of(error, uri=URI, limits=LIMITS)
    assert (failed.kind, failed.reason) == (kind, reason)
    assert URI in failed.message or any(place in failed.message for place in ("out/x", "/tmp/x"))
    assert is_of_item(error)


@pytest.mark.parametrize(
    ("error", "limit", "value"),
    [
        (CodecChildTimeout(9.0), "decode_timeout_s", 7.0),
        (CodecChildTimeout(5.0, is_stall=True), "decode_stall_s", 5.0),
        (CodecChildDied(None, "memory", is_memory=True), "max_child_bytes", float(1 << 30)),
        (CodecChildDied(-9), "", None),
    ],
    ids=["time", "stall", "memory", "killed"],
)
def test_a_limit_is_named_with_its_value(error: Exception, limit: str, value: float | None) -> None:
    failed = failure_of(error, uri=URI, limits=LIMITS)
    assert (failed.limit, failed.limit_value) == (limit, value)
    assert (f"limits.{limit} is {value:g}" in failed.message) if limit else ("limits." not in failed.message)


def test_time_that_is_no_limit_of_the_run_is_not_named() -> None:
    failed = failure_of(CodecChildTimeout(120.0), uri=URI)
    assert failed == Failed("retryable", "decoder_timeout", failed.message)


def test_final_failure_of_a_stage_has_its_reason() -> None:
    assert (
        failure_of(EncodeFailed("odd size"), uri=URI, final_reason="encode_failed").reason == "encode_failed"
    )


def test_unforeseen_error_shows_where_it_was_raised() -> None:
    def read_sound() -> None:
        raise IndexError("list index out of range")

    with pytest.raises(IndexError) as caught:
        read_sound()
    first, *rest = failure_of(caught.value, uri=URI).message.splitlines()
    assert first == f"{URI}: IndexError: list index out of range"
    assert any("in read_sound" in line for line in rest)


def test_error_about_the_whole_run_is_of_no_item() -> None:
    assert not is_of_item(SpecError("no such column"))


@pytest.mark.parametrize(
    "error",
    [
        CodecChildTimeout(5.0, is_stall=True),
        CodecChildDied(None, "m", is_memory=True),
        TransientStoreError(URI, "503", STORE_RETRY_S + 1),
    ],
)
def test_what_was_hit_survives_the_way_to_another_process(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert failure_of(copy, uri=URI, limits=LIMITS) == failure_of(error, uri=URI, limits=LIMITS)
    assert is_outage(copy) == is_outage(error)


def test_store_that_failed_for_long_is_not_asked_again() -> None:
    assert is_outage(TransientStoreError(URI, "503", STORE_RETRY_S + 1))
    assert not is_outage(TransientStoreError(URI, "503", STORE_RETRY_S / 2))
    assert not is_outage(CodecChildDied(-11))
