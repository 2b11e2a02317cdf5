"""``clipmill curate``: a source of videos becomes clips, tables and a report."""

from typing import Annotated

import typer

from clipmill.cli.options import Set, Spec, spec_of_options
from clipmill.cli.progress import shown_progress
from clipmill.curation import RunOptions, run_curation
from clipmill.engine.run import Engine, check_machine
from clipmill.planning.environment import environment_of
from clipmill.planning.from_spec import plan_of_spec
from clipmill.sandbox.pool import kept_processes
from clipmill.storage import store
from clipmill.storage.listing import list_source

app = typer.Typer()


@app.command()
def curate(
    source: Annotated[str, typer.Argument(help="folder, file or URI of the videos")],
    output: Annotated[
        str, typer.Argument(help="folder or URI of the results; the same again does only what is new")
    ],
    spec: Spec = "",
    sets: Set = None,
    engine: Annotated[
        Engine, typer.Option(help="inline: this process; ray: the cluster it can reach")
    ] = "inline",
) -> None:
    """Curate the videos of a source into clips with scores, embeddings, previews and a report."""
    given = spec_of_options(spec, sets or [])
    store.check_writable(output)
    plan = plan_of_spec(given, source=source, output=output)
    environment_of(plan)
    check_machine(plan, engine)
    list_source(plan.source, exclude=output)
    options = RunOptions(engine, given.sharding, given.dedup, writes_clip_json=given.write.write_clip_json)
    with shown_progress(), kept_processes(memory_limit_bytes=plan.limits.max_child_bytes):
        done = run_curation(plan, options)
    print(done.summary())
