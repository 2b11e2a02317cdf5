"""What a verification found wrong, by kind."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["manifest", "table", "part", "file", "document", "stray"]
Cause = Literal["missing", "damaged", "wrong", "stray"]

MOST_SHOWN = 20
"""Findings of one kind that a summary names; the rest is counted."""


@dataclass(frozen=True)
class Finding:
    """Something at ``path`` (relative to the output) that is not as it should be; ``detail`` says how.

    ``keys`` are the stages whose rows of ``item_id`` name the file, where a stage made it.
    """

    kind: Kind
    path: str
    cause: Cause
    detail: str = ""
    item_id: str = ""
    keys: tuple[str, ...] = ()

    @property
    def is_wrong(self) -> bool:
        """False for what is only left over."""
        return self.cause != "stray"

    def line(self) -> str:
        """Returns the finding as people read it."""
        return f"{self.kind} {self.path}: {self.cause}" + (f", {self.detail}" if self.detail else "")


@dataclass
class Report:
    """What a verification looked at, and what it found."""

    findings: list[Finding] = field(default_factory=list[Finding])
    looked_at: Counter[str] = field(default_factory=Counter[str])

    @property
    def wrong(self) -> Sequence[Finding]:
        """The findings that are faults: all but strays."""
        return [one for one in self.findings if one.is_wrong]

    def lines(self) -> list[str]:
        """Returns the counts, and the findings, the first of each kind by name."""
        lines = [", ".join(f"{count} {name}" for name, count in self.looked_at.items()) + " looked at"]
        shown: Counter[tuple[str, str]] = Counter()
        for one in self.findings:
            shown[one.kind, one.cause] += 1
            if shown[one.kind, one.cause] <= MOST_SHOWN:
                lines.append(one.line())
        lines += [
            f"{kind} {cause}: {count - MOST_SHOWN} more"
            for (kind, cause), count in shown.items()
            if count > MOST_SHOWN
        ]
        return lines
