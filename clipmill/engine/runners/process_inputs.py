"""Bytes and pixels that are lent to an object with ``process(task)`` while it runs."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import cast

from clipmill import layout
from clipmill.engine.chunk import Chunk
from clipmill.errors import (
    ClipmillError,
    SourceChanged,
    SpecError,
    StoreError,
    TransientStoreError,
    UnreadableVideo,
)
from clipmill.media.cut.window import window_mp4
from clipmill.media.io.source import open_source
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.sandbox.runner import codec_runner
from clipmill.scratch import ScratchFolder
from clipmill.stages.encode_options import EncodeOptions
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.processing_stage import ProcessingStage
from clipmill.stages.roles import EncoderStage
from clipmill.storage import store
from clipmill.tasks.video import Clip, Video, VideoMetadata, VideoTask, Window
from clipmill.tasks.window_view import fill_inputs

logger = logging.getLogger(__name__)

MAX_SOURCE_BYTES = 256 << 20
"""Larger sources are not read into memory; a stage that wants one has its path."""
WINDOW_S = 120.0
"""Limit for cutting one window out of a clip; it has a few hundred frames."""


class Lender:
    """Fills the fields that a stage asks for by ``inputs``, or all where it names none."""

    def __init__(self, stage: ProcessStage, plan: Plan) -> None:
        _check_inputs(stage)
        self._stage = stage
        self._output_uri = plan.output_uri
        self._allows_previews = plan.windows.allows_previews
        self._nodes = plan.nodes
        encoder = plan.encoder.stage if plan.encoder else None
        self._options = encoder.options() if isinstance(encoder, EncoderStage) else None
        self._child = codec_runner(plan.limits)  # not started before it runs
        self._source: tuple[SourceFile, bytes | None] | None = None

    def lend(self, task: VideoTask, chunk: Chunk) -> Mapping[str, Mapping[str, str]]:
        """Fills a task; returns clip id -> errors of windows that could not be cut out.

        StoreError for a source or a clip's file that cannot be read now.
        """
        self._lend_source(task.data, chunk)
        if self._stage.asks_for("llm_inputs") or self._stage.asks_for("qwen_llm_input"):
            for node in self._nodes:
                fill_inputs(task.data.clips, chunk, node)
        return {str(clip.uuid): dict(self._lend_files(clip)) for clip in task.data.clips}

    def _lend_source(self, video: Video, chunk: Chunk) -> None:
        if chunk.whole is None:
            return
        if self._stage.asks_for("frame_array"):
            video.frame_array = chunk.whole.thumbnails
        if self._stage.asks_for("source_bytes"):
            video.source_bytes = self._source_bytes(chunk.work.source)

    def _source_bytes(self, source: SourceFile) -> bytes | None:
        """The bytes of a source; those of the last one are kept for its next chunk."""
        if self._source is None or self._source[0] != source:
            self._source = (source, _read_source(source))
        return self._source[1]

    def _lend_files(self, clip: Clip) -> Iterator[tuple[str, str]]:
        wants_windows = self._allows_previews and self._stage.asks_for("mp4_bytes")
        data = clip.buffer
        if data is None and (wants_windows or self._stage.asks_for("buffer")):
            data = self._file_of(clip)
        clip.buffer = data if self._stage.asks_for("buffer") else None
        if data is not None and wants_windows and self._options is not None:
            yield from self._lend_windows(clip, data, self._options)
        if self._output_uri is not None and self._stage.asks_for("webp_bytes"):
            for window in clip.windows:
                window.webp_bytes = window.webp_bytes or self._preview(window, self._output_uri)

    def _file_of(self, clip: Clip) -> bytes | None:
        if clip.file is None or self._output_uri is None:
            return None
        return store.read_bytes(layout.join(self._output_uri, clip.file.path))

    def _preview(self, window: Window, output_uri: str) -> bytes | None:
        if not window.preview_path:
            return None
        return store.read_bytes(layout.join(output_uri, window.preview_path))

    def _lend_windows(self, clip: Clip, data: bytes, options: EncodeOptions) -> Iterator[tuple[str, str]]:
        assert clip.place is not None
        with ScratchFolder("window") as folder:
            path = Path(folder.path, "clip.mp4")
            for window in clip.windows:
                if window.end_frame - window.start_frame + 1 == clip.place.frames.num_frames:
                    window.mp4_bytes = data
                    continue
                path.write_bytes(data)
                try:
                    window.mp4_bytes = self._window_mp4(path, window, options)
                except (ClipmillError, ValueError) as error:
                    name = f"window_{window.start_frame}_{window.end_frame}"
                    logger.warning("no mp4 of %s of clip %s: %s", name, clip.uuid, error)
                    yield name, str(error)

    def _window_mp4(self, path: Path, window: Window, options: EncodeOptions) -> bytes:
        return self._child.run(
            window_mp4,
            str(path),
            window.start_frame,
            window.end_frame + 1,
            options=options,
            timeout_s=WINDOW_S,
            stall_s=WINDOW_S,
        )


def _read_source(source: SourceFile) -> bytes | None:
    if source.size_bytes > MAX_SOURCE_BYTES:
        return None
    try:
        with open_source(source, max_bytes=MAX_SOURCE_BYTES) as reader:
            data = reader.read()
            reader.verify()
        return data
    except (TransientStoreError, SourceChanged):
        raise
    except (StoreError, UnreadableVideo) as error:
        logger.warning("stages with process(task) do not see the bytes of a source: %s", error)
        return None


def _check_inputs(stage: ProcessStage) -> None:
    if isinstance(stage.wrapped, ProcessingStage):
        of_task, of_data = cast("ProcessingStage[object, object]", stage.wrapped).inputs()
        _check_attributes(stage, VideoTask, of_task)
        _check_attributes(stage, Video, of_data)
    kinds = (Video, VideoMetadata, Clip, Window)
    documented = {field.name for kind in kinds for field in fields(kind)}
    if unknown := sorted(stage.inputs - documented):
        raise SpecError(
            f"stage {stage.processor.name} names {unknown[0]} in inputs, which is no documented field"
        )


def _check_attributes(stage: ProcessStage, kind: type[Video | VideoTask], names: Sequence[str]) -> None:
    there = {one.name for one in fields(kind)} | set(dir(kind))
    if missing := [name for name in names if name not in there]:
        raise SpecError(
            f"stage {stage.processor.name} names {missing[0]} in inputs(), and a {kind.__name__} has none"
        )
