"""What the class of a stage says of it, as lines of a page: what it reads, writes and rejects."""

from collections.abc import Iterable, Iterator

from clipmill.planning.describe import GRAINS, examples, reads_in_words
from clipmill.stages.base import Column, Stage

TABLES = {"clip": "clips", "window": "windows", "video": "nowhere"}


def facts_of(kind: type[Stage]) -> Iterator[str]:
    """Yields what a built-in stage is, reads and writes; nothing for one that only holds settings."""
    stage = next(one for one in examples() if type(one) is kind)
    yield f"{' '.join(_sentences(stage))}"
    if kind.writes:
        yield ""
        yield "| column | type | meaning | where |"
        yield "|---|---|---|---|"
        yield from (_column(kind, column) for column in kind.writes)


def _sentences(stage: Stage) -> Iterator[str]:
    kind = type(stage)
    environment = "" if kind.environment == "core" else f", in the environment `{kind.environment}`"
    yield f"Stage `{kind.name}`, version {kind.version}, of {GRAINS[kind.grain]}{environment}."
    if read := ", ".join(reads_in_words(stage.reads())):
        yield f"It reads {read}."
    if stage.requires():
        yield f"It adds {_names(type(one).__name__ for one in stage.requires())} where that is missing."
    if kind.runs_on == "all":
        yield "It also runs for clips that a filter rejected."
    if kind.on_failure == "drop":
        yield f"A clip that it fails on is filtered as `{kind.failure_reason}`."
    if kind.artifacts:
        yield f"It writes {_names(one.path for one in kind.artifacts)}."


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _column(kind: type[Stage], column: Column) -> str:
    place = TABLES[kind.grain] if column.table == "own_grain" else column.table
    where = {"state": "state only", "embeddings": "embedding files"}.get(place, f"table `{place}`")
    return f"| `{column.name}` | {column.type} | {column.doc} | {where} |"
