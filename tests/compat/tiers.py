"""NeMo Curator 1.4.0's names and parameters, and what became of each: ``python -m tests.compat.tiers``.

The table ``nemo_curator_1_4_0.yaml`` holds facts of NeMo Curator (names, parameters, defaults), a tier and a
proof. Tier 1 works, and a test shows its effect; tier 2 is taken; tier 3 is absent.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import yaml

from tests.compat.test_nemo_flags import SCRIPT

TABLE = Path(__file__).with_name("nemo_curator_1_4_0.yaml")
REQUIRED = "required"
FLAG_PROOF = "compat/test_nemo_flags.py::test_each_flag_changes_the_spec"


@dataclass(frozen=True)
class Entry:
    """A name (``part`` empty), a method ``part()``, or a parameter ``part`` with its default there.

    ``proof`` is a test below ``tests/`` in tier 1, else the reason. ``differs`` says why a default differs.
    """

    module: str
    name: str
    part: str
    tier: int
    proof: str
    default: object = None
    differs: str = ""

    @property
    def is_parameter(self) -> bool:
        """True for a parameter."""
        return bool(self.part) and not self.part.endswith("()")

    def __str__(self) -> str:
        return ".".join(filter(None, (self.module, self.name, self.part)))


@cache
def entries() -> tuple[Entry, ...]:
    """Returns the table, in its order."""
    table = cast("dict[str, dict[str, dict[str, list[object]]]]", yaml.safe_load(TABLE.read_text()))
    return tuple(
        _entry(module, name, part, values)
        for module, names in table.items()
        for name, parts in names.items()
        for part, values in parts.items()
    )


def _entry(module: str, name: str, part: str, values: list[object]) -> Entry:
    if part == "is" or part.endswith("()"):
        tier, proof = values
        return Entry(module, name, "" if part == "is" else part, cast("int", tier), str(proof))
    default, tier, proof, *differs = values
    return Entry(
        module, name, part, cast("int", tier), str(proof), default, str(differs[0]) if differs else ""
    )


def flags() -> Iterator[Entry]:
    """Yields the flags of the example script, whose effects one test shows."""
    for flag, default in SCRIPT.items():
        yield Entry("video_split_clip_example", flag, "", 1, FLAG_PROOF, default)


def counts() -> dict[str, Counter[int]]:
    """Returns kind -> tier -> number."""
    kinds: dict[str, Counter[int]] = {"names": Counter(), "methods": Counter(), "parameters": Counter()}
    for entry in entries():
        kind = "parameters" if entry.is_parameter else "methods" if entry.part else "names"
        kinds[kind][entry.tier] += 1
    return {**kinds, "flags of the script": Counter(entry.tier for entry in flags())}


def summary() -> str:
    """Returns the counts as a table of Markdown."""
    lines = ["| NeMo Curator 1.4.0, video | works, tested | taken | absent |", "|---|---|---|---|"]
    total: Counter[int] = Counter()
    for kind, found in counts().items():
        total += found
        lines.append(f"| {kind} | {found[1]} | {found[2]} | {found[3]} |")
    return "\n".join([*lines, f"| all | {total[1]} | {total[2]} | {total[3]} |"])


if __name__ == "__main__":
    print(summary())
