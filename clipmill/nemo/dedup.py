"""``clipmill nemo-dedup``: NeMo Curator 1.4's semantic deduplication by its workflow's parameters."""

import typer

from clipmill.errors import SourceError, SpecError
from clipmill.nemo.flags import Flag, in_flags, parse
from clipmill.stages.deduplication.semantic import RankingStrategy, SemanticDeduplicationWorkflow

FLAGS = (
    Flag("--input-path", str, is_required=True),
    Flag("--output-path", str, is_required=True),
    Flag("--n-clusters", int, is_required=True),
    Flag("--eps", float),
    Flag("--id-field", str, "id"),
    Flag("--embedding-field", str, "embeddings"),
    Flag("--input-filetype", str, "parquet", ("parquet", "jsonl")),
    Flag("--max-iter", int, 300),
    Flag("--tol", float, 1e-4),
    Flag("--random-state", int, 42),
    Flag("--init", str, "k-means||", ("k-means||", "random")),
    Flag("--n-init", int, 1),
    Flag("--oversampling-factor", float, 2.0),
    Flag("--max-samples-per-batch", int, 1 << 15),
    Flag("--fit-data-fraction", float),
    Flag("--distance-metric", str, "cosine", ("cosine", "l2")),
    Flag("--which-to-keep", str, "hard", ("hard", "easy", "random")),
    Flag("--pairwise-batch-size", int, 1024),
    Flag("--rank-by", str, note="ranks by a column, largest first; beats --which-to-keep"),
)  # fmt: skip

_WORDS = {
    r"^SemanticDeduplicationWorkflow: ": "",
    r"\bdedup\.rank_columns\b": "--rank-by",
    r"^input_path\b": "--input-path",
    **{rf"\bdedup\.{flag.key}\b": flag.name for flag in FLAGS},
}
"""What messages say of parameters -> their flags."""

app = typer.Typer(add_completion=False)


@app.command(context_settings={
    "ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": [],
})  # fmt: skip
def nemo_dedup(context: typer.Context) -> None:
    """Find duplicates among embeddings by the parameters of NeMo Curator's workflow."""
    given = dict(
        parse(FLAGS, context.args, prog="clipmill nemo-dedup", description=str(__doc__).replace("``", ""))
    )
    column = given.pop("rank_by")
    ranking = None if column is None else RankingStrategy.metadata_based([str(column)], ascending=False)
    try:
        workflow = SemanticDeduplicationWorkflow(**given, ranking_strategy=ranking)  # pyright: ignore[reportArgumentType] the flags have these types
        done = workflow.run()
    except (SpecError, SourceError) as error:
        raise type(error)(in_flags(str(error), FLAGS, _WORDS)) from error
    print(f"{done.get_metadata('num_duplicates')} duplicates: {workflow.duplicates_output_path}")
