"""How the captioning pool follows its backlog: ``python -m bench.captioning``, about two minutes.

The product's own caption operator and its pool, on fake GPUs, behind a stand-in decoder; its captioner is one
that takes ten times as long. A flood of videos comes first and then a trickle, so that the pool grows, works,
and falls back. Of the two clips of a video one was rejected. Says when the pool had all its workers, how busy
they were from then until the flood was through, how many worked in the trickle, and how many windows of
rejected clips were asked about; then draws how many workers were busy, second by second.
"""

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pyarrow as pa
import ray

from clipmill.engine.chunk import Chunk, unpack
from clipmill.engine.graph import OperatorNode, build_operators
from clipmill.engine.ray_engine import dataset_of
from clipmill.engine.work import Work
from clipmill.limits import LimitsSpec
from clipmill.media.scan.clip_samples import ClipSamples
from clipmill.models.captioning.chat import Caption
from clipmill.planning.plan import Plan, plan_of
from clipmill.records import ClipSpan, FrameSpan, SourceFile, VideoFacts
from clipmill.stages.base import Item, StageContext
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.text_model import answer_columns
from clipmill.stages.video.filtering.quality_filter import Bounds, QualityFilterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.state.schema import schema_of

NUM_CPUS = 4
DECODE_S, CAPTION_S, TRICKLE_S = 0.05, 0.5, 2.0
TARGET_S, TARGET_BUSY = 30.0, 0.9
SETTLED_S = 5.0
"""After the flood: as long as the pool may take to see that it is too large."""
NUM_FRAMES = 25
FACTS = VideoFacts(
    "mp4", "h264", "yuv420p", 16, 16, 0, Fraction(1), Fraction(25), Fraction(1, 25), 1.0, NUM_FRAMES, 0
)


@dataclass(frozen=True)
class Load:
    """What comes: videos in a flood, then in a trickle, for a pool of ``num_gpus`` workers."""

    num_gpus: int
    num_flood: int
    num_trickle: int


@dataclass(frozen=True)
class Lap:
    """One caption: by which worker, of which video, and when, in seconds of the clock on the wall."""

    worker: str
    video: int
    started_s: float
    ended_s: float


@dataclass(frozen=True)
class Followed:
    """What the pool did; seconds from the start of the run."""

    num_workers: int
    full_after_s: float
    busy: float
    flood_s: float
    num_in_trickle: int
    num_captions: int
    num_of_rejected: int


@dataclass
class Decoder:
    """Sleeps for each chunk as long as decoding it takes."""

    num_flood: int

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        """The chunks."""
        for chunk in chunks:
            time.sleep(DECODE_S if int(chunk.work.video_id) < self.num_flood else TRICKLE_S)
            yield chunk


class SlowCaptions(CaptionGenerationStage):
    """The product's captions by a captioner that says of a window who looked at it, and when."""

    code: ClassVar = "version"

    def open(self, context: StageContext) -> "SlowCaptioner":  # pyright: ignore[reportIncompatibleMethodOverride] a stand-in
        """See ``Stage``. Nothing is loaded."""
        del context
        return SlowCaptioner(self)


@dataclass(frozen=True)
class SlowCaptioner:
    """Answers one window after the other."""

    stage: SlowCaptions

    def stream(self, items: Iterator[Item]) -> Iterator[tuple[str, Mapping[str, object]]]:
        """Yields window ids and columns."""
        for item in items:
            started_s = time.time()
            time.sleep(CAPTION_S)
            said = Caption(item.id, f"{os.getpid()} {started_s} {time.time()}", "success")
            yield item.id, answer_columns(said, self.stage)


def captioning_plan() -> Plan:
    """Captions behind a filter that rejects blurred clips."""
    quality = QualityFilterStage(sharpness=Bounds(min=0.5))
    return plan_of([VideoReader(input_video_path="films"), quality, SlowCaptions()], limits=LimitsSpec())


def nodes_of(plan: Plan, load: Load) -> list[OperatorNode]:
    """The decoder, and the caption operator with the bounds that the product gives its pool."""
    graph = build_operators(plan, num_cpus=NUM_CPUS, num_gpus=load.num_gpus)
    [captions] = [node for node in graph if node.name == "caption"]
    return [OperatorNode("scan", lambda: Decoder(load.num_flood), 1, 0.25, 1), captions]


def chunks_of(plan: Plan, load: Load) -> list[Chunk]:
    """Videos with a clip that passed and one that was rejected, all of them with frames."""
    return [_chunk(plan, number) for number in range(load.num_flood + load.num_trickle)]


def _chunk(plan: Plan, number: int) -> Chunk:
    clips = tuple(_clip(2 * number + index) for index in range(2))
    lacks = {clip.clip_id: frozenset({"caption"}) for clip in clips}
    work = Work(SourceFile(f"{number}.mp4", 1, str(number)), str(number), FACTS, clips=clips, lacks=lacks)
    seen = ClipSamples(np.arange(2), np.arange(2) / 2, (np.zeros((2, 32, 32, 3), np.uint8),))
    [frames] = plan.by_key["caption"].reads.all_frames()
    known = {"quality": _sharpness(plan, clips)}
    chunk = Chunk(work, clips, num_clips=2, samples={frames: (seen, seen)}, known=known)
    return chunk.judged(plan.nodes)


def _clip(number: int) -> ClipSpan:
    return ClipSpan(str(number), FrameSpan(0, NUM_FRAMES), 0, NUM_FRAMES, 0.0, 1.0)


def _sharpness(plan: Plan, clips: Sequence[ClipSpan]) -> pa.Table:
    """Rows of the filter: the first clip is sharp."""
    schema = schema_of(plan.by_key["quality"])
    values = {
        "id": [clip.clip_id for clip in clips],
        "outcome": ["result"] * len(clips),
        "sharpness": [1.0, 0.0],
    }
    return pa.table(
        {name: pa.array(values.get(name, [None] * 2), schema.field(name).type) for name in schema.names}
    )


def follow(load: Load) -> tuple[Followed, list[Lap]]:
    """Run the videos through the pool, on the Ray that runs."""
    plan = captioning_plan()
    started_s = time.time()
    dataset = dataset_of(nodes_of(plan, load), chunks_of(plan, load))
    tables = dataset.iter_batches(batch_size=None, batch_format="pyarrow")
    chunks = [one for table in tables for one in unpack(table) if isinstance(one, Chunk)]
    laps = [lap for chunk in chunks for lap in _laps(chunk, of_rejected=False)]
    num_rejected = sum(len(list(_laps(chunk, of_rejected=True))) for chunk in chunks)
    return followed(laps, load, started_s=started_s, num_of_rejected=num_rejected), [
        Lap(lap.worker, lap.video, lap.started_s - started_s, lap.ended_s - started_s) for lap in laps
    ]


def _laps(chunk: Chunk, *, of_rejected: bool) -> Iterator[Lap]:
    """What the captions of clips say of their making."""
    for row in chunk.made["caption"].to_pylist():
        if (row["clip_id"] in chunk.rejected) == of_rejected:
            worker, started_s, ended_s = row["caption"].split()
            yield Lap(worker, int(chunk.work.video_id), float(started_s), float(ended_s))


def followed(laps: Sequence[Lap], load: Load, *, started_s: float, num_of_rejected: int) -> Followed:
    """From all captions; busy is working time over the workers' time while the flood lasted."""
    by_worker: defaultdict[str, list[Lap]] = defaultdict(list)
    for lap in laps:
        by_worker[lap.worker].append(lap)
    flood = [lap for lap in laps if lap.video < load.num_flood]
    full_s = max(min(lap.started_s for lap in worker) for worker in by_worker.values())
    # Until the first worker has nothing left of it: then it is no longer a flood.
    end_s = min(
        max(lap.ended_s for lap in flood if lap.worker == name) for name in {lap.worker for lap in flood}
    )
    inside = [min(lap.ended_s, end_s) - max(lap.started_s, full_s) for lap in laps]
    lasted_s = len(by_worker) * (end_s - full_s)
    over_s = max(lap.ended_s for lap in flood)
    return Followed(
        num_workers=len(by_worker),
        full_after_s=full_s - started_s,
        busy=sum(max(0.0, seconds) for seconds in inside) / lasted_s if lasted_s > 0 else 0.0,
        flood_s=end_s - started_s,
        num_in_trickle=len({lap.worker for lap in laps if lap.started_s > over_s + SETTLED_S}),
        num_captions=len(laps),
        num_of_rejected=num_of_rejected,
    )


def drawn(laps: Sequence[Lap]) -> Iterator[str]:
    """Workers busy in each second, as lines of a chart."""
    for second in range(int(max(lap.ended_s for lap in laps)) + 1):
        busy_s = sum(max(0.0, min(lap.ended_s, second + 1) - max(lap.started_s, second)) for lap in laps)
        yield f"{second:4d} s {busy_s:4.1f} {'#' * round(10 * busy_s)}"


def main() -> None:
    """Print a table and a chart."""
    parser = argparse.ArgumentParser(
        prog="bench.captioning", description="How captioning follows its backlog."
    )
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--flood", type=int, default=160, help="videos at once")
    parser.add_argument("--trickle", type=int, default=16, help="videos after them, one every two seconds")
    options = parser.parse_args()
    load = Load(options.gpus, options.flood, options.trickle)
    ray.init(num_cpus=NUM_CPUS, num_gpus=load.num_gpus, include_dashboard=False, log_to_driver=False)
    found, laps = follow(load)
    ray.shutdown()
    print("| captioning pool | measured | goal |\n|---|---|---|")
    print(f"| captions | {found.num_captions} | {load.num_flood + load.num_trickle} |")
    print(f"| workers | {found.num_workers} | {load.num_gpus} |")
    print(f"| all of them at work after | {found.full_after_s:.1f} s | {TARGET_S:.0f} s |")
    print(
        f"| busy until the flood was through ({found.flood_s:.0f} s) | {found.busy:.0%} | {TARGET_BUSY:.0%} |"
    )
    print(f"| at work in the trickle | {found.num_in_trickle} | fewer than {load.num_gpus} |")
    print(f"| windows of rejected clips asked about | {found.num_of_rejected} | 0 |\n")
    print(*drawn(laps), sep="\n")


if __name__ == "__main__":
    main()
