"""Before two sources are called copies their whole files are compared: a sampled id is no proof."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from clipmill import identity
from clipmill.records import SourceFile
from clipmill.storage import store
from clipmill.storage.inspections import file_digests, verify_digest
from clipmill.storage.state import State

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
        if video_id is not None and len(identity.identity_ranges(source.size_bytes)) > 1:
            alike[video_id].append(source)
    unread = [
        (video_id, source)
        for video_id, group in sorted(alike.items())
        for source in group
        if len(group) > 1 and source.source_version not in known
    ]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        digests = list(pool.map(lambda pair: file_digest(pair[1].uri), unread))
    rows = [
        {"id": source.source_version, "video_id": video_id, "file_digest": digest}
        for (video_id, source), digest in zip(unread, digests, strict=True)
    ]
    state.append("verify", rows, digest=verify_digest(), attempt="copies")
    return len(rows)


def file_digest(uri: str) -> str:
    """BLAKE2b-256 of a whole file, in hex."""
    digest = hashlib.blake2b(digest_size=32)
    with store.open_reader(uri) as reader:
        while piece := reader.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
