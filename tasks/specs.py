"""Specs as inputs of tasks: Flyte shows what was set, and a schema that fits on a screen.

Flyte prints an input's schema and its default in every help text, and keeps both with every task. The whole
schema of a spec fills 1,700 lines.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, Self

from flytekit.core.type_engine import TypeEngine, TypeTransformer
from flytekit.extras.pydantic_transformer.transformer import PydanticTransformer
from pydantic import BaseModel, ValidationError

from clipmill.errors import SpecError
from clipmill.export.spec import ExportSpec
from clipmill.spec_file import spec_of_fields
from clipmill.specs import CurateSpec, DedupSpec
from clipmill.stages.fault_words import faults_in_words


class _Input(BaseModel):
    """A model that travels as what was set of it."""

    page: ClassVar[str]
    refusal: ClassVar[Callable[[str], Exception]] = SpecError
    """What is raised for a wrong spec, from its message; a command line puts its own kind of error here."""

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """Returns a schema that names a page. A title would make Flyte read the parameters as none."""
        return {"type": "object", "description": cls.page}

    def model_dump_json(self, **options: Any) -> str:
        """Returns the parameters that were set: the others keep the defaults of the code that reads them."""
        options.setdefault("exclude_unset", True)
        return super().model_dump_json(**options)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Reads a spec as Flyte passes it; one line names the field and the cause of a fault."""
        try:
            found = super().model_validate_json(json_data, **options)
            found.check()
        except ValidationError as error:
            raise _Input.refusal(faults_in_words(error, cls)) from None
        except SpecError as error:
            raise _Input.refusal(str(error)) from None
        return found

    def check(self) -> None:
        """SpecError for what validation does not find."""


class _InputTransformer(PydanticTransformer):
    """Flytekit's own for models, but the type of a spec is made once, not 0.05 s long for every task."""

    def __init__(self) -> None:
        TypeTransformer.__init__(self, "Spec", _Input, enable_type_assertions=False)

    get_literal_type = cache(PydanticTransformer.get_literal_type)


TypeEngine.register(_InputTransformer())


class Curation(_Input, CurateSpec):
    """``CurateSpec`` as an input."""

    page = "parameters: docs/spec.md"

    def check(self) -> None:
        """SpecError for a field that follows from other stages."""
        spec_of_fields(self.model_dump(exclude_unset=True), "the spec")

    @classmethod
    def of(cls, spec: CurateSpec) -> "Curation":
        """Returns a spec as an input."""
        return cls(**{name: getattr(spec, name) for name in spec.model_fields_set})


class Deduplication(_Input, DedupSpec):
    """``DedupSpec`` as an input."""

    page = "parameters: docs/deduplication.md"

    @classmethod
    def of(cls, spec: DedupSpec | None) -> "Deduplication":
        """Returns a spec as an input; the default for None."""
        return cls(**{name: getattr(spec, name) for name in spec.model_fields_set}) if spec else cls()


class Exporting(_Input, ExportSpec):
    """``ExportSpec`` as an input."""

    page = "parameters: docs/export.md"


def is_input(kind: object) -> bool:
    """Returns True for the type of a spec as an input."""
    return isinstance(kind, type) and issubclass(kind, _Input)


def refuse_by(refusal: Callable[[str], Exception]) -> None:
    """Makes a wrong spec raise what ``refusal`` makes of its message."""
    _Input.refusal = staticmethod(refusal)
