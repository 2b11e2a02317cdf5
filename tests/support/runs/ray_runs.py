"""A script, ``SOURCE FOLDER ADDRESS``: a source curated inline, on a Ray of one core, and on a running Ray.

Each run writes to ``FOLDER/out``, so that the same URIs are published, and is then moved to
``FOLDER/inline``, ``FOLDER/1`` or ``FOLDER/2``; the last is asked of the command. ``FOLDER/found.json`` has
the operators of Ray's logical and physical plan, what became of clips of which a custom stage drops some,
which errors stopped runs into ``FOLDER/well`` and ``FOLDER/exits`` with stages of this script, and what an
interrupted run published.
"""

import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

import ray
from ray.data._internal.logical.optimizers import get_execution_plan

from clipmill.cli.exits import FAILURES_LEFT
from clipmill.cli.main import main as command
from clipmill.curation.publication import last_published
from clipmill.engine.chunk import Chunk
from clipmill.engine.graph import build_operators
from clipmill.engine.ray_engine import dataset_of
from clipmill.intake.admission import first_work
from clipmill.intake.inspection import inspect_all
from clipmill.pipeline import Pipeline
from clipmill.planning.from_spec import plan_of_spec
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.storage.listing import list_source
from clipmill.tasks.video import VideoTask
from tests.support.runs.curation import curate_here, small_spec
from tests.support.stages.broken_stages import Exits, Fails, curate, draw_good_and_bad


def operators(source: str) -> dict[str, list[str]]:
    """Kinds of the operators of both plans, in order; nothing is run."""
    plan = plan_of_spec(small_spec(), source=source, output="unused")
    items = first_work(inspect_all(list_source(plan.source)[:1], plan.limits), plan)
    chunks = [Chunk(item) for item in items]
    logical = dataset_of(build_operators(plan, num_cpus=1), chunks)._logical_plan
    physical = get_execution_plan(logical)
    physical = physical[0] if isinstance(physical, tuple) else physical
    return {
        "logical": [type(one).__name__ for one in logical.dag.post_order_iter()],
        "physical": [type(one).__name__ for one in physical.dag.post_order_iter()],
    }


class DropLater:
    """Keeps the first clip of a video."""

    name = "drop_later"

    def process(self, task: VideoTask) -> VideoTask:
        del task.data.clips[1:]
        return task


def fates_of_clips(source: str) -> list[str]:
    """What a custom stage in Ray's workers makes of the clips of one film."""
    stages = [VideoReader(input_video_path=f"{source}/harbour.mp4"), DropLater(), ClipTranscodingStage()]
    tasks = Pipeline("customs", stages=stages).run(engine="ray")
    clips = [clip for task in tasks for clip in (*task.data.clips, *task.data.filtered_clips)]
    return [str(clip.reason or ("cut" if clip.buffer else "not cut")) for clip in clips]


class Scores(Fails):
    """Scores every clip where it is well."""


class Leaves(Exits):
    """Ends its process at every clip but those of one film."""


def broken(folder: Path) -> dict[str, str]:
    """Which error stopped a run with each of two stages of this script, or nothing."""
    films = draw_good_and_bad(folder / "good_and_bad")
    stages = {"well": Scores(is_well=True), "exits": Leaves()}
    return {name: curate(str(films), str(folder / name), "ray", stage) for name, stage in stages.items()}


def curate_by_command(source: str, output: Path, *arguments: str, **fields: object) -> int:
    """Asks the command, which joins Ray, as a user does; returns its exit code."""
    spec = small_spec(**fields).model_dump_json()
    with redirect_stdout(sys.stderr):
        return command(
            [
                "curate",
                source,
                str(output),
                "--engine",
                "ray",
                "--progress",
                "none",
                "--spec",
                spec,
                *arguments,
            ]
        )


def interrupted(source: str, output: Path) -> dict[str, object]:
    """Ctrl-C as the first clip reaches a stage: the exit code, and what the run published."""
    stage = f"{{use: 'tests.cli.test_bad_input:Interrupting', process_id: {os.getpid()}}}"
    alone = {"preview": None, "embedding": None, "dedup": None}
    code = curate_by_command(source, output, "--set", f"stages=[{stage}]", **alone)
    summary = last_published(str(output)).steps()
    counts = {step.kind: step.num_items for step in summary.videos}
    return {"code": code, **counts, "next": summary.next_run}


def main() -> None:
    source, folder, address = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    out = folder / "out"
    curate_here(source, out, small_spec())
    out.rename(folder / "inline")
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    found: dict[str, object] = {**operators(source)}
    curate_here(source, out, small_spec(), engine="ray")
    out.rename(folder / "1")
    ray.shutdown()
    os.environ["RAY_ADDRESS"] = address
    assert curate_by_command(source, out) == FAILURES_LEFT  # a film kills its decoder
    out.rename(folder / "2")
    found |= {"customs": fates_of_clips(source), "broken": broken(folder)}
    found["interrupted"] = interrupted(source, folder / "interrupted")
    (folder / "found.json").write_text(json.dumps(found))  # Ray writes to standard output when it ends


if __name__ == "__main__":
    main()
