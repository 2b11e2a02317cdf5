"""Writes docs/spec.md: ``python docs/write_spec.py``.

Types and defaults come from the models, meanings from parameters.yaml; a parameter without a meaning is an
error. tests/test_docs.py fails when the page is not what this would write.
"""

import json
from pathlib import Path
from typing import TypedDict, cast

import yaml
from pydantic_core import to_jsonable_python

from clipmill import specs
from clipmill.stages.base import Spec
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.clipping.video_frame_extraction import VideoFrameExtractionStage
from clipmill.stages.video.filtering.question_filter import QuestionFilterStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader

DOCS = Path(__file__).parent
PYTHON_ONLY: dict[str, type[Spec]] = {
    kind.__name__: kind
    for kind in (
        VideoReader, VideoFrameExtractionStage, CaptionGenerationStage, CaptionEnhancementStage,
        QuestionFilterStage, ClipWriterStage,
    )
}  # fmt: skip
EVERYWHERE = "verbose"

HEAD = """# The spec

<!-- Written by docs/write_spec.py from the models and docs/parameters.yaml: change those. -->

A spec says what a run does. It is inline JSON, or a YAML or JSON file:

```sh
.venv/bin/python -m workflows.curate --source films --output curated --spec examples/demo.yaml
.venv/bin/python -m workflows.curate --source films --output few --spec '{"video_limit": 1}'
```

Without a spec every parameter has the default below. An unknown key and an impossible value end the
command before any work starts, with one line that names the field and the cause. In Python the same groups
are the stages of a `Pipeline` ([python.md](python.md)); the class is named with each group.

- **`verbose`**, on every stage: sets the stage's logger, `clipmill.stages.<name>`, to DEBUG, and nothing
  else.
- **CPU cores** (`num_cpus_per_worker`, `num_cpus`), the documents' parameters: a value above the machine is
  accepted and clamped, with one log line. Decoding and encoding run one codec process per worker, and the
  number of workers follows the machine; so values of 1 and more change nothing, and a small one lets a
  worker reserve less of a core.
"""


class Part(TypedDict):
    """One group of parameters."""

    key: str
    model: str
    text: str
    fields: dict[str, str]


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(part) for part in parts())])


def parts() -> list[Part]:
    """The groups, in the order of the page."""
    return cast("list[Part]", yaml.safe_load((DOCS / "parameters.yaml").read_text()))


def model_of(part: Part) -> type[Spec]:
    """The model whose fields a group describes."""
    return PYTHON_ONLY.get(part["model"]) or cast("type[Spec]", getattr(specs, part["model"]))


def fields_of(part: Part) -> list[str]:
    """Parameters that the group has to describe: not ``verbose``, and not groups of their own."""
    described = {other["model"] for other in parts()}
    return [
        name
        for name, field in model_of(part).model_fields.items()
        if (name != EVERYWHERE or part["model"] == "CurateSpec")
        and not any(model in str(field.annotation) for model in described)
    ]


def _section(part: Part) -> str:
    properties = model_of(part).model_json_schema()["properties"]
    rows = [_row(name, properties[name], part) for name in fields_of(part)]
    head = ["| parameter | values | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {_title(part)}", "", part["text"], "", *head, *rows, ""])


def _title(part: Part) -> str:
    return f"`{part['model']}`, in Python only" if part["key"].startswith("(P") else _titled(part)


def _titled(part: Part) -> str:
    return "Top level" if part["key"].startswith("(") else f"`{part['key']}`: `{part['model']}`"


def _row(name: str, schema: dict[str, object], part: Part) -> str:
    cells = (f"`{name}`", _values(schema), _default(name, model_of(part)), part["fields"][name])
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(name: str, model: type[Spec]) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    return f"`{json.dumps(to_jsonable_python(field.get_default(call_default_factory=True)))}`"


def _values(schema: dict[str, object]) -> str:
    """A JSON schema in words."""
    if "anyOf" in schema:
        return " or ".join(_values(choice) for choice in cast("list[dict[str, object]]", schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in cast("list[object]", schema["enum"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return "bounds" if str(schema["$ref"]).endswith("Bounds") else "names"
    if schema.get("type") == "array":
        items = cast("dict[str, object]", schema.get("items") or {})
        return f"list of {_values(items)}" if items else "pair"
    return f"{schema.get('type', 'any')}{_range(schema)}".replace("null", "`null`")


def _range(schema: dict[str, object]) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = [f"{sign} {_plain(schema[key])}" for key, sign in signs.items() if key in schema]
    return f" {', '.join(bounds)}" if bounds else ""


def _plain(number: object) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


if __name__ == "__main__":
    (DOCS / "spec.md").write_text(page())
