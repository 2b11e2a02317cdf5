"""Trying a stage: on one video, or on items made by hand."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from clipmill.engine.chunk import Chunk
from clipmill.engine.run import stream
from clipmill.engine.runners.context import Shared, WorkerContext
from clipmill.engine.runners.node_runner import is_stream, open_worker
from clipmill.engine.runners.result_rows import checked, rows_of
from clipmill.errors import SpecError
from clipmill.intake.admission import first_work
from clipmill.intake.inspection import inspect_all
from clipmill.limits import LimitsSpec
from clipmill.planning.judgement import judge, with_derived
from clipmill.planning.nodes import Node, Placed
from clipmill.planning.plan import Plan, plan_of
from clipmill.planning.registry import stage_class
from clipmill.records import ClipSpan, FrameSpan, VideoFacts
from clipmill.scratch import ScratchFolder
from clipmill.stages.base import Batch, Item, MotionSamples, Stage, Worker
from clipmill.storage.listing import list_source

FRAMERATE = 25


def run_stage(stage: Stage, video: str | Path, *, others: Sequence[Stage | Placed] = ()) -> pa.Table:
    """Runs a stage on one video in this process; returns its columns, one row for each clip or window.

    ``others`` are more stages of the run: an extractor, or those whose columns the stage reads. Columns
    ``reason`` and ``message`` say why a clip is rejected or why there is no result. Nothing is written.
    StageBroken when the stage fails on every item.
    """
    reader = stage_class("VideoReader")
    assert issubclass(reader, Stage)
    source = reader.model_validate({"input_video_path": str(video)})
    plan = plan_of([source, *others, stage], limits=LimitsSpec())
    node = next(node for node in plan.nodes if node.stage == stage)
    tables: list[pa.Table] = []
    works = first_work(inspect_all(list_source(plan.source), plan.limits), plan)
    stream(
        works,
        plan,
        engine="inline",
        state=None,
        run_id="",
        on_chunk=lambda chunk: tables.append(_table(chunk, node, plan)),
    )
    return pa.concat_tables(tables)


def run_items(stage: Stage, items: Sequence[Item]) -> pa.Table:
    """Runs a stage on items made by hand, as the engine does: checked, rounded, derived, judged.

    Of items with one name each but the first gets a number. BadResults for an answer that does not fit what
    the stage declares. SpecError for a stage that is asked item by item.
    """
    items = _named_apart(items)
    node = Node(stage.name, stage, stage.reads())
    with ScratchFolder("stage") as scratch:
        context = WorkerContext(node, Shared(), output_uri=scratch.path)
        context.expect(items)
        worker = open_worker(node, context)
        if is_stream(worker):
            raise SpecError(f"stage {stage.name} is asked item by item: run it on a video")
        answer = cast(Worker, worker)(Batch(tuple(items)))
        rows = rows_of(node, checked(node, items, answer), {})
    return _judged(rows, node, [node])


def _named_apart(items: Sequence[Item]) -> list[Item]:
    """Returns items with ids of their own, by which verdicts go."""
    seen: Counter[str] = Counter()
    apart: list[Item] = []
    for item in items:
        seen[item.id] += 1
        name = item.id if seen[item.id] == 1 else f"{item.id} {seen[item.id]}"
        apart.append(replace(item, id=name))
    return apart


def clip_item(
    name: str = "clip",
    *,
    frames: np.ndarray | None = None,
    thumbnails: np.ndarray | None = None,
    motion: MotionSamples | None = None,
    measures: tuple[np.ndarray, ...] = (),
    sound: np.ndarray | None = None,
    columns: Mapping[str, object] | None = None,
    num_frames: int = 50,
) -> Item:
    """Returns a clip of ``num_frames`` frames at 25 a second that shows a stage what is passed here."""
    span = FrameSpan(0, num_frames)
    clip = ClipSpan(name, span, 0, num_frames, 0.0, num_frames / FRAMERATE)
    numbers = None if frames is None else np.linspace(0, num_frames, len(frames), endpoint=False).astype(int)
    return Item(
        id=name,
        clip=clip,
        video=_FACTS,
        frames=frames,
        frame_numbers=numbers,
        frame_times_s=None if numbers is None else numbers / FRAMERATE,
        thumbnails=thumbnails,
        thumbnail_times_s=None if thumbnails is None else np.arange(len(thumbnails) + 1) / FRAMERATE,
        motion=motion,
        measures=measures,
        sound=sound,
        columns=columns or {},
    )


_FACTS = VideoFacts(
    container="mov", video_codec="h264", pixel_format="yuv420p", width_px=320, height_px=180, rotation_deg=0,
    sar=Fraction(1), framerate=Fraction(FRAMERATE), time_base=Fraction(1, FRAMERATE), duration_s=2.0,
    num_frames=50, bit_rate_k=100,
)  # fmt: skip


def _table(chunk: Chunk, node: Node, plan: Plan) -> pa.Table:
    rows = chunk.made.get(node.key)
    if rows is None:
        rows = rows_of(node, checked(node, [], {}), {})
    return _judged(rows, node, [one for one in plan.nodes if one.key == node.key])


def _judged(rows: pa.Table, node: Node, nodes: Sequence[Node]) -> pa.Table:
    ids = [str(one) for one in rows["id"].to_pylist()]
    rejected = judge(nodes, {node.key: rows}, ids)
    shown = dict(_columns(rows, node))
    for name in ("reason", "message"):
        own = rows[name].to_pylist()
        pairs = zip(ids, own, strict=True)
        values = [getattr(rejected[one], name) if one in rejected else value for one, value in pairs]
        shown[name] = pa.array(values, pa.string())
    return pa.table(shown)


def _columns(rows: pa.Table, node: Node) -> Iterator[tuple[str, pa.Array]]:
    derived = with_derived(node.stage, rows)
    places = [name for name in ("id", "clip_id", "start_frame", "end_frame") if name in rows.column_names]
    names = [column.name for column in node.stage.writes if column.name not in ("reason", "message")]
    yield from ((name, derived[name]) for name in [*places, *names])
