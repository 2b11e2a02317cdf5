"""The items of a chunk that a stage works on: clips or windows, with what the stage reads of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill import identity
from clipmill.engine.chunk import Chunk
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.planning.judgement import RETRYABLE, with_derived
from clipmill.planning.nodes import SOURCE, ColumnRef, Node
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.base import Failed, FrameSamples, Item, MotionSamples

NO_FRAMES = "no_frames"
MEASURE_FAILED = "measure_failed"


@dataclass(frozen=True)
class Wanted:
    """The items of one stage in one chunk: those to ask for, and those that failed before."""

    items: tuple[Item, ...]
    failed: Mapping[str, tuple[Item, Failed]]


def wanted_items(chunk: Chunk, node: Node, plan: Plan) -> Wanted:
    """Returns the items of a chunk that lack the stage's rows and whose inputs are there.

    An item whose input failed in a way that the next run tries again is left out: it gets no row.
    """
    done = _done(chunk, node)
    inputs = _Columns(chunk, node, plan)
    items: list[Item] = []
    failed: dict[str, tuple[Item, Failed]] = {}
    for index, clip in enumerate(chunk.clips):
        if not chunk.wants(node, clip.clip_id):
            continue
        for item_id, window in item_places(plan, node, clip):
            if item_id in done or not inputs.are_ready(clip, item_id):
                continue
            item, failure = _item(chunk, node, index, item_id, window, inputs.of(clip, item_id))
            if failure:
                failed[item_id] = (item, failure)
            else:
                items.append(item)
    return Wanted(tuple(items), failed)


def item_places(plan: Plan, node: Node, clip: ClipSpan) -> Iterator[tuple[str, FrameSpan | None]]:
    """Yields (item id, window or None) of a clip's items of a stage."""
    if node.stage.grain != "window":
        yield clip.clip_id, None
        return
    for span in plan.windows_of(clip):
        yield identity.window_id(clip.clip_id, span.start_frame, span.end_frame), span


def _done(chunk: Chunk, node: Node) -> frozenset[str]:
    """Ids that have a row of this run, or one of an earlier run that is not to be tried again."""
    made, known = chunk.made.get(node.key), chunk.known.get(node.key)
    ids: set[str] = set() if made is None else set(made["id"].to_pylist())
    if known is not None:
        pairs = zip(known["id"].to_pylist(), known["outcome"].to_pylist(), strict=True)
        ids |= {item for item, outcome in pairs if outcome != RETRYABLE}
    return frozenset(ids)


class _Columns:
    """The values of the columns that a node reads."""

    def __init__(self, chunk: Chunk, node: Node, plan: Plan) -> None:
        self._node = node
        self._plan = plan
        rows = chunk.rows
        self._source = chunk.work.source_values
        self._own = [ref for ref in node.inputs if ref.key != SOURCE]
        self._by_id = {
            ref: _by_id(rows.get(ref.key), plan.by_key[ref.key], ref.column.name) for ref in self._own
        }

    def are_ready(self, clip: ClipSpan, item_id: str) -> bool:
        """Returns True if every column that the item reads has a result or a final failure."""
        return all(one in self._by_id[ref] for ref in self._own for one in self._sources(ref, clip, item_id))

    def of(self, clip: ClipSpan, item_id: str) -> dict[str, object]:
        """Returns reference -> value; a list in window order where a clip reads a window's column."""
        return {ref.reference: self._value(ref, clip, item_id) for ref in self._node.inputs}

    def _value(self, ref: ColumnRef, clip: ClipSpan, item_id: str) -> object:
        if ref.key == SOURCE:
            return self._source.get(ref.column.name)
        values = [self._by_id[ref][one] for one in self._sources(ref, clip, item_id)]
        return values if self._is_list(ref) else values[0]

    def _sources(self, ref: ColumnRef, clip: ClipSpan, item_id: str) -> Sequence[str]:
        owner = self._plan.by_key[ref.key]
        if self._is_list(ref):
            return [window_id for window_id, _ in item_places(self._plan, owner, clip)]
        return [item_id if owner.stage.grain == self._node.stage.grain else clip.clip_id]

    def _is_list(self, ref: ColumnRef) -> bool:
        owner = self._plan.by_key[ref.key].stage
        return owner.grain == "window" and self._node.stage.grain == "clip"


def _by_id(table: pa.Table | None, owner: Node, column: str) -> dict[str, object]:
    if table is None:
        return {}
    rows = with_derived(owner.stage, table)
    columns = (rows[name].to_pylist() for name in ("id", "outcome", column))
    return {item: value for item, outcome, value in zip(*columns, strict=True) if outcome != RETRYABLE}


def _item(
    chunk: Chunk,
    node: Node,
    index: int,
    item_id: str,
    window: FrameSpan | None,
    columns: Mapping[str, object],
) -> tuple[Item, Failed | None]:
    clip, reads = chunk.clips[index], node.reads
    frames = _samples(chunk, reads.frames, index)
    motion = _samples(chunk, reads.motion, index)
    measures = [_samples(chunk, measure, index) for measure in reads.measures]
    more = [frames_of(_samples(chunk, read, index), clip) for read in reads.more_frames]
    item = Item(
        id=item_id,
        clip=clip,
        video=chunk.work.facts,
        source_uri=chunk.work.source.uri,
        window=window,
        frames=frames.values[0] if frames else None,
        frame_numbers=frames.frames - clip.frames.start_frame if frames else None,
        frame_times_s=frames.times_s if frames else None,
        thumbnails=chunk.thumbnails[index] if reads.thumbnails and chunk.thumbnails else None,
        thumbnail_times_s=chunk.times_s[index] if reads.thumbnails and chunk.times_s else None,
        motion=MotionSamples(*motion.values) if motion else None,
        measures=tuple(one.values[0] for one in measures if one),
        columns=columns,
        more_frames=tuple(more),
    )
    return item, _failure(node, frames, measures, chunk.work.failed_measures)


def frames_of(samples: ClipSamples | None, clip: ClipSpan) -> FrameSamples:
    """Returns the samples of a Frames read as a stage sees them; none where there is no instant."""
    if samples is None:
        return FrameSamples(np.empty((0, 0, 0, 3), np.uint8), np.empty(0, np.int64), np.empty(0))
    return FrameSamples(samples.values[0], samples.frames - clip.frames.start_frame, samples.times_s)


def _samples(chunk: Chunk, read: object, index: int) -> ClipSamples | None:
    found = chunk.samples.get(read) if read is not None else None  # pyright: ignore[reportArgumentType] any read
    return found[index] if found else None


def _failure(
    node: Node,
    frames: ClipSamples | None,
    measures: Sequence[ClipSamples | None],
    causes: Mapping[str, str],
) -> Failed | None:
    wanted = node.reads.frames
    if wanted is not None and (frames is None or not len(frames.frames)):
        rate = float(wanted.fps)
        return Failed("final", NO_FRAMES, f"no sampled frame at {rate:g} a second inside the clip")
    for read, samples in zip(node.reads.measures, measures, strict=True):
        if samples and samples.has_failed:
            cause = causes.get(read.function, f"{read.function} failed on a frame of the clip")
            return Failed("retryable", MEASURE_FAILED, f"stage {node.key}: measure {cause}")
    return None
