"""``clipmill search``: the clips of an output that show what a text says."""

from typing import Annotated

import typer

from clipmill.models.embedding.open import open_embedder
from clipmill.search.text import embedding_of, find_clips


def search(
    output: Annotated[str, typer.Argument(help="folder or URI that was curated with a learned embedding")],
    text: Annotated[str, typer.Argument(help="what the clips should show")],
    num_hits: Annotated[int, typer.Option(min=1, help="how many clips to name")] = 20,
    model_dir: Annotated[str, typer.Option(help="folder or URI of the weights, if they were moved")] = "",
    allow_remote_code: Annotated[
        list[str] | None, typer.Option(help="model whose own code may run; repeatable")
    ] = None,
) -> None:
    """Rank the kept clips of an output by how well they fit a text, best first."""
    options = embedding_of(output, model_dir=model_dir, allow_remote_code=allow_remote_code or ())
    for hit in find_clips(output, text, open_embedder(options), num_hits=num_hits):
        place = f"{hit.source_uri} {hit.start_s:.1f} to {hit.end_s:.1f} s"
        print(f"{hit.similarity:.3f}  {hit.clip_uri or hit.clip_id}  {place}")
