"""The images that tasks name: one per environment, tagged by what goes into them.

A tag depends on files that travel with the code, so that a dynamic task finds in its pod the image that it
was registered with.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from deployment import DEPLOYMENT
from images.dockerfile import CODE, FILES, Environment, render

ROOT = Path(__file__).parent.parent
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)


def name_of(environment: Environment, *, baked: bool = DEPLOYMENT.baked) -> str:
    """Returns registry, name and tag of an image."""
    return f"{DEPLOYMENT.registry}/clipmill-{environment}:{_tag(environment, baked=baked)}"


def _tag(environment: Environment, *, baked: bool) -> str:
    digest = hashlib.sha256(render(environment, baked=baked).encode())
    for path in (ROOT / "pyproject.toml", ROOT / "uv.lock", *(_code() if baked else ())):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _code() -> Iterator[Path]:
    for name in CODE:
        yield from sorted(path for path in (ROOT / name).rglob("*") if _is_code(path))
    yield from (ROOT / name for name in FILES if (ROOT / name).exists())


def _is_code(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


IMAGES = {environment: name_of(environment) for environment in ENVIRONMENTS}
CPU_IMAGE, NVDEC_IMAGE, MODELS_IMAGE = IMAGES["cpu"], IMAGES["nvdec"], IMAGES["models"]
LEGACY_IMAGE, VLLM_IMAGE, CUML_IMAGE = IMAGES["legacy"], IMAGES["vllm"], IMAGES["cuml"]
