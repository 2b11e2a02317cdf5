"""What stages of one run may not be or do together: each fault is one line before any work."""

from collections.abc import Iterable, Mapping, Sequence

from clipmill.base_columns import RESERVED, RESERVED_JSON, STATE_COLUMNS
from clipmill.errors import SpecError
from clipmill.planning.nodes import IS_KEY, RESERVED_KEYS, Node, Placed
from clipmill.stages.base import Column, Stage
from clipmill.stages.roles import EmbedderStage, ExtractorStage


def check_keys(placed: Iterable[Placed]) -> None:
    """Raises SpecError for a key that no stage can have, or that two have, be it in other capitals."""
    taken: set[str] = set()
    for one in placed:
        if not IS_KEY.fullmatch(one.name) or one.name in RESERVED_KEYS:
            raise SpecError(
                f"{one.name!r} cannot be the key of a stage: take another word, such as sharpness"
            )
        if one.name.casefold() in taken:
            kind = type(one.stage).__name__
            raise SpecError(
                f"two stages have the key {one.name}: give one {kind} a key of its own (key: ...)"
            )
        taken.add(one.name.casefold())


def check_source_columns(node: Node) -> None:
    """Raises SpecError for an embedding or a stage of whole videos that depends on what users know."""
    if node.source_columns and (node.stage.grain == "video" or isinstance(node.stage, EmbedderStage)):
        what = "an embedding" if isinstance(node.stage, EmbedderStage) else "a stage of whole videos"
        raise SpecError(f"stage {node.key} is {what} and depends on {node.source_columns[0]}: it cannot")


def check_vectors(one: Placed) -> None:
    """Raises SpecError for a column of embeddings in a stage that names no folder for them."""
    has_vectors = any(column.table == "embeddings" for column in one.stage.writes)
    if has_vectors and not isinstance(one.stage, EmbedderStage):
        raise SpecError(
            f"stage {one.name} writes an embedding: derive its class from "
            "clipmill.stages.roles.EmbedderStage, which names the folder of its files"
        )


def check_grains(node: Node, stages: Mapping[str, Stage]) -> None:
    """Raises SpecError for a stage that would never see what it reads, or whose rules would reject nothing.

    What is known of a whole video comes when its clips are gone, and a clip's values when it has ended.
    """
    if isinstance(node.stage, ExtractorStage):
        return
    reads = node.reads
    if node.stage.grain != "video":
        if ref := next((one for one in node.inputs if _grain(stages, one.key) == "video"), None):
            raise SpecError(
                f"stage {node.key} reads {ref.reference}, which is known only when a video has ended: "
                "join it from the videos table"
            )
        return
    of_clips = (("motion", reads.motion), ("measures", reads.measures), ("sound", reads.sound))
    if unseen := [name for name, read in (*of_clips, ("columns", reads.columns)) if read]:
        raise SpecError(
            f"stage {node.key} sees whole videos and reads {unseen[0]}: it can read frames and thumbnails, "
            "a stage of clips reads the rest"
        )
    if node.rules:
        raise SpecError(f"stage {node.key} sees whole videos and has rules: only a stage of clips rejects")


def _grain(stages: Mapping[str, Stage], key: str) -> str:
    return type(stages[key]).grain if key in stages else ""


def check_columns(placed: Sequence[Placed]) -> None:
    """Raises SpecError for a column with a reserved name, or one that two stages write."""
    owners: dict[tuple[str, str], str] = {}
    for one in placed:
        grain = type(one.stage).grain
        for column in one.stage.writes:
            name = column.name if one.name == one.stage.name else f"{one.name}_{column.name}"
            if name.lower() in RESERVED[grain] | STATE_COLUMNS or column.name.lower() in STATE_COLUMNS:
                raise SpecError(
                    f"stage {one.name} writes {name}, which is a column of every table: rename it"
                )
            if column.table == "state":
                continue  # no table has it, and the state has a table for each stage
            other = owners.setdefault((_table(grain, column), name.lower()), one.name)
            if other != one.name:
                raise SpecError(f"stages {other} and {one.name} both write {name}: give one a key")


def check_json(placed: Iterable[Placed]) -> None:
    """Raises SpecError for a path in the documented JSON that is taken, or lies inside of another's value."""
    owners: dict[tuple[str, ...], str] = {}
    for one in placed:
        for column in one.stage.writes:
            if not column.json or "{" in column.json:  # a template names the stage's own parameters
                continue
            prefix = () if one.name == one.stage.name else (one.name,)
            path = (one.stage.grain, *prefix, *column.json.split("."))
            inside = [other for other in owners if other[: len(path)] == path or path[: len(other)] == other]
            if path[1] in RESERVED_JSON[one.stage.grain] or inside:
                owner = owners[inside[0]] if inside else "every clip"
                raise SpecError(
                    f"stage {one.name} writes {column.name} to {'.'.join(path[1:])} of the JSON, which is "
                    f"taken by {owner}: take another path"
                )
            owners[path] = one.name


def _table(grain: str, column: Column) -> str:
    return grain if column.table == "own_grain" else column.table


def check_rules(node: Node) -> None:
    """Raises SpecError for a rule over an unknown column, one of another type, or that nothing can pass."""
    for rule in node.rules:
        found = node.ruled_column(rule)
        if found is None:
            raise SpecError(
                f"stage {node.key} has a rule over {rule.column}, which it neither writes nor reads"
            )
        if not found.column.can_be_bounded:
            raise SpecError(
                f"stage {node.key} has a rule over {found.column.name} of type {found.column.type}: "
                "make it float64, int64, bool or string"
            )
        if refusal := rule.refusal(found.column):
            raise SpecError(f"stage {node.key}: nothing can pass its rule over {rule.column}: {refusal}")
