"""The one pass against bare decode of the same film, taken apart: what is sampled is added step by step."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import TypeVar

import av
from av.error import FFmpegError

from clipmill.media.scan.scan import scan
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.nodes import decode_reads
from clipmill.specs import CurateSpec
from clipmill.stages.reads import Frames, Measure, Motion, Sample

_RESULT = TypeVar("_RESULT")
DECODE = "decode only (PyAV, 1 thread)"


@dataclass(frozen=True)
class FilmCost:
    """CPU seconds of each step on one film. ``bytes_read`` is what the whole pass counted.

    ``draft_s`` is the whole pass over draft pictures.
    """

    path: str
    duration_s: float
    size_px: tuple[int, int]
    bytes_read: int
    cpu_s: dict[str, float]
    draft_s: float


def steps() -> dict[str, ScanPlan]:
    """Passes that sample more and more, up to what the default curation needs without previews."""
    curation = plan_of_spec(CurateSpec(preview=None), source="films", output="curated")
    bare = ScanPlan(thumbnails=False)
    thumbnails = replace(bare, thumbnails=True)
    growing = {"+ times and digests": bare, "+ thumbnails of every frame": thumbnails}
    reads = sorted(
        decode_reads(curation.rowed).samples, key=lambda read: (Motion, Measure, Frames).index(type(read))
    )
    for number, read in enumerate(reads, 1):
        growing[_title(read)] = replace(thumbnails, samples=tuple(reads[:number]))
    return growing


def _title(read: Sample) -> str:
    match read:
        case Motion():
            what = "motion"
        case Measure():
            what = "quality"
        case Frames():
            what = f"frames of {read.height_px} px"
    return f"+ {what}, {float(read.fps):g} a second"


def scan_costs(films: Sequence[str], warm_up: str) -> list[FilmCost]:
    """Each film decoded, then scanned by every step, one after the other; for a process of its own."""
    _cost(warm_up)
    return [_cost(film) for film in films]


def decode_s(films: Sequence[str]) -> float:
    """CPU seconds of bare decode of all films."""
    return sum(_cpu_s(lambda film=film: decode(film))[0] for film in films)


def decode(path: str) -> tuple[int, int]:
    """Decode every frame of a video with one thread and look at none; (width, height) of the last."""
    size_px = (0, 0)
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for frame in container.decode(stream):
            size_px = (frame.width, frame.height)
    return size_px


def readable(films: Sequence[str]) -> Iterator[str]:
    """Those that bare decode gets through; a film of which it gets only a part would have no floor."""
    for film in films:
        try:
            if decode(film) != (0, 0):
                yield film
        except (FFmpegError, IndexError):
            continue


def _cost(path: str) -> FilmCost:
    cpu_s: dict[str, float] = {}
    cpu_s[DECODE], size_px = _cpu_s(lambda: decode(path))
    plans = steps()
    whole = list(plans.values())[-1]
    for name, plan in plans.items():
        cpu_s[name], _ = _scanned(path, plan)
    draft_s, facts = _scanned(path, replace(whole, quality="draft"))
    return FilmCost(path, facts.duration_s, size_px, facts.bytes_read, cpu_s, draft_s)


def _scanned(path: str, plan: ScanPlan) -> tuple[float, ScanFacts]:
    with TemporaryDirectory() as spool:
        return _cpu_s(lambda: scan(path, plan, spool))


def _cpu_s(step: Callable[[], _RESULT]) -> tuple[float, _RESULT]:
    start_s = time.process_time()
    result = step()
    return time.process_time() - start_s, result
