"""A look at headers and identity bytes of the sources of one manifest, in codec processes."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import ceil

import pyarrow as pa

from clipmill import arrow
from clipmill.errors import CodecChildDied, CodecChildTimeout, StoreOutage, TransientStoreError
from clipmill.intake.manifests import Sources
from clipmill.limits import LimitsSpec
from clipmill.machine import num_cores
from clipmill.media.io.probe import inspect_source
from clipmill.outcomes.failures import failure_of, is_of_item, is_outage
from clipmill.planning.judgement import FINAL, RESULT, RETRYABLE
from clipmill.planning.plan import inspect_digest
from clipmill.records import Inspection, SourceFile, VideoFacts, VideoReason
from clipmill.runs.run_id import new_run_id
from clipmill.sandbox.runner import CodecRunner, codec_runner
from clipmill.state.failures import make_final
from clipmill.state.schema import INSPECT, INSPECT_STATE, OUTCOME
from clipmill.state.store import ResultStore
from clipmill.storage.filesystems import is_http

logger = logging.getLogger(__name__)

MAX_CHILDREN = 8
FILES_PER_CHILD = 4
"""A process takes longer to start than to look at a few files."""
INSPECT_S = 60.0
"""Least limit for one file's headers, over a slow network too."""
COPY_BYTES_PER_S = 1 << 20
"""For a file on a web server, which may have to be copied as a whole before it can be looked at."""
OUTAGE_SOURCES = 3
"""Sources in a row that a store does not deliver: then it is not they that are at fault."""

InspectRow = dict[str, object]
"""Column name -> value of the inspect state."""


def inspect_manifest(manifest_uri: str, *, output: str, limits: LimitsSpec, run_id: str = "") -> int:
    """Inspects the sources of a manifest and writes their rows as one part; returns how many were readable.

    A store that does not answer ends it early: the sources that are left are looked at by the next run.
    """
    inspections = inspect_all(list(Sources(manifest_uri)), limits)
    keep_rows(_table_of(inspections), output=output, limits=limits, run_id=run_id or new_run_id())
    return sum(inspection.reason is None for inspection in inspections)


def inspected_rows(manifest_uri: str, limits: LimitsSpec) -> pa.Table:
    """Returns the rows of a manifest's sources, for ``keep_rows``; nothing is written.

    StoreOutage where the store stopped to deliver: an answer for some of the sources is none.
    """
    sources = list(Sources(manifest_uri))
    inspections = inspect_all(sources, limits)
    if len(inspections) < len(sources):
        last = next(one for one in reversed(inspections) if one.reason == VideoReason.STORE_UNAVAILABLE)
        raise StoreOutage(f"the store failed on {OUTAGE_SOURCES} sources in a row; the last: {last.message}")
    return _table_of(inspections)


def keep_rows(rows: pa.Table, *, output: str, limits: LimitsSpec, run_id: str) -> None:
    """Writes rows of inspections to the state as one part, and what they make final; none write nothing."""
    digest, state = inspect_digest(limits), ResultStore(output)
    state.append(INSPECT, digest, rows, run_id=run_id)
    failed = rows.filter(arrow.equal(rows["outcome"], RETRYABLE))
    if len(failed):
        make_final(
            state,
            INSPECT,
            digest,
            failed.select(OUTCOME.names),
            max_runs=limits.max_failed_runs,
            stopped_runs=frozenset(),  # an outage ends it early, and no failure of a store counts
            run_id=run_id,
        )


def _table_of(inspections: Sequence[Inspection]) -> pa.Table:
    return pa.Table.from_pylist([row_of(one) for one in inspections], schema=INSPECT_STATE)


def inspect_all(sources: Sequence[SourceFile], limits: LimitsSpec) -> list[Inspection]:
    """Inspects sources, a few at once, each in a codec process; sorted by URI.

    After ``OUTAGE_SOURCES`` in a row that the store did not deliver, the others are left out.
    """
    workers = max(1, min(MAX_CHILDREN, 2 * num_cores(), ceil(len(sources) / FILES_PER_CHILD)))
    shares = [sources[index::workers] for index in range(workers)]
    outage = StoreStreak()
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda share: _inspect_share(share, limits, outage), shares)
        return sorted((one for share in results for one in share), key=lambda one: one.source.uri)


class StoreStreak:
    """Counts sources in a row that a store did not deliver, over every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_failed = 0

    @property
    def is_outage(self) -> bool:
        """True once it was too many: then it is not the sources that are at fault."""
        return self._num_failed >= OUTAGE_SOURCES

    def saw(self, found: Inspection) -> None:
        """Counts one source. Once there is an outage, it stays one."""
        with self._lock:
            if not self.is_outage:
                is_failed = found.reason == VideoReason.STORE_UNAVAILABLE
                self._num_failed = self._num_failed + 1 if is_failed else 0


def _inspect_share(
    sources: Sequence[SourceFile], limits: LimitsSpec, outage: StoreStreak
) -> list[Inspection]:
    child = codec_runner(limits)
    found: list[Inspection] = []
    for source in sources:
        if outage.is_outage:
            break
        found.append(_inspect(source, limits, child))
        outage.saw(found[-1])
    return found


def _inspect(source: SourceFile, limits: LimitsSpec, child: CodecRunner) -> Inspection:
    """Never raises for a bad file: a header can crash or stall a parser as well as a decoder."""
    try:
        return _tried(source, limits, child)
    except Exception as error:  # a demuxer may raise anything: it costs this source
        if not is_of_item(error):
            raise
        failed = failure_of(error, uri=source.uri, limits=limits)
        logger.warning("%s", failed.message.splitlines()[0])
        return Inspection(
            source,
            None,
            None,
            VideoReason(failed.reason),
            failed.message,
            is_retryable=failed.kind == "retryable",
            limit=failed.limit,
            limit_value=failed.limit_value,
        )


def _tried(source: SourceFile, limits: LimitsSpec, child: CodecRunner) -> Inspection:
    """One look, again while its process dies or stalls or the store falters, up to the limit of attempts."""
    for attempt in range(1, limits.max_attempts + 1):
        try:
            return _looked(source, limits, child)
        except (CodecChildDied, CodecChildTimeout, TransientStoreError) as error:
            logger.warning("%s, attempt %d of %d: %s", source.uri, attempt, limits.max_attempts, error)
            if attempt == limits.max_attempts or is_outage(error):
                raise
    raise AssertionError("max_attempts is at least 1")


def _looked(source: SourceFile, limits: LimitsSpec, child: CodecRunner) -> Inspection:
    num_copied = source.size_bytes if is_http(source.uri) else 0
    timeout_s = max(INSPECT_S, limits.decode_timeout_s) + num_copied / COPY_BYTES_PER_S
    stall_s = max(INSPECT_S, limits.decode_stall_s)
    return child.run(inspect_source, source, limits=limits.of_source, timeout_s=timeout_s, stall_s=stall_s)


def row_of(inspection: Inspection) -> InspectRow:
    """The inspection as a row of the inspect state."""
    source, facts = inspection.source, inspection.facts
    row: InspectRow = {
        "id": source.source_version,
        "uri": source.uri,
        "size_bytes": source.size_bytes,
        "video_id": inspection.video_id,
        "outcome": _outcome(inspection),
        "limit": inspection.limit or None,
        "limit_value": inspection.limit_value,
        "reason": inspection.reason,
        "message": inspection.message or None,
        "bytes_read": inspection.bytes_read,
    }
    return row | (_facts_row(facts) if facts else {})


def _outcome(inspection: Inspection) -> str:
    if inspection.reason is None:
        return RESULT
    return RETRYABLE if inspection.is_retryable else FINAL


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
