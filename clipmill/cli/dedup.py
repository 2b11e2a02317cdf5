"""``clipmill dedup``: duplicates among embeddings that lie in a folder."""

from typing import Annotated

import typer

from clipmill import layout
from clipmill.cli.options import Spec, spec_of_options
from clipmill.curation.deduplication import run_dedup
from clipmill.errors import SpecError


def dedup(
    embeddings: Annotated[
        str, typer.Argument(help="folder or URI of parquet files with columns id and embedding")
    ],
    output: Annotated[str, typer.Argument(help="folder or URI under which dedup/ is written")],
    spec: Spec = "",
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="one parameter, such as dedup.eps=0.1; repeatable")
    ] = None,
    algorithm: Annotated[
        str, typer.Option(help="what made them: names the threshold without dedup.eps; empty: as in the spec")
    ] = "",
    columns: Annotated[
        str,
        typer.Option(help="table of clips: lengths, bit rates and sizes for the choice, dedup.rank_columns"),
    ] = "",
) -> None:
    """Find duplicates among embeddings; parameters are those of dedup in a spec."""
    given = spec_of_options(spec, sets or [])
    if given.dedup is None:
        raise SpecError("dedup: null in the spec turns deduplication off: leave it out")
    made_by = algorithm or (given.embedding.algorithm if given.embedding else "")
    found = run_dedup(embeddings, output, given.dedup, algorithm=made_by, columns_uri=columns)
    print(f"{len(found.table)} duplicates: {layout.dedup_dir(output)}")
