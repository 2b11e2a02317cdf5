"""Is the cluster set up? The command is in docs/deploy.md, section 5."""

from flytekit import workflow

from tasks.acceptance import check_first, check_places, compare_runs
from tasks.hardware import DEFAULT_ENGINE, Engine
from tasks.specs import Curation
from workflows.launch_plans import curate_plan

FIRST_VIDEOS = Curation(video_limit=2)
"""Enough to see every step in about ten minutes."""


@workflow
def accept(source: str, output: str, engine: Engine = DEFAULT_ENGINE) -> str:
    """Curate the first two videos of a source twice; the second run must find everything done.

    :param source: folder or URI with short videos
    :param output: folder or URI below which a new folder is made; it can be deleted afterwards
    :param engine: stream: Ray clusters; map: plain pods
    """
    place = check_places(source=source, output=output)
    first = curate_plan(source=source, output=place, spec=FIRST_VIDEOS, engine=engine)
    again = check_first(run=first.run)
    second = curate_plan(source=source, output=again, spec=FIRST_VIDEOS, engine=engine)
    return compare_runs(first=first.run, second=second.run)
