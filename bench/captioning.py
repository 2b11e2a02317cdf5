"""How the captioning pool follows its backlog: ``python -m bench.captioning``, about two minutes.

Stand-ins on fake GPUs: a decoder, and a captioner ten times slower. A flood of videos comes first and then a
trickle, so that the pool grows, works, and falls back. Says when the pool had all its workers, how busy they
were from then until the flood was through, and how many worked in the trickle.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ray

from clipmill.records import SourceFile, VideoFacts, WorkItem
from clipmill.streaming.graph import Node
from clipmill.streaming.on_ray import dataset_of
from clipmill.streaming.parcel import Parcel, StageMetric, unpack
from clipmill.video import Video, VideoTask

NUM_GPUS = 4
NUM_FLOOD, NUM_TRICKLE = 160, 16
DECODE_S, CAPTION_S, TRICKLE_S = 0.05, 0.5, 2.0
TARGET_S, TARGET_BUSY = 30.0, 0.9
FACTS = VideoFacts(
    "mp4", "h264", "yuv420p", 16, 16, 0, Fraction(1), Fraction(25), Fraction(1, 25), 1.0, 25, 0
)


@dataclass
class StandIn:
    """Sleeps for each parcel as long as ``name`` takes, and notes which worker it was."""

    name: str

    def __post_init__(self) -> None:
        self._worker = f"{time.time():.6f}"

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """The parcels, each with a lap."""
        for parcel in parcels:
            started_s = time.time()
            time.sleep(self._takes_s(int(parcel.item.video_id)))
            yield parcel.measured(
                StageMetric(
                    self.name, parcel.item.video_id, 0, started_s, time.time(), 0.0, detail=self._worker
                )
            )

    def _takes_s(self, index: int) -> float:
        if self.name == "caption":
            return CAPTION_S
        return DECODE_S if index < NUM_FLOOD else TRICKLE_S


@dataclass(frozen=True)
class Make:
    """Makes a stand-in in its worker."""

    name: str

    def __call__(self) -> StandIn:
        """One, in its worker."""
        return StandIn(self.name)


@dataclass(frozen=True)
class Followed:
    """What the pool did; seconds from the start of the run."""

    full_after_s: float
    busy: float
    num_workers: int
    num_in_trickle: int
    flood_s: float


def parcels() -> list[Parcel]:
    """Videos without clips: what counts is when they come."""
    return [
        Parcel(
            WorkItem(SourceFile(f"{index}.mp4", 1, str(index)), str(index), FACTS, frozenset()),
            VideoTask(data=Video(input_video=Path(f"{index}.mp4")), task_id=str(index)),
        )
        for index in range(NUM_FLOOD + NUM_TRICKLE)
    ]


def follow() -> Followed:
    """Run the stand-ins through the product's own graph on Ray, with its pools."""
    nodes = [
        Node("scan", Make("scan"), 1, 0.25, 1),
        Node("caption", Make("caption"), 4, 0.25, NUM_GPUS, num_gpus=1.0),
    ]
    started_s = time.time()
    done = [unpack(row["row"]) for row in dataset_of(nodes, parcels()).iter_rows()]
    laps = [lap for parcel in done for lap in parcel.metrics if lap.operator == "caption"]
    return followed(laps, started_s)


def followed(laps: Sequence[StageMetric], started_s: float) -> Followed:
    """From the captioner's laps; busy is working time over the workers' time while the flood lasted."""
    by_worker: defaultdict[str, list[StageMetric]] = defaultdict(list)
    for lap in laps:
        by_worker[lap.detail].append(lap)
    full_s = max(min(lap.started_s for lap in worker) for worker in by_worker.values())
    flood = [lap for lap in laps if int(lap.video_id) < NUM_FLOOD]
    flood_end_s = min(max(lap.ended_s for lap in flood if lap.detail == name) for name in by_worker)
    inside = [min(lap.ended_s, flood_end_s) - max(lap.started_s, full_s) for lap in laps]
    busy = sum(max(0.0, seconds) for seconds in inside) / (len(by_worker) * (flood_end_s - full_s))
    last = [lap for lap in laps if lap.started_s > max(lap.ended_s for lap in flood) + 10]
    return Followed(
        full_s - started_s, busy, len(by_worker), len({lap.detail for lap in last}), flood_end_s - started_s
    )


def main() -> None:
    """Print one table."""
    ray.init(num_cpus=4, num_gpus=NUM_GPUS, include_dashboard=False, log_to_driver=False)
    found = follow()
    ray.shutdown()
    print("| captioning pool | measured | goal |\n|---|---|---|")
    print(f"| workers | {found.num_workers} | {NUM_GPUS} |")
    print(f"| all of them at work after | {found.full_after_s:.1f} s | {TARGET_S:.0f} s |")
    print(
        f"| busy until the flood was through ({found.flood_s:.0f} s) | {found.busy:.0%} | {TARGET_BUSY:.0%} |"
    )
    print(f"| at work in the trickle | {found.num_in_trickle} | fewer than {NUM_GPUS} |")


if __name__ == "__main__":
    main()
