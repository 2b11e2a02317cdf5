"""How the captioning pool follows its backlog: ``python -m bench.captioning``, about two minutes.

The product's own caption operator and its pool, on fake GPUs, behind a stand-in decoder; its captioner is one
that takes ten times as long. A flood of videos comes first and then a trickle, so that the pool grows, works,
and falls back. Of the two clips of a video one was rejected. Says when the pool had all its workers, how busy
they were from then until the flood was through, how many worked in the trickle, and how many windows of
rejected clips were asked about; then draws how many workers were busy, second by second. ``--json`` prints
the figures only.
"""

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import numpy as np
import ray

from clipmill.models.captioner import Caption, CaptionRequest
from clipmill.plan import RunPlan, plan_of_spec
from clipmill.records import ClipSpan, FrameSpan, SourceFile, VideoFacts, WorkItem
from clipmill.specs import CurateSpec
from clipmill.stages.video.clipping.clip_frame_extraction import FrameExtractionPolicy, frame_signature
from clipmill.streaming.graph import Node, graph_of
from clipmill.streaming.makers import Makers
from clipmill.streaming.on_ray import dataset_of
from clipmill.streaming.parcel import Parcel, unpack
from clipmill.video import Clip, Video, VideoTask, Window

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
    """Sleeps for each parcel as long as decoding it takes."""

    num_flood: int
    name: str = "scan"

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """The parcels."""
        for parcel in parcels:
            time.sleep(DECODE_S if int(parcel.item.video_id) < self.num_flood else TRICKLE_S)
            yield parcel


class SlowCaptioner:
    """Says of a window who looked at it, and when."""

    model = "stand-in"
    revision = ""

    def caption(self, requests: Iterable[CaptionRequest]) -> Iterator[Caption]:
        """One answer after the other."""
        for request in requests:
            started_s = time.time()
            time.sleep(CAPTION_S)
            yield Caption(request.window_id, f"{os.getpid()} {started_s} {time.time()}", "success")

    def close(self) -> None:
        """Nothing to let go of."""


def slow_captioner(_plan: RunPlan) -> SlowCaptioner:
    """What opens one in a worker."""
    return SlowCaptioner()


def nodes_of(plan: RunPlan, load: Load) -> list[Node]:
    """The decoder, and the caption operator with the bounds that the product gives its pool."""
    makers = Makers(captioner=slow_captioner)
    graph = graph_of(plan, num_cpus=NUM_CPUS, num_gpus=load.num_gpus, makers=makers)
    [captions] = [node for node in graph if node.name == "caption"]
    return [Node("scan", lambda: Decoder(load.num_flood), 1, 0.25, 1), captions]


def parcels_of(plan: RunPlan, load: Load) -> list[Parcel]:
    """Videos with a clip that passed and one that was rejected, all of them with frames."""
    return [_parcel(plan, number) for number in range(load.num_flood + load.num_trickle)]


def _parcel(plan: RunPlan, number: int) -> Parcel:
    video = Video(input_video=Path(f"{number}.mp4"))
    video.clips, video.filtered_clips = [_clip(plan, 2 * number)], [_clip(plan, 2 * number + 1)]
    item = WorkItem(SourceFile(f"{number}.mp4", 1, str(number)), str(number), FACTS, frozenset({"caption"}))
    return Parcel(item, VideoTask(data=video, task_id=str(number)))


def _clip(plan: RunPlan, number: int) -> Clip:
    uuid = UUID(int=number)
    key = frame_signature(FrameExtractionPolicy.SEQUENCE, plan.windows.sampling_fps)
    return Clip(
        uuid,
        "film",
        (0.0, 1.0),
        extracted_frames={key: np.zeros((2, 32, 32, 3), np.uint8)},
        windows=[Window(0, NUM_FRAMES - 1)],
        place=ClipSpan(str(uuid), FrameSpan(0, NUM_FRAMES), 0, NUM_FRAMES, 0.0, 1.0),
    )


def follow(load: Load) -> tuple[Followed, list[Lap]]:
    """Run the videos through the pool, on the Ray that runs."""
    plan = plan_of_spec(CurateSpec.model_validate({"captions": {}}), source="films", output="out")
    started_s = time.time()
    rows = dataset_of(nodes_of(plan, load), parcels_of(plan, load)).iter_rows()
    tasks = [(int(parcel.item.video_id), parcel.task.data) for parcel in (unpack(row["row"]) for row in rows)]
    laps = [lap for number, video in tasks for lap in _laps(number, video.clips)]
    num_rejected = sum(len(list(_laps(number, video.filtered_clips))) for number, video in tasks)
    return followed(laps, load, started_s=started_s, num_of_rejected=num_rejected), [
        Lap(lap.worker, lap.video, lap.started_s - started_s, lap.ended_s - started_s) for lap in laps
    ]


def _laps(number: int, clips: Iterable[Clip]) -> Iterator[Lap]:
    """What the captions of clips say of their making."""
    for clip in clips:
        for text in (text for window in clip.windows for text in window.caption.values()):
            worker, started_s, ended_s = text.split()
            yield Lap(worker, number, float(started_s), float(ended_s))


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
    parser.add_argument("--json", action="store_true", help="the figures only")
    options = parser.parse_args()
    load = Load(options.gpus, options.flood, options.trickle)
    ray.init(num_cpus=NUM_CPUS, num_gpus=load.num_gpus, include_dashboard=False, log_to_driver=False)
    found, laps = follow(load)
    ray.shutdown()
    if options.json:
        print(json.dumps(asdict(found)))
        return
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
