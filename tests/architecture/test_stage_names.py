"""A stage is one class in one file: nothing generic names a stage, a column of it, or its class."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipmill.base_columns import CLIP_FATE, CLIP_PLACE, DUPLICATES, WINDOW_PLACE
from clipmill.dataset.schemas import REJECTIONS, SHOTS, TABLES, VIDEOS
from clipmill.planning.registry import BUILT_IN
from clipmill.stages.base import Stage
from clipmill.stages.columns import ROLES
from clipmill.state.schema import OUTCOME

LIBRARY = Path(__file__).parents[2] / "clipmill"
GENERIC = (
    "curation", "pipeline.py", "testing.py", "dataset", "engine", "intake", "planning", "report", "state",
)  # fmt: skip
"""What reads the classes instead: planner, engine, state, tables, JSON, report."""

MAY_NAME = {
    "planning/registry.py": "the one line for each stage",
    "dataset/exports/video_json.py": "the documented JSON of videos and chunks, a view for readers",
    "dataset/exports/kept_clips.py": "the documented list of kept clips",
}

WORDS = {
    *(name for schema in (CLIP_FATE, CLIP_PLACE, DUPLICATES, WINDOW_PLACE) for name in schema.names),
    *(name for schema in (REJECTIONS, SHOTS, VIDEOS, OUTCOME) for name in schema.names),
    *TABLES,
    *ROLES,
    "embedding", "sketch",  # columns of the documented embedding files
    "frames", "thumbnails", "motion",  # kinds of reads
    "framerate", "height", "revision", "width",  # properties of videos and models
}  # fmt: skip
"""Names of base columns, roles and kinds of reads, which some stages' own names equal."""


def classes() -> list[type[Stage]]:
    uses = (use.partition(":") for use in BUILT_IN)
    return [getattr(importlib.import_module(module), name) for module, _, name in uses]


NAMES = {name for cls in classes() for name in (cls.name, *(column.name for column in cls.writes))} - WORDS


def modules() -> list[Path]:
    paths = (LIBRARY / name for name in GENERIC)
    found = [path for one in paths for path in (one.rglob("*.py") if one.is_dir() else (one,))]
    return sorted(path for path in found if str(path.relative_to(LIBRARY)) not in MAY_NAME)


def names_in(tree: ast.AST) -> Iterator[str]:
    """Yields strings and attributes equal to a stage's name or column, and imports of stages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES:
            yield f"line {node.lineno}: {node.value!r}"
        if isinstance(node, ast.Attribute) and node.attr in NAMES and _is_part(node.value):
            yield f"line {node.lineno}: .{node.attr}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clipmill.stages.video"):
            yield f"line {node.lineno}: {node.module}"


def _is_part(value: ast.expr) -> bool:
    """Whether an attribute is of a plan, a row or a spec."""
    return isinstance(value, ast.Name) and value.id in {"plan", "row", "spec", "clip"}


def test_there_are_names_to_look_for() -> None:
    assert {"quality", "aesthetic", "sharpness", "motion_global_mean", "clip_uri", "preview_uri"} <= NAMES


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_nothing_generic_names_a_stage(path: Path) -> None:
    assert list(names_in(ast.parse(path.read_text()))) == []
