"""``clipmill curate``: a source of videos becomes clips, tables and a report."""

from typing import Annotated

import typer

from clipmill.cli.exits import end_code
from clipmill.cli.options import Set, Spec, spec_of_options
from clipmill.cli.progress import Mode, shown
from clipmill.curation.run import RunOptions, run_curation
from clipmill.engine.run import Engine, check_machine
from clipmill.planning.environment import environment_of
from clipmill.planning.from_spec import plan_of_spec
from clipmill.preflight import check_dedup
from clipmill.runs.lease import check_output
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
    progress: Annotated[Mode, typer.Option(help="auto: a bar in a terminal, else lines")] = "auto",
) -> int:
    """Curate the videos of a source into clips with scores, embeddings, previews and a report.

    Ends with 0 where all is done, with 3 where failures are left that the next run tries again, with 4 where
    the run stopped early, and with 2 where it could not start.
    """
    given = spec_of_options(spec, sets or [])
    plan = plan_of_spec(given, source=source, output=output)
    store.check_writable(output)
    check_output(output)
    check_dedup(plan, given.dedup)
    environment_of(plan)
    check_machine(plan, engine)
    list_source(plan.source, exclude=output)
    options = RunOptions(engine, given.sharding, given.dedup, writes_clip_json=given.write.write_clip_json)
    with shown(progress) as show, kept_processes(memory_limit_bytes=plan.limits.max_child_bytes):
        done = run_curation(plan, options, show=show)
    print(done.summary())
    return end_code(done.end)
