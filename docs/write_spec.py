"""Writes docs/spec.md: ``python docs/write_spec.py``.

Types, defaults and marks come from the classes of stages, with what each reads and writes; meanings of
parameters come from parameters.yaml. A built-in stage that is not in parameters.yaml, and a parameter without
a meaning, are errors. tests/architecture/test_docs.py fails when the page is not what this would write.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

import yaml
from pydantic import BaseModel
from stage_facts import facts_of

from clipmill import specs
from clipmill.planning.describe import Parameter, parameters_in_words
from clipmill.planning.registry import BUILT_IN, stage_class
from clipmill.stages.base import BOUND, Stage, marks_of
from clipmill.stages.roles import ReaderStage, WriterStage

DOCS = Path(__file__).parent
EVERYWHERE = "verbose"

HEAD = """# Every parameter of a spec

<!-- Written by docs/write_spec.py from the stages' classes and docs/parameters.yaml: change those. -->

A spec says what a run does. It is inline JSON, or a YAML or JSON file:

```sh
clipmill curate films curated --spec spec.yaml
clipmill curate films few --spec '{"video_limit": 1}'
```

Without a spec every parameter has the default below. An unknown key and an impossible value end the
command before any work starts, with one line that names the field and the cause. In Python the same groups
are the stages of a `Pipeline` ([python.md](python.md)); the class is named with each group. A stage that is
in Python only can be added to a spec by `stages`, too.

- **`verbose`**, on every stage: sets the stage's logger, `clipmill.stages.<name>`, to DEBUG, and nothing
  else.
- **CPU cores** (`num_cpus_per_worker`, `num_cpus`), NeMo Curator's parameters: a value above the machine is
  accepted and clamped, with one log line. Decoding and encoding run one codec process per worker, and the
  number of workers follows the machine; so values of 1 and more change nothing, and a small one lets a
  worker reserve less of a core.
- **What a changed parameter does** is the column "changes": *results* are computed again, and what reads
  them; *verdict* decides anew which clips are kept, by results that are there; *speed* changes no result.
  *Results of* a trait are those of videos that have it ([traits](identity.md#state)).
"""


class Part(TypedDict):
    """One group of parameters."""

    key: str
    model: str
    text: str
    fields: dict[str, str]


def page() -> str:
    """Returns the whole page."""
    return "\n".join([HEAD, *(_section(part) for part in parts())])


@cache
def parts() -> tuple[Part, ...]:
    """Returns the groups, in the order of the page."""
    return tuple(cast("list[Part]", yaml.safe_load((DOCS / "parameters.yaml").read_text())))


def stages() -> dict[str, type[Stage]]:
    """Returns class name -> class of the built-in stages."""
    return {kind.__name__: kind for kind in (cast("type[Stage]", stage_class(path)) for path in BUILT_IN)}


def model_of(part: Part) -> type[BaseModel]:
    """Returns the class whose fields a group describes."""
    return stages().get(part["model"]) or cast("type[BaseModel]", getattr(specs, part["model"]))


def fields_of(part: Part) -> list[str]:
    """Returns the parameters that a group has to describe: those a user may set that are no group."""
    described = {other["model"] for other in parts()}
    return [
        name
        for name, field in model_of(part).model_fields.items()
        if (name != EVERYWHERE or part["model"] == "CurateSpec")
        and BOUND not in marks_of(field)
        and not any(model in str(field.annotation) for model in described)
    ]


def _ordered(part: Part) -> list[str]:
    """In the order of parameters.yaml: fields that a stage shares with others come first in its class."""
    return sorted(fields_of(part), key=list(part["fields"]).index)


def _section(part: Part) -> str:
    lines = [f"## {_title(part)}", "", part["text"], "", *_parameters(part)]
    if kind := stages().get(part["model"]):
        lines += [*facts_of(kind), ""]
    return "\n".join(lines)


def _parameters(part: Part) -> Iterator[str]:
    if not fields_of(part):
        return
    head = ["parameter", "values", "default", *(["changes"] if _has_marks(part) else []), "meaning"]
    yield _joined(head)
    yield "|" + "---|" * len(head)
    yield from (_row(one, part) for one in parameters_in_words(model_of(part), _ordered(part)))
    yield ""


def _has_marks(part: Part) -> bool:
    """True for stages whose results are kept: a reader and a writer have none."""
    kind = stages().get(part["model"])
    return kind is not None and not issubclass(kind, ReaderStage | WriterStage)


def _joined(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _title(part: Part) -> str:
    return f"`{part['model']}`, in Python only" if part["key"].startswith("(P") else _titled(part)


def _titled(part: Part) -> str:
    return "Top level" if part["key"].startswith("(") else f"`{part['key']}`: `{part['model']}`"


def _row(one: Parameter, part: Part) -> str:
    changes = [one.changes] if _has_marks(part) else []
    default = f"`{one.default}`" if one.default else "required"
    return _joined([f"`{one.name}`", one.values, default, *changes, part["fields"][one.name]])


if __name__ == "__main__":
    (DOCS / "spec.md").write_text(page())
