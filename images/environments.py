"""One ImageSpec per extra of pyproject.toml, all from the one lock file.

vLLM and cuML pin numba apart, remote-code embedders need transformers 4.55, NVDEC's bindings clash with
vLLM's: the same six names stand for extras, images and hardware.

An image holds libraries only; the code travels with each registration (``pyflyte register`` uploads it).
"""

from flytekit import ImageSpec

from deployment import DEPLOYMENT

REGISTRY = DEPLOYMENT.registry
"""Without a registry flytekit asks a public one for every image, at every start."""

LOCK = "uv.lock"
"""From the root of the repository, where ``pyflyte`` runs. Images are looked up by a digest of their fields,
so an absolute path would name other images in a pod than on the machine that registered."""

CUDA_BASE = "nvidia/cuda:13.0.1-runtime-ubuntu24.04"
UV_IMAGE = "ghcr.io/astral-sh/uv:0.13.8"
"""The version that wrote the lock; flytekit's own choice is older than extras that exclude each other."""


def _image(extra: str, *, base: str | None = None, env: dict[str, str] | None = None) -> ImageSpec:
    return ImageSpec(
        name=f"clipmill-{extra}",
        registry=REGISTRY,
        python_version="3.11",
        base_image=base,
        requirements=LOCK,
        # Compiled once, not at the start of every pod.
        pip_extra_args=f"--extra {extra} --extra flyte --compile-bytecode",
        builder_config={"uv_image": UV_IMAGE},
        env=env,
    )


CPU_IMAGE = _image("cpu")
# The driver's decoder library is mounted only where "video" is asked for.
NVDEC_IMAGE = _image("nvdec", base=CUDA_BASE, env={"NVIDIA_DRIVER_CAPABILITIES": "compute,utility,video"})
MODELS_IMAGE = _image("models", base=CUDA_BASE)
LEGACY_IMAGE = _image("legacy", base=CUDA_BASE)
VLLM_IMAGE = _image("vllm", base=CUDA_BASE)
CUML_IMAGE = _image("cuml", base=CUDA_BASE)
IMAGES = {
    "cpu": CPU_IMAGE,
    "nvdec": NVDEC_IMAGE,
    "models": MODELS_IMAGE,
    "legacy": LEGACY_IMAGE,
    "vllm": VLLM_IMAGE,
    "cuml": CUML_IMAGE,
}
