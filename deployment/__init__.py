"""The deployment that tasks, images and launch plans are registered for: ``deployment.yaml``, one profile.

A pod gets it as JSON in its environment, because a dynamic task compiles there, where no file lies.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import yaml
from pydantic import ValidationError

from clipmill.errors import SpecError
from deployment.schema import Deployment

VARIABLE = "CLIPMILL_DEPLOYMENT"
"""Holds the resolved deployment in a pod."""
FILE_VARIABLE, PROFILE_VARIABLE = "CLIPMILL_DEPLOYMENT_FILE", "CLIPMILL_PROFILE"
FILE = Path(__file__).parent.parent / "deployment.yaml"

Fields = dict[str, object]


def load(path: Path, profile: str = "") -> Deployment:
    """Returns a profile of a deployment file; that which the file names by default. SpecError in one line."""
    try:
        fields = cast(object, yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise SpecError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("profiles"), dict):
        raise SpecError(f"{path}: profiles is missing")
    fields = cast(Fields, fields)
    profiles = cast("dict[str, Fields]", fields.pop("profiles"))
    chosen = str(fields.pop("profile", ""))
    name = profile or chosen
    try:
        merged = _extended(profiles, name, ())
        return Deployment.model_validate({**fields, "name": name, "profile": merged})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SpecError(f"{path}: profile {name}: {place}: {first['msg']}") from error


def _extended(profiles: Mapping[str, Fields], name: str, below: tuple[str, ...]) -> Fields:
    """A profile over the one that it ``extends``."""
    if name not in profiles or name in below:
        known = ", ".join(sorted(profiles))
        raise SpecError(f"there is no profile {name or '(none named)'}; there are {known}")
    own = dict(profiles[name])
    base = str(own.pop("extends", ""))
    return _over(_extended(profiles, base, (*below, name)), own) if base else own


def _over(base: Fields, own: Fields) -> Fields:
    """Groups of ``own`` over those of ``base``, key by key."""
    merged = dict(base)
    for key, value in own.items():
        before = merged.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        merged[key] = _over(cast(Fields, before), cast(Fields, value)) if both else value
    return merged


def _found() -> Deployment:
    if text := os.environ.get(VARIABLE):
        return Deployment.model_validate_json(text)
    path = Path(os.environ.get(FILE_VARIABLE) or FILE)
    return load(path, os.environ.get(PROFILE_VARIABLE, ""))


DEPLOYMENT = _found()
"""Of this process: from its environment in a pod, else from the file."""
