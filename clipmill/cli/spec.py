"""``clipmill spec``: a spec to begin with, a check of one, and what a run would do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic_core import to_jsonable_python

import clipmill
from clipmill.cli.options import Set, Spec, spec_of_options
from clipmill.errors import SpecError
from clipmill.planning.describe import reads_in_words
from clipmill.planning.environment import environments_of
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.stages.fault_words import nearest

app = typer.Typer(add_completion=False)
_ANY = "any"


@app.command()
def template(
    name: Annotated[str, typer.Argument(help="a spec for a purpose; empty: every parameter")] = "",
    names: Annotated[bool, typer.Option("--list", help="list the names")] = False,
    output: Annotated[str, typer.Option(help="file to write to, in place of the screen")] = "",
) -> None:
    """Print a spec to begin with: every parameter with its default, or one that is made for a purpose."""
    if names:
        print("\n".join(f"{path.stem:<22}{_purpose(path)}" for path in _examples()))
        return
    text = _example(name) if name else _as_yaml(CurateSpec())
    if not output:
        print(text, end="")
        return
    try:
        with open(output, "x") as file:
            file.write(text)
    except FileExistsError as error:
        raise SpecError(f"{output} exists: name another file") from error


@app.command()
def check(spec: Annotated[str, typer.Argument(help="inline JSON, or a YAML or JSON file")]) -> None:
    """Say whether a spec can run; the first fault is named in one line."""
    loaded = spec_of_options(spec, [])
    plan = plan_of_spec(loaded.decided(), source=_ANY, output=_ANY)
    environments = ", then ".join(environments_of(plan))
    name = spec or "the default"
    print(f"{name} is a spec of {len(plan.nodes) + 1} stages, for the environment {environments}")


@app.command()
def show(spec: Spec = "", sets: Set = None) -> None:
    """Print the whole spec that a run would have, and its stages in run order."""
    loaded = spec_of_options(spec, sets or [])
    plan = plan_of_spec(loaded.decided(), source=_ANY, output=_ANY)
    print(_as_yaml(loaded), end="")
    print("# stages, in run order:")
    for node in (plan.extractor, *plan.nodes):
        reads = ", ".join(reads_in_words(node.reads)).replace("`", "")
        print(f"#   {node.key}" + (f" reads {reads}" if reads else ""))


def _examples() -> Sequence[Path]:
    """The files of examples/: within the wheel, else beside the package."""
    package = Path(clipmill.__file__).parent
    folder = next(one for one in (package / "examples", package.parent / "examples") if one.is_dir())
    return sorted(folder.glob("*.yaml"))


def _example(name: str) -> str:
    found = {path.stem: path for path in _examples()}
    if name not in found:
        known = nearest(name, found) or f"; there are {', '.join(found)}"
        raise SpecError(f"there is no template {name}{known}")
    return found[name].read_text()


def _purpose(path: Path) -> str:
    """The comment that the file begins with."""
    return path.read_text().partition("\n")[0].removeprefix("# ")


def _as_yaml(spec: CurateSpec) -> str:
    return yaml.safe_dump(to_jsonable_python(spec), sort_keys=False, allow_unicode=True, width=100)
