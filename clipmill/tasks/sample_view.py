"""From samples of the pass to the documented pixels of a clip."""

from collections.abc import Iterator

from clipmill.engine.chunk import Chunk
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.scores.motion import spread_share
from clipmill.stages.base import Frames
from clipmill.stages.reads import Sample
from clipmill.stages.video.clipping.clip_frame_extraction import (
    ClipFrameExtractionStage,
    FrameExtractionPolicy,
    frame_signature,
    taken,
)
from clipmill.stages.video.filtering.motion_filter import MotionVectorDecodeStage
from clipmill.tasks.video import Clip

FRAMES_ERROR = "frames"


def fill_samples(clip: Clip, chunk: Chunk, plan: Plan, index: int) -> None:
    """Gives the clip of that index its sampled frames and block motion, as far as they travel with the chunk.

    Of several heights at one rate those of ``ClipFrameExtractionStage`` are taken, else the highest.
    """
    _fill_frames(clip, chunk, plan, index)
    for node in plan.nodes:
        if isinstance(node.stage, MotionVectorDecodeStage) and (read := node.reads.motion) is not None:
            found = _samples(chunk, read, index)
            if found is not None and len(found.values[0]):
                share = node.stage.target_duration_ratio
                clip.decoded_motion_data = spread_share(found.values[0], share=share)


def _fill_frames(clip: Clip, chunk: Chunk, plan: Plan, index: int) -> None:
    own = [
        (node.stage, dict(_own_reads(node)))
        for node in plan.nodes
        if isinstance(node.stage, ClipFrameExtractionStage)
    ]
    named = {read: (stage, fps) for stage, reads in own for read, fps in reads.items()}
    asked: list[Frames] = []
    for read in sorted(_frames_reads(chunk), key=lambda read: (read not in named, -read.height_px)):
        found = _samples(chunk, read, index)
        if found is None:
            continue
        asked.append(read)
        stage, fps = named.get(read, (None, float(read.fps)))
        key = frame_signature(FrameExtractionPolicy.SEQUENCE, fps)
        if len(found.values[0]) and key not in clip.extracted_frames:
            frames = found.values[0]
            clip.extracted_frames[key] = stage.shaped(frames) if stage else frames
    for stage, _ in own:
        _fill_middle(clip, stage)
    if asked and not clip.extracted_frames:
        rate = max(float(read.fps) for read in asked)
        clip.errors[FRAMES_ERROR] = f"no sampled frame at {rate:g} a second inside the clip"


def _own_reads(node: Node) -> Iterator[tuple[Frames, float]]:
    """The reads of the stage of frames, within the budget of the run, and the rates that a user gave."""
    stage = node.stage
    assert isinstance(stage, ClipFrameExtractionStage)
    reads = [read for read in node.reads.samples() if isinstance(read, Frames)]
    yield from zip(reads or stage.shows(), stage.rates_fps, strict=True)


def _fill_middle(clip: Clip, stage: ClipFrameExtractionStage) -> None:
    if FrameExtractionPolicy.MIDDLE not in stage.extraction_policies:
        return
    for fps in stage.rates_fps:
        sequence = clip.extracted_frames.get(frame_signature(FrameExtractionPolicy.SEQUENCE, fps))
        if sequence is not None:
            clip.extracted_frames[frame_signature(FrameExtractionPolicy.MIDDLE, fps)] = taken(
                sequence, FrameExtractionPolicy.MIDDLE
            )


def _frames_reads(chunk: Chunk) -> list[Frames]:
    return [read for read in chunk.samples if isinstance(read, Frames)]


def _samples(chunk: Chunk, read: Sample, index: int) -> ClipSamples | None:
    found = chunk.samples.get(read)
    return found[index] if found else None
