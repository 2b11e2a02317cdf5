"""From rows of window stages to the documented windows of clips."""

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

import numpy as np

from clipmill import identity
from clipmill.engine.chunk import Chunk
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.models.captioning.chat import Caption, CaptionStatus
from clipmill.models.captioning.frames import window_frames
from clipmill.planning.judgement import AlignedRows
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.video.caption.caption_enhancement import ENHANCED_KEY, CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.tasks.row import Row
from clipmill.tasks.video import Clip, Window

PREVIEW = "PreviewStage"
"""By name, so that the stage may be left out."""

_STATUSES: dict[str, CaptionStatus] = {status: status for status in get_args(CaptionStatus)}


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


class PreparedInput(dict[str, object]):
    """What a captioner is given of a window: ``prompt``, and its frames, made when they are first asked for.

    ``["multi_modal_data"]["video"]`` is uint8 ``(T, H, W, 3)``, as the model gets them.
    """

    def __init__(self, prompt: str, frames: Callable[[], np.ndarray]) -> None:
        super().__init__(prompt=prompt)
        self._frames = frames

    def __missing__(self, key: str) -> object:
        if key != "multi_modal_data":
            raise KeyError(key)
        return self.setdefault(key, {"video": self._frames()})


def fill_inputs(clips: Iterable[Clip], chunk: Chunk, node: Node) -> None:
    """Gives windows what the captioner of a node is about to be given, where its frames are at hand."""
    read = node.reads.frames
    samples = chunk.samples.get(read) if read else None
    if samples is None or not isinstance(node.stage, CaptionGenerationStage):
        return
    places = {span.clip_id: index for index, span in enumerate(chunk.clips)}
    for clip in clips:
        index = places[str(clip.uuid)]
        if (sampled := samples[index]) is None:
            continue
        for window in clip.windows:
            if not window.caption:
                given = _prepared_input(node.stage, chunk.clips[index], sampled, window)
                window.llm_inputs[node.stage.model_variant] = window.qwen_llm_input = given


def _prepared_input(
    stage: CaptionGenerationStage, span: ClipSpan, samples: ClipSamples, window: Window
) -> PreparedInput:
    def frames() -> np.ndarray:
        shown, _ = window_frames(
            samples.values[0],
            samples.frames - span.frames.start_frame,
            FrameSpan(window.start_frame, window.end_frame + 1),
            source_fps=span.frames.num_frames / span.duration_s,
            options=stage.preparation.options,
        )
        return shown

    return PreparedInput(stage.preparation.prompt, frames)


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
