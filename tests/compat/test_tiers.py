"""The table of NeMo Curator's names says the truth: what is tier 1 is there and has a test that names it."""

import ast
import inspect
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from clipmill.stages.base import Stage
from tests.compat import tiers
from tests.compat.test_data_model import FILLED
from tests.compat.tiers import Entry
from tests.support.runs.curation import ROOT

DOCS = ROOT / "docs" / "from-nemo-curator.md"


def ids(entry: Entry) -> str:
    return str(entry)


def thing(entry: Entry) -> Any:  # noqa: ANN401 - any name of any module
    module = import_module(f"clipmill.{entry.module}")
    return getattr(module, "Window" if entry.name == "_Window" else entry.name)


@cache
def sources_of(path: Path) -> dict[str, str]:
    """Returns name -> source of the tests of a file, each with all that stands outside of tests."""
    source = path.read_text()
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    found = {node.name: ast.get_source_segment(source, node) or "" for node in nodes}
    tests = {name: text for name, text in found.items() if name.startswith("test")}
    shared = source
    for text in tests.values():
        shared = shared.replace(text, "")
    return {name: f"{shared}\n{text}" for name, text in tests.items()}


@pytest.mark.parametrize("entry", [*tiers.entries()], ids=ids)
def test_a_name_is_there_unless_it_is_absent(entry: Entry) -> None:
    if entry.tier == 3 and not entry.part:
        with pytest.raises((ImportError, AttributeError)):
            thing(entry)
        return
    found = thing(entry)
    if entry.part.endswith("()"):
        assert hasattr(found, entry.part.removesuffix("()")) == (entry.tier < 3)
    elif entry.part:
        check_parameter(found, entry)


def check_parameter(found: Any, entry: Entry) -> None:  # noqa: ANN401 - any class
    """A stage's field, a data class's, or a parameter of a function: taken, with the default it has there."""
    is_stage = isinstance(found, type) and issubclass(found, Stage)
    defaults = fields_of(found) if is_stage else parameters_of(found)
    takes_any = "others" in defaults or (is_stage and entry.part == "name")
    if entry.tier == 3:
        assert entry.part not in defaults
        return
    assert entry.part in defaults or takes_any
    if entry.part in defaults and not entry.differs:
        found_default = as_plain(defaults[entry.part])
        made = entry.default in ({}, []) or str(entry.default).endswith("()")
        assert found_default == ("made" if made and found_default == "made" else entry.default)


def fields_of(stage: type[Stage]) -> dict[str, object]:
    return {
        name: tiers.REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
        for name, field in stage.model_fields.items()
    }


def parameters_of(found: object) -> dict[str, object]:
    parameters = inspect.signature(found).parameters  # pyright: ignore[reportArgumentType] a class or function
    return {
        name: tiers.REQUIRED if one.default is one.empty else one.default for name, one in parameters.items()
    }


def as_plain(value: object) -> object:
    """A default as the table has it: lists for tuples, members by value, factories by what they make."""
    if type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
        return "made"
    if isinstance(value, list | tuple):
        return [as_plain(one) for one in value]
    return getattr(value, "value", value)


@pytest.mark.parametrize("entry", [one for one in tiers.entries() if one.tier == 1], ids=ids)
def test_what_works_has_a_test_that_names_it(entry: Entry) -> None:
    path, _, name = entry.proof.partition("::")
    name, _, case = name.partition("[")
    source = sources_of(ROOT / "tests" / path).get(name)
    assert source is not None, f"there is no {entry.proof}"
    if case:  # one of the cases of a test that looks at every field
        assert case.removesuffix("]") in FILLED
        return
    word = entry.part.removesuffix("()") or ("Window" if entry.name == "_Window" else entry.name)
    assert re.search(rf"\b{word}\b", source), f"{entry.proof} does not name {word}"


def test_the_page_has_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{tiers.summary()}")
    assert tiers.summary() in DOCS.read_text()
