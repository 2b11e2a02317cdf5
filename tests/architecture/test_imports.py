"""The rules of the house that no linter of lines sees: who may import whom, and what a room may hold."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


ROOT = Path(__file__).parents[2]
ROOMS = ("workflows", "tasks", "images", "deployment", "footage", "clipmill")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
MAX_LINES = 400
MAX_TASK_STATEMENTS = 10
NAMES_OF_NOTHING = {"utils", "util", "helpers", "common", "core", "misc"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def imports(path: Path) -> set[str]:
    """The first names of what a module imports anywhere, also within functions."""
    found = set[str]()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def decorated(room: str, decorators: set[str]) -> Iterator[ast.FunctionDef]:
    for path in sorted((ROOT / room).glob("*.py")):
        for node in parsed(path).body:
            if isinstance(node, ast.FunctionDef) and decorators & set(map(_name, node.decorator_list)):
                yield node


def _name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.id if isinstance(called, ast.Name) else ""


TASKS = list(decorated("tasks", {"task", "dynamic"}))
WORKFLOWS = list(decorated("workflows", {"workflow"}))


def names(functions: list[ast.FunctionDef]) -> list[str]:
    return [function.name for function in functions]


def test_imports_go_one_way() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "library", ["flytekit", "flytekitplugins", "flyteidl", "workflows", "tasks", "images"]
)
def test_the_library_has_never_heard_of_flyte(library: str) -> None:
    assert [path for path in (ROOT / "clipmill").rglob("*.py") if library in imports(path)] == []


def test_only_the_engine_knows_ray() -> None:
    rooms = {str(path.parent.relative_to(ROOT)) for path in MODULES if "ray" in imports(path)}
    assert rooms == {"clipmill/engine"}


def test_built_in_stages_are_imported_by_registry_spec_and_view_only() -> None:
    """The view is that of the documented data model; stages import each other."""
    may = ("clipmill/stages/video/", "clipmill/tasks/", "clipmill/planning/registry.py", "clipmill/specs.py")
    for path in MODULES:
        name = str(path.relative_to(ROOT))
        if name.startswith("clipmill/") and not name.startswith(may):
            nodes = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.ImportFrom)]
            found = [node.module for node in nodes if (node.module or "").startswith("clipmill.stages.video")]
            assert found == [], name


def test_an_inline_run_does_not_wait_for_imports() -> None:
    """They take long to import, and a pipeline in Python over local files needs none."""
    libraries = {"flytekit", "ray", "botocore", "aiohttp", "pandas", "scipy"}
    code = f"import sys, clipmill.pipeline; sys.exit(str({libraries} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


def test_flyte_finds_the_root() -> None:
    """The root is the first folder without ``__init__.py``, from there modules have their names."""
    assert not (ROOT / "__init__.py").exists()
    assert [room for room in ROOMS if not (ROOT / room / "__init__.py").exists()] == []


def test_tasks_and_workflows_are_found() -> None:
    assert (len(TASKS), sorted(names(WORKFLOWS))) == (
        37,
        [
            "accept",
            "compact_state",
            "curate",
            "curate_nightly",
            "dedup",
            "export",
            "fetch",
            "find_all_duplicates",
            "search",
        ],
    )


@pytest.mark.parametrize("task", TASKS, ids=names(TASKS))
def test_a_task_is_one_call_into_the_library(task: ast.FunctionDef) -> None:
    statements = [node for node in ast.walk(task) if isinstance(node, ast.stmt)][2:]  # itself, its docstring
    assert len(statements) <= MAX_TASK_STATEMENTS


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=names(WORKFLOWS))
def test_a_workflow_only_composes(workflow: ast.FunctionDef) -> None:
    forbidden = (ast.If, ast.IfExp, ast.For, ast.While, ast.With, ast.Try, ast.BinOp, ast.Compare, ast.Lambda)
    assert [node for node in ast.walk(workflow) if isinstance(node, forbidden)] == []


@pytest.mark.parametrize("task", TASKS, ids=names(TASKS))
def test_a_task_names_image_and_hardware(task: ast.FunctionDef) -> None:
    (decorator,) = task.decorator_list
    assert isinstance(decorator, ast.Call)
    given = {one.arg for one in decorator.keywords}
    assert {"container_image", None} <= given  # None: **HARDWARE
    is_cached = task.name in ("inspect", "fit_clusters", "assign_clusters", "find_duplicates")
    assert ("cache" in given) == is_cached


def test_no_module_is_named_after_nothing() -> None:
    assert [path for path in MODULES if path.stem in NAMES_OF_NOTHING] == []


def test_no_module_outgrows_its_reader() -> None:
    assert [path for path in MODULES if len(path.read_text().splitlines()) > MAX_LINES] == []
