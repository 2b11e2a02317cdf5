"""Previews as text inside the page, as many as fit."""

import base64
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from clipmill.errors import StoreError

logger = logging.getLogger(__name__)

ReadBytes = Callable[[str], bytes]

WEBP_PREFIX = "data:image/webp;base64,"
_BATCH = 16


@dataclass(frozen=True)
class InlinedPreviews:
    """Data URIs by clip id, and how many previews are not among them: unreadable, or over the bound."""

    data_uris: Mapping[str, str]
    num_unreadable: int = 0
    num_left_out: int = 0


def inline_previews(
    wanted: Sequence[tuple[str, str]], *, read_bytes: ReadBytes, max_bytes: int
) -> InlinedPreviews:
    """Data URIs of the ``wanted`` (clip id, preview uri) in their order, together at most ``max_bytes`` long.

    A preview that does not fit is left out, and smaller ones after it still get their chance. ``read_bytes``
    is called from a few threads at once; what it cannot read, and what is not WebP, counts as unreadable.
    """
    inlined: dict[str, str] = {}
    num_unreadable, left = 0, max_bytes
    for clip_id, data in _read_in_order(wanted, read_bytes):
        if data is None:
            num_unreadable += 1
        elif data_uri_length(len(data)) <= left:
            inlined[clip_id] = WEBP_PREFIX + base64.b64encode(data).decode("ascii")
            left -= len(inlined[clip_id])
    num_left_out = len(wanted) - len(inlined) - num_unreadable
    return InlinedPreviews(inlined, num_unreadable, num_left_out)


def data_uri_length(num_bytes: int) -> int:
    """Characters that so many bytes take as a data URI."""
    return len(WEBP_PREFIX) + 4 * ((num_bytes + 2) // 3)


def _read_in_order(
    wanted: Sequence[tuple[str, str]], read_bytes: ReadBytes
) -> Iterator[tuple[str, bytes | None]]:
    """Bytes of each preview, None where there are none; a few are read ahead, never all of them."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            datas = pool.map(lambda uri: _read(uri, read_bytes), [uri for _, uri in batch])
            yield from zip([clip_id for clip_id, _ in batch], datas, strict=True)


def _read(uri: str, read_bytes: ReadBytes) -> bytes | None:
    try:
        data = read_bytes(uri)
    except (StoreError, OSError) as error:
        logger.warning("a preview is not in the report: %s", error)
        return None
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return data
    logger.warning("preview %s is not in the report: it is no WebP file", uri)
    return None
