"""What verbose stages say of finished chunks, at DEBUG; a stage that is not verbose says nothing."""

import logging
from collections.abc import Iterator

from clipmill.engine.chunk import Chunk
from clipmill.engine.work import Work
from clipmill.planning.judgement import RESULT
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.base import Stage
from clipmill.stages.roles import ReaderStage, WindowStage, WriterStage


def log_chunk(chunk: Chunk, plan: Plan) -> None:
    """Logs what each verbose stage of a run did with a chunk, to the logger of the stage."""
    for stage in plan.settings:
        _log(stage, _said_by_setting(stage, chunk, plan))
    _log(plan.extractor.stage, _said_by_extractor(chunk))
    for node in plan.nodes:
        _log(node.stage, _said_by_node(node, chunk))


def _log(stage: Stage, lines: Iterator[str]) -> None:
    logger = stage.log()
    if logger.isEnabledFor(logging.DEBUG):
        for line in lines:
            logger.debug("%s", line)


def _said_by_setting(stage: Stage, chunk: Chunk, plan: Plan) -> Iterator[str]:
    uri, split = chunk.work.source.uri, chunk.split
    if isinstance(stage, ReaderStage):
        if chunk.index == 0:
            yield f"read {described(chunk.work)}"
        if split and split.failed:
            yield f"rejected, {split.failed.reason}: {split.failed.message}"
    elif isinstance(stage, WindowStage):
        yield from (f"{clip.clip_id}: {len(plan.windows_of(clip))} windows" for clip in chunk.clips)
    elif isinstance(stage, WriterStage):
        kept = len(chunk.clips) - len(chunk.rejected)
        yield f"{uri}, chunk {chunk.index}: {kept} clips kept, {len(chunk.rejected)} rejected"
    elif stage.reads().thumbnails and split and split.facts:
        yield f"{uri}: {split.facts.num_frames} thumbnails"


def _said_by_extractor(chunk: Chunk) -> Iterator[str]:
    if chunk.split:
        found = f"{len(chunk.split.shots)} shots, {len(chunk.split.clips)} clips"
        yield f"{chunk.work.source.uri}: {found}"


def _said_by_node(node: Node, chunk: Chunk) -> Iterator[str]:
    """One line for each row that the stage made; of a stage without rows, one for each clip."""
    rows = chunk.made.get(node.key)
    if rows is not None:
        names = ("id", "outcome", "reason", "message")
        for item, outcome, reason, message in zip(*(rows[name].to_pylist() for name in names), strict=True):
            first_line = str(message or "").partition("\n")[0]
            rejected = _rejection(node, chunk, item)
            yield f"{item}: {rejected or (outcome if outcome == RESULT else f'{reason}: {first_line}')}"
    elif not node.has_rows:
        yield from (f"{clip.clip_id}: {_fate(node, chunk, clip.clip_id)}" for clip in chunk.clips)


def _fate(node: Node, chunk: Chunk, clip_id: str) -> str:
    shown = ", ".join(f"{float(frames.fps):g}" for frames in node.stage.shows())
    passed = f"frames at {shown} a second" if shown else "passed"
    return _rejection(node, chunk, clip_id) or passed


def _rejection(node: Node, chunk: Chunk, clip_id: str) -> str:
    """Why the stage itself rejected a clip; empty where it did not."""
    found = chunk.rejected.get(clip_id)
    return f"{found.reason}: {found.message}" if found and found.key == node.key else ""


def described(work: Work) -> str:
    """Returns the facts of a source, in one line."""
    facts = work.facts
    return (
        f"{work.source.uri}: {work.source.size_bytes:,} B, {facts.width_px}x{facts.height_px}, "
        f"{float(facts.framerate):.1f} fps, {facts.duration_s:.1f} s, {facts.bit_rate_k}K, "
        f"{facts.video_codec} {facts.pixel_format}"
    )
