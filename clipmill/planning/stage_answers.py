"""What stages say of themselves to the planner; a fault of their code is one line with stage and method."""

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError

from clipmill.errors import ClipmillError, SpecError, foreign, said_by
from clipmill.planning.nodes import Placed
from clipmill.stages.base import ModelRef, Reads, Resources, Rule

T = TypeVar("T")

_LISTS = {"rules": Rule, "models": ModelRef, "asked": str}
"""Method -> what each value of its answer must be."""


def check_answers(placed: Iterable[Placed]) -> None:
    """Asks each stage once for everything that the planner and the engine read of it.

    The methods are pure: what they answer here, they answer in a run. SpecError names stage and method.
    """
    for one in placed:
        ask(one, "reads", Reads)
        ask(one, "resources", Resources)
        for method, kind in _LISTS.items():
            ask_each(one, method, kind)


def ask(one: Placed, method: str, kind: type[T], *given: object) -> T:
    """Returns what a method of a stage answers. SpecError where it fails or answers something else."""
    answer = _called(one, method, *given)
    if not isinstance(answer, kind):
        raise SpecError(
            f"stage {one.name}: {method}() returned {type(answer).__name__}: let it return {kind.__name__}"
        )
    return answer


def ask_each(one: Placed, method: str, kind: type[T]) -> tuple[T, ...]:
    """Returns what a method of a stage lists. SpecError as ``ask``."""
    answer = _called(one, method)
    values: tuple[object, ...] = tuple(answer) if isinstance(answer, tuple | list) else (answer,)
    found = tuple(value for value in values if isinstance(value, kind))
    if len(found) < len(values) or not isinstance(answer, tuple | list):
        given = " and ".join(sorted({type(value).__name__ for value in values}))
        raise SpecError(
            f"stage {one.name}: {method}() returned {given}: let it return a tuple of {kind.__name__}"
        )
    return found


def _called(one: Placed, method: str, *given: object) -> Any:  # noqa: ANN401 - anything, until it is checked
    try:
        return getattr(one.stage, method)(*given)
    except ClipmillError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SpecError(f"stage {one.name}: {method}(): {where}: {first['msg']}") from error
    except ValueError as error:
        raise SpecError(f"stage {one.name}: {said_by(error).partition(': ')[2]}") from error
    except foreign() as error:
        raise SpecError(f"stage {one.name}: {method}() raised {said_by(error)}") from error
