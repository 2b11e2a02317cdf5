"""A look at headers and identity bytes of the sources of one manifest, in codec processes."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import ceil
from pathlib import PurePosixPath

from clipmill.errors import CodecChildDied, CodecChildTimeout, StoreError, TransientStoreError
from clipmill.intake.manifests import get_sources
from clipmill.limits import LimitsSpec
from clipmill.machine import num_cores
from clipmill.media.io.probe import inspect_source
from clipmill.planning.plan import inspect_digest
from clipmill.records import Inspection, SourceFile, VideoFacts, VideoReason
from clipmill.sandbox.runner import CodecRunner, codec_runner
from clipmill.storage.filesystems import is_http
from clipmill.storage.state import State

logger = logging.getLogger(__name__)

MAX_CHILDREN = 8
FILES_PER_CHILD = 4
"""A process takes longer to start than to look at a few files."""
INSPECT_S = 60.0
"""Limit for one file's headers, over a slow network too."""
COPY_BYTES_PER_S = 1 << 20
"""For a file on a web server, which may have to be copied as a whole before it can be looked at."""

InspectRow = dict[str, object]
"""Column name -> value of the inspect state."""


def inspect_manifest(manifest_uri: str, *, output: str, limits: LimitsSpec) -> int:
    """Inspect the sources of a manifest and write their rows as one part; return how many were readable."""
    inspections = inspect_all(get_sources(manifest_uri), limits)
    rows = [row_of(inspection) for inspection in inspections]
    attempt = PurePosixPath(manifest_uri).stem
    State(output).append("inspect", rows, digest=inspect_digest(limits), attempt=attempt)
    return sum(inspection.reason is None for inspection in inspections)


def inspect_all(sources: Sequence[SourceFile], limits: LimitsSpec) -> list[Inspection]:
    """Inspect sources, a few at once, each in a codec process; sorted by URI."""
    workers = max(1, min(MAX_CHILDREN, 2 * num_cores(), ceil(len(sources) / FILES_PER_CHILD)))
    shares = [sources[index::workers] for index in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda share: _inspect_share(share, limits), shares)
        return sorted((one for share in results for one in share), key=lambda one: one.source.uri)


def _inspect_share(sources: Sequence[SourceFile], limits: LimitsSpec) -> list[Inspection]:
    child = codec_runner(limits)
    return [_inspect(source, limits, child) for source in sources]


def _inspect(source: SourceFile, limits: LimitsSpec, child: CodecRunner) -> Inspection:
    """Never raises for a bad file: a header can crash or stall a parser as well as a decoder."""
    try:
        return _tried(source, limits, child)
    except CodecChildDied as error:
        return _rejected(source, VideoReason.DECODER_CRASHED, error)
    except CodecChildTimeout as error:
        return _rejected(source, VideoReason.DECODER_TIMEOUT, error)
    except StoreError as error:
        return _rejected(source, VideoReason.STORE_ERROR, error)


def _tried(source: SourceFile, limits: LimitsSpec, child: CodecRunner) -> Inspection:
    """One look, again while its process dies or stalls or the store falters, up to the limit of attempts."""
    for attempt in range(1, limits.max_attempts):
        try:
            return _looked(source, limits, child)
        except (CodecChildDied, CodecChildTimeout, TransientStoreError) as error:
            logger.warning("%s, attempt %d of %d: %s", source.uri, attempt, limits.max_attempts, error)
    return _looked(source, limits, child)


def _looked(source: SourceFile, limits: LimitsSpec, child: CodecRunner) -> Inspection:
    num_copied = source.size_bytes if is_http(source.uri) else 0
    timeout_s = INSPECT_S + num_copied / COPY_BYTES_PER_S
    return child.run(inspect_source, source, limits=limits, timeout_s=timeout_s, stall_s=INSPECT_S)


def _rejected(source: SourceFile, reason: VideoReason, error: Exception) -> Inspection:
    return Inspection(source, None, None, reason, f"{source.uri}: {error}")


def row_of(inspection: Inspection) -> InspectRow:
    """The inspection as a row of the inspect state."""
    source, facts = inspection.source, inspection.facts
    row: InspectRow = {
        "id": source.source_version,
        "uri": source.uri,
        "size_bytes": source.size_bytes,
        "video_id": inspection.video_id,
        "reason": inspection.reason,
        "message": inspection.message or None,
        "bytes_read": inspection.bytes_read,
    }
    return row | (_facts_row(facts) if facts else {})


def _facts_row(facts: VideoFacts) -> InspectRow:
    return {
        "container": facts.container,
        "video_codec": facts.video_codec,
        "pixel_format": facts.pixel_format,
        "width": facts.width_px,
        "height": facts.height_px,
        "rotation_deg": facts.rotation_deg,
        "sar": str(facts.sar),
        "framerate": str(facts.framerate),
        "time_base": str(facts.time_base),
        "duration_s": facts.duration_s,
        "num_frames": facts.num_frames,
        "bit_rate_k": facts.bit_rate_k,
        "audio_codec": facts.audio_codec,
    }


def facts_of(row: InspectRow) -> VideoFacts:
    """The facts of a row of the inspect state; the inverse of ``row_of`` for a readable video."""
    audio = row["audio_codec"]
    return VideoFacts(
        container=str(row["container"]),
        video_codec=str(row["video_codec"]),
        pixel_format=str(row["pixel_format"]),
        width_px=int(str(row["width"])),
        height_px=int(str(row["height"])),
        rotation_deg=int(str(row["rotation_deg"])),
        sar=Fraction(str(row["sar"])),
        framerate=Fraction(str(row["framerate"])),
        time_base=Fraction(str(row["time_base"])),
        duration_s=float(str(row["duration_s"])),
        num_frames=int(str(row["num_frames"])),
        bit_rate_k=int(str(row["bit_rate_k"])),
        audio_codec=None if audio is None else str(audio),
    )
