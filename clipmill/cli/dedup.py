"""``clipmill dedup``: duplicates among embeddings that lie in a folder."""

from typing import Annotated

import typer

from clipmill.cli.options import Set, Spec, spec_of_options
from clipmill.curation import DedupInput, find_duplicates
from clipmill.dataset.publish import read_duplicates
from clipmill.errors import SpecError

app = typer.Typer()


@app.command()
def dedup(
    embeddings: Annotated[
        str, typer.Argument(help="folder or URI of parquet files with columns id and embedding")
    ],
    output: Annotated[str, typer.Argument(help="folder or URI under which dedup/ is written")],
    spec: Spec = "",
    sets: Set = None,
    algorithm: Annotated[
        str, typer.Option(help="what made them: names the threshold without dedup.eps; empty: as in the spec")
    ] = "",
    columns: Annotated[str, typer.Option(help="table of clips to rank by, for dedup.rank_columns")] = "",
) -> None:
    """Find duplicates among embeddings; parameters are those of dedup in a spec."""
    given = spec_of_options(spec, sets or [])
    if given.dedup is None:
        raise SpecError("dedup: null in the spec turns deduplication off: leave it out")
    made_by = algorithm or (given.embedding.algorithm if given.embedding else "")
    uri = find_duplicates(DedupInput(embeddings, columns, made_by), output, given.dedup)
    print(f"{len(read_duplicates(uri))} duplicates: {uri}")
