"""The scan operator of a run over one film, as a run has it, with its codec process."""

import time
from dataclasses import dataclass
from pathlib import Path

from bench.process_meter import cpu_s
from clipmill.engine.chunk import Chunk
from clipmill.engine.groups import groups_of
from clipmill.engine.operators.scan import ScanOperator
from clipmill.engine.work import Work
from clipmill.media.io.probe import inspect_source
from clipmill.planning.from_spec import plan_of_spec
from clipmill.records import SourceFile
from clipmill.specs import CurateSpec

ENCODE = "encode"


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


def scan_film(film: str, output: str, spec: CurateSpec, makes_files: bool = False) -> Scanned:
    """What the scan operator does with a film; its chunks are dropped.

    ``makes_files`` has the clips of a short video encoded in the pass, which takes memory of its own.
    """
    groups = groups_of(plan_of_spec(spec, source=film, output=output))
    spec = spec.model_copy(update={"write": spec.write.model_copy(update={"upload_clips": makes_files})})
    plan = plan_of_spec(spec, source=film, output=output)
    source = SourceFile(film, Path(film).stat().st_size, "1")
    inspected = inspect_source(source, limits=plan.limits.of_source)
    assert inspected.facts is not None
    assert inspected.video_id is not None
    work = Work(source, inspected.video_id, inspected.facts)
    num_frames = num_clips = num_files = 0
    came_s: list[float] = []
    start_s, start_cpu_s = time.monotonic(), cpu_s()
    for chunk in ScanOperator(plan, groups)([Chunk(work)]):
        came_s.append(time.monotonic() - start_s)
        num_clips += len(chunk.clips)
        num_files += (
            len(chunk.made[plan.encoder.key]) if plan.encoder and plan.encoder.key in chunk.made else 0
        )
        if chunk.split and chunk.split.facts:
            num_frames = chunk.split.facts.num_frames
    return Scanned(num_frames, num_clips, num_files, came_s[0] / came_s[-1], cpu_s() - start_cpu_s)
