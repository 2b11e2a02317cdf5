"""What crosses an operator boundary: spans, rows and small samples of clips of one video.

Inline, chunks pass by reference. Over a border of Ray each is a row of an Arrow table: small values are
pickled, because processes of one run read them; arrays and the buffers of tables are laid beside them as they
are. In the pickle they would be copied twice on each side.
"""

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from clipmill.engine.metrics import StageMetric
from clipmill.engine.work import Work
from clipmill.errors import ClipmillError
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.planning.judgement import Rejection, judge, source_rows
from clipmill.planning.nodes import SOURCE, Node
from clipmill.records import ClipSpan
from clipmill.stages.reads import Sample
from clipmill.state.split_outcome import SplitOutcome

MAX_ROW_BYTES = 64 << 20
ROW = pa.schema([("values", pa.large_binary()), ("buffers", pa.list_(pa.large_binary()))])
FRAME_BUDGET_BYTES = 24 << 20
"""Sampled frames of one chunk, unless one clip alone has more."""

Samples = Mapping[Sample, tuple[ClipSamples | None, ...]]
"""Read -> what it sees of each clip of the chunk; None where no later stage needs it."""


@dataclass(frozen=True)
class WholeVideo:
    """What stages right behind the scan may see of a whole video: thumbnails, uint8 ``(N, 27, 48, 3)``."""

    thumbnails: np.ndarray


@dataclass(frozen=True)
class Mark:
    """How much of a video was looked at so far, as a share.

    ``is_cut_in_pass`` says that its clips come at the end of the pass, already cut.
    """

    share: float
    is_cut_in_pass: bool


@dataclass(frozen=True)
class Chunk:
    """Clips of one video that travel together, or a video without clips.

    ``known`` and ``made`` map the key of a stage to its rows, of earlier runs and of this one. ``rejected``
    maps the id of a clip to why it is not kept. ``times_s`` are those of the thumbnails of each clip, and the
    clip's end. ``files`` holds encoded clips where nothing is written.
    ``split`` travels with the last chunk of a video that lacked it. ``share`` is the share of the video's
    work that ends with this chunk. ``num_chunks`` and ``num_clips`` count those known so far. ``whole`` is
    there for ``process(task)`` stages in the scan's worker only, and never crosses an operator boundary.
    ``copies`` are the clips for which late stages wait; None until that was looked at.
    A chunk with a ``mark`` carries nothing else, and passes every operator as it is.
    """

    work: Work
    clips: tuple[ClipSpan, ...] = ()
    index: int = 0
    num_chunks: int = 1
    num_clips: int = 0
    samples: Samples = field(default_factory=dict[Sample, tuple[ClipSamples | None, ...]])
    thumbnails: tuple[np.ndarray | None, ...] = ()
    times_s: tuple[np.ndarray, ...] = ()
    known: Mapping[str, pa.Table] = field(default_factory=dict[str, pa.Table])
    made: Mapping[str, pa.Table] = field(default_factory=dict[str, pa.Table])
    rejected: Mapping[str, Rejection] = field(default_factory=dict[str, Rejection])
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    split: SplitOutcome | None = None
    error: str = ""
    metrics: tuple[StageMetric, ...] = ()
    share: float = 1.0
    whole: WholeVideo | None = None
    mark: Mark | None = None
    copies: frozenset[str] | None = None

    @property
    def rows(self) -> dict[str, pa.Table]:
        """Key -> rows of this run and of earlier ones; a row of this run replaces an earlier one."""
        together = {**self.known, **self.made}
        for key in self.known.keys() & self.made.keys():
            together[key] = newer_first(self.made[key], self.known[key])
        return together

    def measured(self, metric: StageMetric) -> "Chunk":
        """Returns this chunk with one more metric."""
        return replace(self, metrics=(*self.metrics, metric))

    def with_rows(self, key: str, rows: pa.Table, nodes: Sequence[Node]) -> "Chunk":
        """Returns this chunk with more rows of a stage, and judged again by the rules of ``nodes``."""
        there = self.made.get(key)
        made = {**self.made, key: rows if there is None else pa.concat_tables([there, rows])}
        return replace(self, made=made).judged(nodes)

    def with_effects(self, nodes: Sequence[Node]) -> "Chunk":
        """Returns this chunk with rows that name the options that apply to its video.

        The rows of a video that is still looked at name none.
        """
        work = self.work
        made = {
            node.key: with_effects(
                self.made[node.key], node.effects_in(work.traits or "", work.source_values)
            )
            for node in nodes
            if node.key in self.made
        }
        return replace(self, made={**self.made, **made})

    def judged(self, nodes: Sequence[Node]) -> "Chunk":
        """Returns this chunk with the rejections that its rows give."""
        ids = [clip.clip_id for clip in self.clips]
        own = [node for node in nodes if node.stage.grain == "clip"]
        rows = {**self.rows, SOURCE: source_rows(own, self.work.source_values, ids)}
        return replace(self, rejected=judge(own, rows, ids))

    def without_samples(self, later: Iterable[Node]) -> "Chunk":
        """Returns this chunk without the samples that none of ``later`` reads."""
        later = list(later)
        readers = {
            read: [node for node in later if read in set(node.reads.samples())] for read in self.samples
        }
        samples = {
            read: tuple(
                one if any(self.wants(node, clip.clip_id) for node in readers[read]) else None
                for one, clip in zip(self.samples[read], self.clips, strict=True)
            )
            for read in self.samples
            if readers[read]
        }
        keeps_thumbnails = any(node.reads.thumbnails for node in later)
        return replace(self, samples=samples, thumbnails=self.thumbnails if keeps_thumbnails else ())

    def wants(self, node: Node, clip_id: str) -> bool:
        """Returns True if a stage runs for a clip, by what is known so far."""
        if not self.work.is_lacking(clip_id, node.key):
            return False
        if node.is_late and self.copies and clip_id in self.copies:
            return False
        if node.runs_for == "all":
            return True
        return (clip_id in self.rejected) == (node.runs_for == "rejected")


def with_effects(rows: pa.Table, effects: str) -> pa.Table:
    """Returns rows that name these effects."""
    place = rows.schema.get_field_index("effects")
    return rows.set_column(place, "effects", pa.array([effects] * len(rows), pa.string()))


def newer_first(made: pa.Table, known: pa.Table) -> pa.Table:
    """Returns the rows of both, without known ones of the same id, in the columns that both have."""
    ids = set(made["id"].to_pylist())
    keep = pa.array([item not in ids for item in known["id"].to_pylist()], pa.bool_())
    columns = [name for name in made.column_names if name in known.column_names]
    return pa.concat_tables([made.select(columns), known.filter(keep).select(columns)])


def pack(record: Chunk | ClipmillError) -> pa.Table:
    """Returns the row of a chunk, or of the error that ends a run. ValueError above ``MAX_ROW_BYTES``.

    Ray would wrap an exception in its own, without its class and its fields.
    """
    buffers: list[pickle.PickleBuffer] = []
    values = pickle.dumps(record, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
    num_bytes = len(values) + sum(buffer.raw().nbytes for buffer in buffers)
    if num_bytes > MAX_ROW_BYTES:
        named = record.work.source.uri if isinstance(record, Chunk) else type(record).__name__
        raise ValueError(f"a row of {named} has {num_bytes} bytes, more than {MAX_ROW_BYTES}")
    return pa.table([[values], [[buffer.raw() for buffer in buffers]]], schema=ROW)


def unpack(rows: pa.Table) -> Iterator[Chunk | ClipmillError]:
    """Yields what ``pack`` made rows of, in this run; arrays are the reader's own."""
    for values, buffers in zip(rows["values"], rows["buffers"], strict=True):
        yield pickle.loads(values.as_buffer(), buffers=[bytearray(one.as_buffer()) for one in buffers])
