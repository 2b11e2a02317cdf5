"""The same work by clipmill: ``python -m bench.nemo_curator.our_run FOLDER OUTPUT ENCODER {inline,ray}``."""

import logging
import sys
from pathlib import Path

from clipmill.pipeline import Pipeline
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.clip_frame_extraction import ClipFrameExtractionStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader

BIT_RATE_K = {"libopenh264": 1953}
"""Of 1024 bits a second: the 2 Mb/s that ffmpeg gives an encoder whose caller asks for nothing."""


def pipeline_of(folder: str, output: str, encoder: str) -> Pipeline:
    """The stages of ``reference_run``, with the same parameters."""
    stages = (
        VideoReader(input_video_path=folder),
        FixedStrideExtractorStage(clip_len_s=10, clip_stride_s=10, min_clip_length_s=2),
        ClipTranscodingStage.model_validate({"encoder": encoder, "bit_rate_k": BIT_RATE_K.get(encoder)}),
        MotionVectorDecodeStage(),
        MotionFilterStage(score_only=True),
        ClipFrameExtractionStage(target_fps=[2.0], target_height_px=224, write=True),
        ClipWriterStage(
            output_path=output,
            input_path=folder,
            upload_clips=True,
            dry_run=False,
            generate_embeddings=False,
            generate_previews=False,
            generate_captions=False,
        ),
    )
    return Pipeline(name="ours", stages=stages)


def main(folder: str, output: str, encoder: str, engine: str) -> None:
    """Run it; with ``ray`` on a cluster of its own."""
    pipeline = pipeline_of(folder, output, encoder)
    if engine == "inline":
        pipeline.run(engine="inline")
        return
    import ray

    ray.init(include_dashboard=False, logging_level=logging.ERROR)
    pipeline.run(engine="ray")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    Path(arguments[1]).mkdir(parents=True, exist_ok=True)
    main(*arguments)
