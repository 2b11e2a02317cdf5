"""Write the table of docs/models.md: every model there is, from ``clipmill.models.registry``.

``python docs/write_models.py``
"""

import re
from pathlib import Path

from clipmill.models.registry import MODELS, ModelEntry

PAGE = Path(__file__).parent / "models.md"
BEGIN, END = "<!-- written by docs/write_models.py -->", "<!-- end -->"
HEAD = (
    "| model | for | source | revision | licence of the weights | environment | code of its own | package |"
)


def table() -> str:
    """The rows, one per model."""
    return "\n".join([HEAD, "|" + "---|" * 8, *(_row(entry) for entry in MODELS)])


def page() -> str:
    """The page with a current table."""
    old = PAGE.read_text()
    return re.sub(f"{BEGIN}.*?{END}", f"{BEGIN}\n{table()}\n{END}", old, flags=re.DOTALL)


def _row(entry: ModelEntry) -> str:
    brings = "yes" if entry.remote_code else "no"
    package = f"`{entry.packaged.package}` {entry.packaged.version}" if entry.packaged else ""
    cells = (
        f"`{entry.name}`", entry.kind, f"`{entry.source}`", f"`{entry.revision[:7]}`", entry.licence,
        f"`{entry.environment}`", brings, package,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
