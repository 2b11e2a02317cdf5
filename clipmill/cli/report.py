"""``clipmill report``: what an output holds, in a few lines and as a page."""

import json
import webbrowser
from typing import Annotated

import typer
from pydantic import TypeAdapter

from clipmill import layout
from clipmill.dataset.funnel import Funnel
from clipmill.errors import SourceError
from clipmill.storage import store

app = typer.Typer()


@app.command()
def report(
    output: Annotated[str, typer.Argument(help="folder or URI that was curated")],
    *,
    shows: Annotated[bool, typer.Option("--open", help="open the page in a browser")] = False,
) -> None:
    """Say what an output holds and where its report is."""
    root = store.normalise(output)
    uri = layout.manifest_path(root)
    if not store.exists(uri):
        raise SourceError(f"{output} holds no manifest.json: nothing was published there")
    funnel = TypeAdapter(Funnel).validate_python(json.loads(store.read_bytes(uri))["funnel"])
    print("\n".join(funnel.lines()))
    print(f"report: {layout.report_path(root)}")
    if shows and store.is_local(root):
        webbrowser.open(f"file://{layout.report_path(root)}")
