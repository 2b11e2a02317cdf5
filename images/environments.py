"""One ImageSpec per extra of pyproject.toml, all from the one lock file.

vLLM and cuML pin numba apart, remote-code embedders need transformers 4.55, NVDEC's bindings clash with
vLLM's: the same six names stand for extras, images and hardware.
"""

import os
from pathlib import Path

from flytekit import ImageSpec

REGISTRY = os.environ.get("CLIPMILL_REGISTRY", "ghcr.io/clipmill")
"""Without a registry flytekit asks a public one for every image, at every start."""

CUDA_BASE = "nvidia/cuda:13.0.1-runtime-ubuntu24.04"
_LOCK = str(Path(__file__).parent.parent / "uv.lock")


def _image(extra: str, *, base: str | None = None) -> ImageSpec:
    return ImageSpec(
        name=f"clipmill-{extra}",
        registry=REGISTRY,
        python_version="3.11",
        base_image=base,
        requirements=_LOCK,
        pip_extra_args=f"--no-dev --extra {extra}",
    )


CPU_IMAGE = _image("cpu")
NVDEC_IMAGE = _image("nvdec", base=CUDA_BASE)
MODELS_IMAGE = _image("models", base=CUDA_BASE)
LEGACY_IMAGE = _image("legacy", base=CUDA_BASE)
VLLM_IMAGE = _image("vllm", base=CUDA_BASE)
CUML_IMAGE = _image("cuml", base=CUDA_BASE)
