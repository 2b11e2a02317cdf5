"""A built-in stage is one file, one line of the registry and its lines in the spec: without them all runs."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.runs.curation import ROOT, environment, run_python

VIDEO = "clipmill/stages/video"
RUN = """
import json, sys
import clipmill.curation, clipmill.pipeline
from clipmill.curation.run import RunOptions, run_curation
from clipmill.pipeline import Pipeline
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.io.video_reader import VideoReader

source, output = sys.argv[1:]
plan = plan_of_spec(CurateSpec(), source=source, output=output)
run_curation(plan, RunOptions())
tasks = Pipeline("look", stages=[VideoReader(input_video_path=source), ClipTranscodingStage()]).run()
print(json.dumps({"root": clipmill.curation.__file__, "stages": list(plan.by_key),
                  "clips": sum(len(task.data.clips) for task in tasks)}))
"""


@dataclass(frozen=True)
class Deleted:
    """A stage: its file, its class, its group in the spec, and what the spec says of it elsewhere."""

    path: str
    name: str
    group: str
    elsewhere: tuple[tuple[str, str], ...] = ()


STAGES = {
    "quality": Deleted(f"{VIDEO}/filtering/quality_filter.py", "QualityFilterStage", "quality"),
    "aesthetic": Deleted(
        f"{VIDEO}/filtering/clip_aesthetic_filter.py", "ClipAestheticFilterStage", "aesthetics"
    ),
    "preview": Deleted(
        f"{VIDEO}/preview/preview.py",
        "PreviewStage",
        "preview",
        (("generate_previews=self.preview is not None", "generate_previews=False"),),
    ),
}


def without(root: Path, stage: Deleted) -> None:
    """Deletes a stage from a copy of the tree."""
    (root / stage.path).unlink()  # what was compiled of it goes unread without it
    edit(root / "clipmill/planning/registry.py", (rf'^    "[\w.]+:{stage.name}",\n', ""))
    edit(
        root / "clipmill/specs.py",
        (rf"^from clipmill\.stages\.[\w.]+ import {stage.name}\n", ""),
        (rf"^    {stage.group}: .*{stage.name}.*\n", ""),
        *((re.escape(old), new) for old, new in stage.elsewhere),
        (rf"(, )?\bself\.{stage.group}\b", ""),
    )


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        text, count = re.subn(old, new, text, flags=re.MULTILINE)
        assert count == 1, (path, old, count)
    path.write_text(text)


@pytest.mark.parametrize("key", STAGES)
def test_a_stage_can_be_deleted(tmp_path: Path, film: Path, key: str) -> None:
    root = tmp_path / "root"
    shutil.copytree(ROOT / "clipmill", root / "clipmill")
    without(root, STAGES[key])
    (root / "run.py").write_text(RUN)
    done = run_python(
        str(root / "run.py"), str(film), str(tmp_path / "out"), env=environment(PYTHONPATH=str(root))
    )
    assert done.returncode == 0, done.stderr
    assert str(root) in done.stdout
    assert f'"{key}"' not in done.stdout
    assert '"clips": 2' in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()
