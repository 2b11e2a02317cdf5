"""What files are called on the page, and which of them it links to."""

from collections.abc import Sequence
from urllib.parse import quote

from clipmill.report import words as wording


def common_root(uris: Sequence[str]) -> str:
    """The longest folder that all ``uris`` lie under, with its slash; empty where there is none."""
    if not uris:
        return ""
    first, last = min(uris), max(uris)
    shared = next(
        (i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first)
    )
    return first[: first.rfind("/", 0, shared) + 1]


def short_name(uri: str | None, *, root: str) -> str:
    """``uri`` as the page names it: below ``root``."""
    return wording.plain((uri or "").removeprefix(root), max_chars=240)


def relative_link(path: str | None) -> str:
    """A link from the report to a file of the same output; empty for a file that lies elsewhere.

    ``path`` is relative to the output. Only paths below it are linked, so that no URI of the data can become
    a script or leave the page.
    """
    if not path or path.startswith("/") or "://" in path or ".." in path.split("/"):
        return ""
    return "./" + quote(path)


_UNITS = {"s": "s", "px": "px", "fps": "frames a second"}


def unit_of(name: str) -> str:
    """Returns the unit in which a column's name ends: ``px`` of ``peak_px``; empty without one."""
    return _UNITS.get(name.rpartition("_")[2], "") if "_" in name else ""


def words_of(name: str) -> str:
    """Returns a column's name in words, without its unit: ``frames`` of ``num_frames``."""
    bare = name.rpartition("_")[0] if unit_of(name) else name
    return wording.reason(bare.removeprefix("num_"))


def label_of(name: str) -> str:
    """Returns a column's name as a label without its unit: ``Motion mean`` of ``motion_mean``."""
    return capital(words_of(name))


def capital(words: str) -> str:
    """Returns words with a capital letter in front; the others stay as they are."""
    return words[:1].upper() + words[1:]
