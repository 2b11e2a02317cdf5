"""A source that changes: how, and what it is afterwards."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.faults.fault import Action, Fault
from tests.support.faults.scene import Films, drawn, large

CHANGED = "a.mp4"
"""Name of the film that changes; its neighbours stay."""

_made = TemporaryDirectory(prefix="clipmill-changed-")


def films_before() -> Films:
    """Returns a film that takes several reads, which changes, and a small one, which stays."""
    return Films({CHANGED: large(1), "b.mp4": drawn(2)})


def films_after(action: Action) -> Films:
    """Returns the films once the change has come."""
    return films_before().but(CHANGED, _after(action))


def change(action: Action, source: str, *, point: str, call: int = 1, within: str = "") -> Fault:
    """Returns the fault that changes the film at a call of a point; in a codec process, one for the film."""
    path = f"{source}/{CHANGED}"
    match = path if point.startswith("clipmill.media.") else ""
    other = str(drawn(3) if action == "grow" else large(9))
    return Fault(point, action, first=call, match=match, within=within, path=path, other=other)


@cache
def _after(action: Action) -> Path | None:
    make = _CONTENT.get(action)
    if make is None:
        return None
    path = Path(_made.name) / f"{action}.mp4"
    path.write_bytes(make())
    return path


_CONTENT: dict[Action, Callable[[], bytes]] = {
    "swap": lambda: large(9).read_bytes(),
    "overwrite": lambda: large(9).read_bytes(),
    "truncate": lambda: large(1).read_bytes()[: large(1).stat().st_size // 2],
    "grow": lambda: large(1).read_bytes() + drawn(3).read_bytes(),
}
