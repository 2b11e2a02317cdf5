"""``clipmill stages``: the stages that a spec may name, and what one of them takes and makes."""

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from clipmill.planning.describe import Described, describe, describe_all


def stages(
    name: Annotated[str, typer.Argument(help="a built-in stage, or package.module:Class")] = "",
) -> None:
    """List the stages, or show parameters, columns and reads of one."""
    console = Console(highlight=False)
    if name:
        _show(describe(name), console)
        return
    for stage in describe_all():
        console.print(f"[bold]{stage.cls}[/bold] ({stage.name}, {stage.grain})")
        console.print(Padding(plain(stage.summary), (0, 0, 0, 4)), markup=False)


def _show(stage: Described, console: Console) -> None:
    console.print(f"[bold]{stage.cls}[/bold], stage {stage.name}, version {stage.version}")
    console.print(plain(stage.summary), markup=False)
    console.print(f"\nIn a spec: {{use: {stage.use}}}", markup=False)
    if stage.reads:
        console.print(plain(f"Reads {', '.join(stage.reads)}."), markup=False)
    if stage.environment:
        console.print(f"Runs in the environment {stage.environment}.", markup=False)
    if stage.parameters:
        table = Table("parameter", "values", "default", "changes", box=box.SIMPLE)
        for one in stage.parameters:
            table.add_row(one.name, plain(one.values), one.default, plain(one.changes))
        console.print(table)
    if stage.columns:
        table = Table("column", "type", "meaning", box=box.SIMPLE)
        for column in stage.columns:
            table.add_row(column.name, str(column.type), plain(column.doc))
        console.print(table)


def plain(text: str) -> str:
    """Returns a text of a page without its backticks."""
    return text.replace("`", "")
