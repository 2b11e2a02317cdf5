"""Failures of the clips of a video that was split before and could not be decoded now."""

from collections.abc import Iterator, Sequence

from clipmill.engine.chunk import Chunk
from clipmill.engine.runners.items import item_places
from clipmill.engine.runners.result_rows import Answered, checked, rows_of
from clipmill.engine.work import Work
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.base import Failed, Item


def with_failures(chunk: Chunk, nodes: Sequence[Node], plan: Plan, failed: Failed) -> Chunk:
    """Returns a chunk with one failure for each row of ``nodes`` that it lacks."""
    for node in nodes:
        items = list(_items(chunk, node, plan))
        if items:
            nothing = Answered((), checked(node, [], {}).columns, {})
            rows = rows_of(node, nothing, {item.id: (item, failed) for item in items})
            chunk = chunk.with_rows(node.key, rows, plan.nodes)
    return chunk


def _items(chunk: Chunk, node: Node, plan: Plan) -> Iterator[Item]:
    work = chunk.work
    if node.stage.grain == "video":
        if node.key in work.video_lacks:
            yield whole_video(work)
        return
    for clip in chunk.clips:
        if chunk.wants(node, clip.clip_id):
            for item_id, window in item_places(plan, node, clip):
                yield Item(item_id, clip, work.facts, work.source.uri, window)


def whole_video(work: Work) -> Item:
    """Returns a whole video as an item."""
    whole = ClipSpan(
        work.video_id, FrameSpan(0, max(1, work.facts.num_frames)), 0, 0, 0.0, work.facts.duration_s
    )
    return Item(work.video_id, whole, work.facts, work.source.uri)
