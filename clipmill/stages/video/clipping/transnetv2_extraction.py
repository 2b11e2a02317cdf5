"""Clips from shots that TransNetV2 finds on the 48x27 stream."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.stages.base import SPEED
from clipmill.stages.video.clipping.content_extraction import ShotClipRules


class TransNetV2ClipExtractionStage(ShotClipRules):
    """Shots found by the TransNetV2 network.

    Frames whose transition probability is over ``threshold`` belong to no shot; lower values find more cuts.
    Weights are those of ``revision`` (the pinned one when None), taken from ``model_dir``: a folder or a
    store. ``cascade`` lets the network look only at windows in which the content detector gives a frame at
    least ``cascade_threshold``; everything else counts as no cut. ``backend`` ``auto`` takes OpenVINO on a
    CPU where it is installed, PyTorch otherwise. ``bfloat16`` is faster where there is hardware for it, and
    moves probabilities by about 0.01; ``precision`` ``auto`` takes it there, and looks again in ``float32``
    where a probability is near the threshold. ``batch_windows`` windows of 100 frames go through the network
    at once; None takes one on a CPU.
    """

    stage_name: ClassVar[str] = "split_transnetv2"
    STAGE_VERSION: ClassVar[int] = 2

    # Where weights lie changes nothing; which ones they are is said by the revision.
    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models"
    revision: str | None = None
    threshold: float = Field(default=0.4, gt=0, lt=1)
    cascade: bool = True
    cascade_threshold: float = Field(default=0.02, gt=0, lt=1)
    backend: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Annotated[Literal["auto", "cpu", "cuda"], SPEED] = "auto"
    batch_windows: Annotated[int | None, Field(ge=1, le=256), SPEED] = None
    gpu_memory_gb: Annotated[float, Field(gt=0), SPEED] = 10
