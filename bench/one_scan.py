"""The scan operator of a run over one film, as a run has it, with its codec process."""

import time
from dataclasses import dataclass
from pathlib import Path

from bench.metering import cpu_s
from clipmill.media.probe import inspect_source
from clipmill.plan import plan_of_spec
from clipmill.records import SourceFile, WorkItem
from clipmill.specs import CurateSpec
from clipmill.streaming.chunks import empty_task
from clipmill.streaming.makers import BACKENDS
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.scanning import Scanner

WITHOUT_FILES = frozenset({"split", "motion", "quality", "embed", "preview"})
"""All but the clips' files: those of a short video are encoded in the pass, which takes memory of its own."""
WITH_FILES = WITHOUT_FILES | {"encode"}


@dataclass(frozen=True)
class Scanned:
    """What a scan was; ``first_clips_at`` is the share of its seconds after which the first clips came.

    ``num_files`` of the clips were encoded in the pass.
    """

    num_frames: int
    num_clips: int
    num_files: int
    first_clips_at: float
    cpu_s: float


def scan_film(film: str, output: str, spec: CurateSpec, missing: frozenset[str]) -> Scanned:
    """What the scan operator does with a film of which ``missing`` is wanted; its chunks are dropped."""
    plan = plan_of_spec(spec, source=film, output=output)
    source = SourceFile(film, Path(film).stat().st_size, "1")
    inspected = inspect_source(source, limits=plan.limits)
    assert inspected.facts is not None
    assert inspected.video_id is not None
    item = WorkItem(source, inspected.video_id, inspected.facts, missing)
    num_frames = num_clips = num_files = 0
    came_s: list[float] = []
    start_s, start_cpu_s = time.monotonic(), cpu_s()
    for parcel in Scanner(plan, BACKENDS)([Parcel(item, empty_task(item))]):
        came_s.append(time.monotonic() - start_s)
        num_clips += len(parcel.task.data.clips) + len(parcel.task.data.filtered_clips)
        num_files += sum(clip.file is not None for clip in parcel.task.data.clips)
        if parcel.outcome and parcel.outcome.facts:
            num_frames = parcel.outcome.facts.num_frames
    return Scanned(num_frames, num_clips, num_files, came_s[0] / came_s[-1], cpu_s() - start_cpu_s)
