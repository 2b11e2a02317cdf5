"""``clipmill curate``: a source of videos becomes clips, tables and a report."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Annotated

import typer

from clipmill.cli.exits import end_code
from clipmill.cli.options import Set, Spec, spec_of_options
from clipmill.cli.progress import Mode, shown
from clipmill.curation.run import RunOptions, planned_run, run_curation
from clipmill.engine.machine_check import Engine, join_cluster
from clipmill.errors import DISK_ERRNOS, SpecError, StoreError, TransientStoreError
from clipmill.runs.termination import stoppable
from clipmill.sandbox.pool import kept_processes


def curate(
    source: Annotated[str, typer.Argument(help="folder, file or URI of the videos")],
    output: Annotated[
        str, typer.Argument(help="folder or URI of the results; the same again does only what is new")
    ],
    spec: Spec = "",
    sets: Set = None,
    engine: Annotated[
        Engine, typer.Option(help="inline: this process; ray: a cluster, see RAY_ADDRESS")
    ] = "inline",
    progress: Annotated[Mode, typer.Option(help="auto: a bar in a terminal, else lines")] = "auto",
) -> int:
    """Curate the videos of a source into clips with scores, embeddings, previews and a report.

    Ends with 0 where all is done, with 3 where failures are left that the next run tries again, with 4 where
    the run stopped early, and with 2 where it could not start. Ctrl-C once finishes the open videos and
    publishes; twice, it stops at once.
    """
    given = spec_of_options(spec, sets or [])
    if engine == "ray":
        join_cluster()
    with _before_work():
        plan = planned_run(given, source=source, output=output, engine=engine)
    options = RunOptions(engine, given.sharding, given.dedup, writes_json=given.write.write_json)
    with stoppable(), shown(progress) as show, kept_processes(memory_limit_bytes=plan.limits.max_child_bytes):
        done = run_curation(plan, options, show=show)
    with suppress(BrokenPipeError):  # how the run ended counts more than who reads of it
        print(done.summary())
    return end_code(done.end)


@contextmanager
def _before_work() -> Generator[None]:
    """What a store refuses, and what cannot be opened, was named wrongly as long as no work is done."""
    try:
        yield
    except TransientStoreError:
        raise
    except StoreError as error:
        raise SpecError(str(error)) from error
    except OSError as error:
        if not error.filename or error.errno in DISK_ERRNOS:
            raise
        raise SpecError(f"{error.filename}: {error.strerror}") from error
