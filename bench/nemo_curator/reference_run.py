"""One run of NeMo Curator's video stages; for the Python of its own environment, which has no clipmill.

``python reference_run.py FOLDER OUTPUT ENCODER {in-process,ray-data}``: clips of ten seconds re-encoded,
motion scored, frames at 2 a second and 224 pixels, metadata.
"""

# pyright: reportMissingImports=false

import logging
import sys
from collections.abc import Iterable

import ray
from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.resources import Resources
from nemo_curator.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from nemo_curator.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
from nemo_curator.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from nemo_curator.stages.video.io.clip_writer import ClipWriterStage
from nemo_curator.stages.video.io.video_reader import VideoReader
from nemo_curator.tasks import EmptyTask

DECLARED_CPUS = 8
"""With the two that a small machine has its Ray Data executor makes no progress."""
CPUS_PER_STAGE = 0.2


def stages_of(folder: str, output: str, encoder: str) -> list:
    """The stages, the reader's two in the place of the reader."""
    return [
        *VideoReader(input_video_path=folder).decompose(),
        FixedStrideExtractorStage(clip_len_s=10, clip_stride_s=10, min_clip_length_s=2, limit_clips=0),
        ClipTranscodingStage(encoder=encoder, ray_data_num_cpus=CPUS_PER_STAGE),
        MotionVectorDecodeStage(),
        MotionFilterStage(score_only=True),
        ClipFrameExtractionStage(target_res=(224, 224), target_fps=[2]),
        ClipWriterStage(
            output_path=output,
            input_path=folder,
            upload_clips=True,
            dry_run=False,
            generate_embeddings=False,
            generate_previews=False,
            generate_captions=False,
            caption_models=[],
            enhanced_caption_models=[],
        ),
    ]


def run_in_process(stages: Iterable) -> None:
    """One stage after the other over all tasks, without any executor: the least its own code can take."""
    tasks: list = [EmptyTask()]
    for stage in stages:
        stage.setup()
        results = [stage.process(task) for task in tasks]
        tasks = [task for result in results for task in (result if isinstance(result, list) else [result])]


def run_on_ray_data(stages: Iterable) -> None:
    """Through its Ray Data executor, with as few CPUs per stage as let all stages fit."""
    ray.init(num_cpus=DECLARED_CPUS, include_dashboard=False, logging_level=logging.ERROR)
    pipeline = Pipeline(name="peer")
    for stage in stages:
        pipeline.add_stage(stage.with_(resources=Resources(cpus=CPUS_PER_STAGE)))
    pipeline.run(RayDataExecutor())


if __name__ == "__main__":
    _, folder, output, encoder, how = sys.argv
    run = {"in-process": run_in_process, "ray-data": run_on_ray_data}[how]
    run(stages_of(folder, output, encoder))
