"""Animated previews of windows."""

from typing import ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field

from clipmill.errors import SpecError
from clipmill.limits import LimitsSpec
from clipmill.media.encode.preview import PreviewOptions, encode_preview, frames_of_window, preview_warnings
from clipmill.outcomes.failures import failure_of, is_of_item
from clipmill.sandbox.runner import CODEC_RUNNER, CodecRunner, codec_runner
from clipmill.stages.base import (
    Artifact,
    Batch,
    Column,
    Cpus,
    Failed,
    Frames,
    Grain,
    Item,
    Reads,
    Resources,
    Results,
    RunView,
    SampleRate,
    Stage,
    StageContext,
    rate,
)
from clipmill.stages.roles import WindowStage

PREVIEW_S = 120.0
"""Limit for one window's preview; a slow core needs about one second."""
LEAST_HEIGHT_PX = 240


class PreviewStage(Stage):
    """One animated WebP per window: ``target_fps`` frames a second, ``target_height`` pixels high.

    Clips that a filter rejects have previews too: a person judges the filter by them. ``compression_level``
    is WebP's effort (0 fast .. 6 small), ``quality`` 0..100. A source below the rate or the height logs a
    warning; a preview that fails is logged with its cause and the clip stays.
    """

    name: ClassVar[str] = "preview"
    grain: ClassVar[Grain] = "window"
    runs_on: ClassVar[Literal["passed", "all"]] = "all"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("preview_uri", pa.string(), "animated WebP of the window", role="file"),
    )
    artifacts: ClassVar[tuple[Artifact, ...]] = (
        Artifact("preview", "previews/{clip_id}/{start}_{end}.webp"),
    )

    target_fps: SampleRate = 1.0
    target_height: int = Field(default=240, ge=16, le=2160)
    compression_level: int = Field(default=6, ge=0, le=6)
    quality: int = Field(default=50, ge=0, le=100)
    num_cpus_per_worker: Cpus = 4.0

    @property
    def options(self) -> PreviewOptions:
        """How previews are encoded."""
        return PreviewOptions(self.target_fps, self.target_height, self.compression_level, self.quality)

    def bind(self, run: RunView) -> Self:
        """Returns this stage. SpecError for a run whose windows have no previews."""
        if (windows := run.find(WindowStage)) is not None and not windows.allows_previews:
            raise SpecError(
                f"{type(windows).__name__} has generate_previews off: turn it on, or leave out PreviewStage"
            )
        return self

    def reads(self) -> Reads:
        return Reads(frames=Frames(rate(self.target_fps), max(LEAST_HEIGHT_PX, self.target_height)))

    def resources(self) -> Resources:
        return Resources(cpus=self.num_cpus_per_worker)

    def open(self, context: StageContext) -> "PreviewWorker":
        return PreviewWorker(self.options, context, context.shared(CODEC_RUNNER, _codec_runner))


class PreviewWorker:
    """Encodes previews in a codec process."""

    def __init__(self, options: PreviewOptions, context: StageContext, codecs: CodecRunner) -> None:
        self._options = options
        self._context = context
        self._codecs = codecs
        self._warned = set[str]()

    def __call__(self, batch: Batch) -> Results:
        """Returns where each window's preview lies."""
        uris: list[str | None] = []
        failed: dict[int, Failed] = {}
        for index, item in enumerate(batch.items):
            self._warn(item)
            made = self._preview(item)
            if isinstance(made, Failed):
                failed[index] = made
            uris.append(None if isinstance(made, Failed) else made)
        return Results({"preview_uri": uris}, failed)

    def _preview(self, item: Item) -> str | Failed:
        if item.frames is None:
            raise ValueError(f"window {item.id} has no sampled frames")
        frames = frames_of_window(item.frames, item.shown, num_frames=item.clip.frames.num_frames)
        try:
            webp = self._codecs.run(
                encode_preview, frames, options=self._options, timeout_s=PREVIEW_S, stall_s=PREVIEW_S
            )
        except Exception as error:  # an encoder may raise anything: it costs this preview
            if not is_of_item(error):
                raise
            self._context.log.warning("no preview of window %s: %s", item.id, error)
            return failure_of(error, uri=item.source_uri, final_reason="preview_failed")
        self._context.log.debug(
            "%s, frames %d to %d: %d bytes",
            item.clip.clip_id, item.shown.start_frame, item.shown.end_frame - 1, len(webp),
        )  # fmt: skip
        return self._context.put("preview", item.id, webp)

    def _warn(self, item: Item) -> None:
        """Says once for each source where it cannot give the rate or the height."""
        if item.source_uri not in self._warned:
            self._warned.add(item.source_uri)
            for warning in preview_warnings(item.video, self._options):
                self._context.log.warning("%s: %s", item.source_uri, warning)


def _codec_runner() -> CodecRunner:
    """A codec process with the default limits, where the engine lends none."""
    return codec_runner(LimitsSpec())
