"""The deployment that tasks, images and launch plans are registered for: ``deployment.yaml``, one profile.

A pod gets it as JSON in its environment, because a dynamic task compiles there, where no file lies.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from clipmill.errors import SpecError
from clipmill.stages.fault_words import checked
from clipmill.yaml_file import read_groups
from deployment.schema import Deployment, Profile

VARIABLE = "CLIPMILL_DEPLOYMENT"
"""Holds the resolved deployment in a pod."""
FILE_VARIABLE, PROFILE_VARIABLE = "CLIPMILL_DEPLOYMENT_FILE", "CLIPMILL_PROFILE"
FILE = Path(__file__).parent.parent / "deployment.yaml"

Fields = dict[str, object]


def load(path: Path, profile: str = "") -> Deployment:
    """Returns a profile of a deployment file; without a name, the one that the file names.

    The other profiles are checked too. SpecError in one line that names file, profile and key.
    """
    fields = read_groups(str(path), what="deployment file")
    profiles = fields.pop("profiles", None)
    if not isinstance(profiles, dict):
        raise SpecError(f"{path}: profiles is missing: it holds one group for each kind of cluster")
    profiles = cast("dict[str, object]", profiles)
    chosen = str(fields.pop("profile", ""))
    name = profile or chosen
    found = {one: _profile(path, profiles, one) for one in (name, *profiles)}
    return checked(Deployment, {**fields, "name": name, "profile": found[name]}, str(path))


def _profile(path: Path, profiles: Mapping[str, object], name: str) -> Profile:
    try:
        fields = _extended(profiles, name, ())
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error
    return checked(Profile, fields, f"{path}: profile {name}")


def _extended(profiles: Mapping[str, object], name: str, below: tuple[str, ...]) -> Fields:
    """A profile over the one that it ``extends``."""
    own = profiles.get(name)
    if not isinstance(own, dict) or name in below:
        wrong = "extends itself" if name in below else "is no group of keys"
        raise SpecError(
            f"profile {name}: it {wrong}" if name in profiles else _unknown(profiles, name, below)
        )
    own = dict(cast(Fields, own))
    base = str(own.pop("extends", ""))
    return _over(_extended(profiles, base, (*below, name)), own) if base else own


def _unknown(profiles: Mapping[str, object], name: str, below: tuple[str, ...]) -> str:
    asked = f"profile {below[-1]}: extends: " if below else ""
    known = ", ".join(sorted(map(str, profiles)))
    return f"{asked}there is no profile {name or '(none named)'}; there are {known}"


def _over(base: Fields, own: Fields) -> Fields:
    """Groups of ``own`` over those of ``base``, key by key."""
    merged = dict(base)
    for key, value in own.items():
        before = merged.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        merged[key] = _over(cast(Fields, before), cast(Fields, value)) if both else value
    return merged


def _found() -> Deployment:
    """SystemExit with one line for a wrong file: under it every command that imports tasks would fail."""
    if text := os.environ.get(VARIABLE):
        return Deployment.model_validate_json(text)
    path = Path(os.environ.get(FILE_VARIABLE) or FILE)
    try:
        return load(path, os.environ.get(PROFILE_VARIABLE, ""))
    except SpecError as error:
        raise SystemExit(f"clipmill: {error}") from error


DEPLOYMENT = _found()
"""Of this process: from its environment in a pod, else from the file."""
