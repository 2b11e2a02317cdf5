"""Chunks, plans and rows made by hand, for tests without an engine."""

import io
import uuid
from collections.abc import Mapping, Sequence
from fractions import Fraction

import av
import numpy as np
import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.work import Work
from clipmill.limits import LimitsSpec
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.planning.judgement import RETRYABLE, AlignedRows
from clipmill.planning.missing import ClipBlock, item_ids, keys_by_clip, lacks_of
from clipmill.planning.nodes import Node, Placed
from clipmill.planning.plan import Plan, plan_of
from clipmill.planning.process_stages import placed_process
from clipmill.records import ClipSpan, FrameSpan, SourceFile, VideoFacts
from clipmill.stages.base import Stage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.state.schema import schema_of

FACTS = VideoFacts(
    container="mp4",
    video_codec="h264",
    pixel_format="yuv420p",
    width_px=160,
    height_px=90,
    rotation_deg=0,
    sar=Fraction(1),
    framerate=Fraction(24),
    time_base=Fraction(1, 24),
    duration_s=6.0,
    num_frames=144,
    bit_rate_k=900,
)
FRAMES_PER_CLIP = 48


def span(index: int) -> ClipSpan:
    """The clip of that index: two seconds of 24 frames."""
    start = index * FRAMES_PER_CLIP
    end = start + FRAMES_PER_CLIP
    clip_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"clip {index}"))
    return ClipSpan(clip_id, FrameSpan(start, end), start, end, start / 24, end / 24)


SPANS = tuple(span(index) for index in range(3))
IDS = [one.clip_id for one in SPANS]


def writer(output: str, *, source: str = "films") -> ClipWriterStage:
    """Everything is written below ``output``."""
    return ClipWriterStage(
        output_path=output,
        input_path=source,
        upload_clips=True,
        dry_run=False,
        generate_embeddings=True,
        generate_previews=True,
        generate_captions=True,
    )


def plan(*stages: object, output: str | None = None) -> Plan:
    """The plan of stages, those with ``process(task)`` among them."""
    listed: list[Stage | Placed] = [VideoReader(input_video_path="films")]
    listed += [one if isinstance(one, Stage | Placed) else placed_process(one) for one in stages]
    return plan_of([*listed, *([writer(output)] if output else [])], limits=LimitsSpec())


def work(**fields: object) -> Work:
    """A video that was not split yet."""
    return Work(SourceFile("films/film.mp4", 4, "v1"), "f" * 32, FACTS, **fields)  # pyright: ignore[reportArgumentType] by name


def chunk(**fields: object) -> Chunk:
    """A chunk of three clips without rows."""
    made = {"work": work(), "clips": SPANS, "num_clips": len(SPANS), **fields}
    return Chunk(**made)  # pyright: ignore[reportArgumentType] by name


def rows(node: Node, values: Mapping[str, Sequence[object]], *, ids: Sequence[str] = IDS) -> pa.Table:
    """Rows of a stage with results; ``outcome``, ``reason`` and ``message`` may be among the values."""
    columns: dict[str, Sequence[object]] = {"id": ids, "outcome": ["result"] * len(ids), **values}
    schema = schema_of(node)
    nulls = [None] * len(ids)
    return pa.table(
        {name: pa.array(columns.get(name, nulls), schema.field(name).type) for name in schema.names}
    )


def samples(*values: np.ndarray) -> ClipSamples:
    """What a read sees of a clip, whenever it was."""
    numbers = np.arange(len(values[0]))
    return ClipSamples(numbers, numbers / 2, values)


def mp4(num_frames: int = FRAMES_PER_CLIP) -> bytes:
    """A soundless mp4 of that many frames."""
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for index in range(num_frames):
            picture = np.full((90, 160, 3), index * 4 % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    return data.getvalue()


def lacking(of: Plan, tables: Mapping[str, pa.Table], clips: Sequence[ClipSpan]) -> dict[str, frozenset[str]]:
    """The stages that each clip of a video lacks, of clips that lack any."""
    ids = [clip.clip_id for clip in clips]
    aligned = AlignedRows((), tables, ids)
    done = {
        key: {one["id"] for one in table.to_pylist() if one["outcome"] != RETRYABLE}
        for key, table in tables.items()
    }
    block = ClipBlock(
        ids=pa.array(ids, pa.string()),
        videos=np.zeros(len(ids), int),
        rows={
            key: table
            for key in tables
            if of.by_key[key].stage.grain == "clip" and (table := aligned.of(key)) is not None
        },
        done={
            key: np.array([set(item_ids(of, of.by_key[key], clip)) <= found for clip in clips])
            for key, found in done.items()
        },
    )
    return keys_by_clip(ids, lacks_of(of, block))
