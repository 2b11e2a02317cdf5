"""From rows of window stages to the documented windows of clips."""

from collections.abc import Sequence

from clipmill import identity
from clipmill.engine.chunk import Chunk
from clipmill.models.captioning.base import Caption, CaptionStatus
from clipmill.planning.judgement import AlignedRows
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.video.caption.caption_enhancement import ENHANCED_KEY, CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.tasks.row import Row
from clipmill.tasks.video import Clip, Window

PREVIEW = "PreviewStage"
"""By name, so that the stage may be left out."""

_STATUSES: dict[str, CaptionStatus] = {
    "success": "success", "truncated": "truncated", "blocked": "blocked", "error": "error",
    "skipped": "skipped",
}  # fmt: skip


def fill_windows(clips: Sequence[Clip], chunk: Chunk, plan: Plan) -> None:
    """Gives each clip of a chunk its windows, with captions and previews; ends are inclusive."""
    placed: list[tuple[Clip, Window]] = []
    ids: list[str] = []
    for clip, span in zip(clips, chunk.clips, strict=True):
        for window in plan.windows_of(span):
            ids.append(identity.window_id(span.clip_id, window.start_frame, window.end_frame))
            placed.append((clip, Window(window.start_frame, window.end_frame - 1)))
            clip.windows.append(placed[-1][1])
    rows = AlignedRows(plan.nodes, chunk.rows, ids)
    for node in plan.nodes:
        if node.stage.grain != "window" or (table := rows.of(node.key)) is None:
            continue
        for index, (clip, window) in enumerate(placed):
            _fill(clip, window, node, Row(table, index), chunk, ids[index])


def _fill(clip: Clip, window: Window, node: Node, row: Row, chunk: Chunk, window_id: str) -> None:
    if message := row.message or row.get("enhanced_message", str):
        clip.errors[f"{node.key}_{window.start_frame}_{window.end_frame}"] = message
    if not row.has_result:
        return
    if isinstance(node.stage, CaptionGenerationStage):
        window.answer = _answer(row, window_id, "")
        if window.answer.text:
            window.caption[node.stage.model_variant] = window.answer.text
    elif isinstance(node.stage, CaptionEnhancementStage):
        window.enhanced_answer = _answer(row, window_id, "enhanced_")
        if window.enhanced_answer.text:
            window.enhanced_caption[ENHANCED_KEY] = window.enhanced_answer.text
    elif any(kind.__name__ == PREVIEW for kind in type(node.stage).__mro__):
        _fill_preview(window, row, chunk)


def _fill_preview(window: Window, row: Row, chunk: Chunk) -> None:
    """The bytes are here only where nothing is written."""
    uri = row.get("preview_uri", str)
    window.preview_path = uri or ""
    window.webp_bytes = chunk.files.get(uri) if uri else None


def _answer(row: Row, window_id: str, prefix: str) -> Caption:
    return Caption(
        window_id,
        row.get(f"{prefix}caption", str) or "",
        _STATUSES.get(row.get(f"{prefix}status", str) or "", "error"),
        row.get(f"{prefix}input_tokens", int),
        row.get(f"{prefix}output_tokens", int),
        row.get(f"{prefix}message", str) or "",
    )
