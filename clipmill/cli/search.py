"""``clipmill search``: the clips of an output that show what a text says, or that are like one of them."""

from pathlib import PurePosixPath
from typing import Annotated

import typer

from clipmill.cli.options import Output
from clipmill.errors import SpecError
from clipmill.models.embedding.open import open_embedder
from clipmill.search.text import embedding_of, find_clips, find_like


def search(
    output: Output,
    text: Annotated[str, typer.Argument(help="what the clips should show; needs a learned embedding")] = "",
    like: Annotated[
        str, typer.Option(help="id or file of a clip: those most like it, by any embedding")
    ] = "",
    num_hits: Annotated[int, typer.Option(min=1, help="how many clips to name")] = 20,
    model_dir: Annotated[str, typer.Option(help="folder or URI of the weights, if they were moved")] = "",
    allow_remote_code: Annotated[
        list[str] | None, typer.Option(help="model whose own code may run; repeatable")
    ] = None,
) -> None:
    """Rank the kept clips of an output by how well they fit a text or a clip, best first."""
    if bool(text) == bool(like):
        raise SpecError("search needs a text, or the id or file of a clip by --like")
    if like:
        hits = find_like(output, PurePosixPath(like).stem, num_hits=num_hits)  # files are named by ids
    else:
        options = embedding_of(output, model_dir=model_dir, allow_remote_code=allow_remote_code or ())
        hits = find_clips(output, text, open_embedder(options), num_hits=num_hits)
    for hit in hits:
        place = f"{hit.source_uri} {hit.start_s:.1f} to {hit.end_s:.1f} s"
        print(f"{hit.similarity:.3f}  {hit.clip_uri or hit.clip_id}  {place}")
