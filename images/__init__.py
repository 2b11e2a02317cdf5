"""The container images that tasks name: one per environment that cannot share another's."""

from images.environments import (
    CPU_IMAGE,
    CUML_IMAGE,
    IMAGES,
    LEGACY_IMAGE,
    MODELS_IMAGE,
    NVDEC_IMAGE,
    VLLM_IMAGE,
)

__all__ = ["CPU_IMAGE", "CUML_IMAGE", "IMAGES", "LEGACY_IMAGE", "MODELS_IMAGE", "NVDEC_IMAGE", "VLLM_IMAGE"]
