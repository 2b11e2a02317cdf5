"""Before two sources are called copies their whole files are compared: a sampled id is no proof."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from clipmill import identity
from clipmill.errors import StoreError
from clipmill.media.io.source import open_source
from clipmill.records import SourceFile
from clipmill.storage.inspections import file_digests, verify_digest
from clipmill.storage.state import State

logger = logging.getLogger(__name__)

PIECE_BYTES = 8 << 20
READS_AT_ONCE = 4


def verify_copies(sources: Iterable[SourceFile], video_ids: Mapping[str, str | None], state: State) -> int:
    """Digest every large source that shares its ``video_id`` (by source_version); how many were read.

    Small files enter their id whole, and a file is read once in its life.
    """
    known = file_digests(state)
    alike: dict[str, list[SourceFile]] = defaultdict(list)
    for source in sources:
        video_id = video_ids.get(source.source_version)
        if video_id is not None and (not source.size_bytes or is_sampled(source.size_bytes)):
            alike[video_id].append(source)
    unread = [
        (video_id, source)
        for video_id, group in sorted(alike.items())
        for source in group
        if len(group) > 1 and source.source_version not in known
    ]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        digests = list(pool.map(lambda pair: _digest_or_none(pair[1]), unread))
    rows = [
        {"id": source.source_version, "video_id": video_id, "file_digest": digest}
        for (video_id, source), digest in zip(unread, digests, strict=True)
        if digest is not None
    ]
    state.append("verify", rows, digest=verify_digest(), attempt="copies")
    return len(rows)


def is_sampled(size_bytes: int) -> bool:
    """Whether the id of a file of this size is made of parts of it."""
    return len(identity.identity_ranges(size_bytes)) > 1


def _digest_or_none(source: SourceFile) -> str | None:
    """The digest; None where the file cannot be read to its end, which its own outcome will say."""
    try:
        return file_digest(source)
    except StoreError as error:
        logger.warning("not compared with those that look like it: %s", error)
        return None


def file_digest(source: SourceFile) -> str:
    """BLAKE2b-256 of a whole file, in hex. SourceChanged where it is not the one that was listed."""
    digest = hashlib.blake2b(digest_size=32)
    with open_source(source) as reader:
        while piece := reader.read(PIECE_BYTES):
            digest.update(piece)
        reader.verify()
    return digest.hexdigest()
