"""``clipmill spec``: a spec to begin with, a check of one, and what a run would do."""

from typing import Annotated

import typer
import yaml
from pydantic_core import to_jsonable_python

from clipmill.cli.options import Set, Spec, spec_of_options
from clipmill.planning.describe import reads_in_words
from clipmill.planning.environment import environments_of
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec

app = typer.Typer()
_ANY = "any"


@app.command()
def template() -> None:
    """Print a spec that holds every parameter with its default."""
    print(_as_yaml(CurateSpec()), end="")


@app.command()
def check(spec: Annotated[str, typer.Argument(help="inline JSON, or a YAML or JSON file")]) -> None:
    """Say whether a spec can run; the first fault is named in one line."""
    loaded = spec_of_options(spec, [])
    plan = plan_of_spec(loaded.decided(), source=_ANY, output=_ANY)
    environments = ", then ".join(environments_of(plan))
    print(f"{spec} is a spec of {len(plan.nodes) + 1} stages, for the environment {environments}")


@app.command()
def show(spec: Spec = "", sets: Set = None) -> None:
    """Print the whole spec that a run would have, and its stages in run order."""
    loaded = spec_of_options(spec, sets or [])
    print(_as_yaml(loaded), end="")
    plan = plan_of_spec(loaded.decided(), source=_ANY, output=_ANY)
    print("# stages, in run order:")
    for node in (plan.extractor, *plan.nodes):
        reads = ", ".join(reads_in_words(node.reads)).replace("`", "")
        print(f"#   {node.key}" + (f" reads {reads}" if reads else ""))


def _as_yaml(spec: CurateSpec) -> str:
    return yaml.safe_dump(to_jsonable_python(spec), sort_keys=False, allow_unicode=True, width=100)
