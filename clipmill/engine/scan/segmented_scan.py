"""A long video scanned as segments by several codec processes at once; its pieces come in order."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from clipmill.engine.work import Work
from clipmill.errors import ClipmillError
from clipmill.limits import LimitsSpec
from clipmill.media.scan.packet_index import PacketIndex, Segment, index_packets
from clipmill.media.scan.scan import load_arrays
from clipmill.media.scan.segments import Joining, SegmentFacts, SegmentFault, scan_segment
from clipmill.media.scan.spool import ScanSegment
from clipmill.media.scan.tracks import rows_of, tracks_in, with_tracks
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.sandbox.runner import CodecRunner, codec_runner

_RESULT = TypeVar("_RESULT")

SEGMENT_FRAMES = 1500
"""About a minute: opening a file again and the pictures decoded twice are little beside it."""

AHEAD = 2
"""Segments for each process that may be scanned before their turn: what bounds the disk."""


class WholePassNeeded(ClipmillError):
    """A video cannot be scanned in segments. ``num_frames`` were handed out before that was found."""

    def __init__(self, cause: str, *, num_frames: int) -> None:
        super().__init__(cause)
        self.cause, self.num_frames = cause, num_frames


@dataclass(frozen=True)
class Running:
    """A segment that is being scanned into a folder, or was."""

    segment: Segment
    folder: str
    future: Future[SegmentFacts]


class SegmentedPass:
    """Scans one video with ``width`` codec processes."""

    def __init__(self, work: Work, plan: ScanPlan, limits: LimitsSpec, *, width: int) -> None:
        self._work, self._plan, self._limits, self._width = work, plan, limits, width
        self._idle: SimpleQueue[CodecRunner] = SimpleQueue()
        self._children = [codec_runner(limits) for _ in range(width)]
        self.cpu_s = 0.0
        for child in self._children:
            self._idle.put(child)

    def pieces(self, spool_dir: str, *, timeout_s: float) -> Generator[ScanSegment, None, ScanFacts]:
        """A piece for each segment, then what all of them counted. WholePassNeeded where that cannot be."""
        joining = Joining()
        try:
            index: PacketIndex = self._run(index_packets, SEGMENT_FRAMES, timeout_s=timeout_s)
            if index.whole_because:
                raise SegmentFault(index.whole_because)
            yield from self._joined(index, joining, spool_dir, timeout_s)
            return joining.facts(index)
        except ClipmillError as error:
            raise WholePassNeeded(str(error), num_frames=joining.num_frames) from error
        finally:
            self.cpu_s = sum(child.cpu_s for child in self._children)

    def _joined(
        self, index: PacketIndex, joining: Joining, spool_dir: str, timeout_s: float
    ) -> Generator[ScanSegment]:
        running: deque[Running] = deque()
        waiting = deque(index.segments)
        with ThreadPoolExecutor(self._width, thread_name_prefix="clipmill-segment") as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < AHEAD * self._width:
                        segment = waiting.popleft()
                        folder = os.path.join(spool_dir, f"segment-{segment.start_pts}")
                        scan = partial(self._run, scan_segment, segment, index.segments[0].start_pts, folder)
                        running.append(Running(segment, folder, pool.submit(scan, timeout_s=timeout_s)))
                    yield next_piece(running.popleft(), joining)
            finally:
                self._stop(running)

    def _run(self, function: Callable[..., _RESULT], *arguments: object, timeout_s: float) -> _RESULT:
        child = self._idle.get()
        try:
            return child.run(
                function,
                self._work.source,
                self._plan,
                *arguments,
                limits=self._limits.of_source,
                timeout_s=timeout_s,
                stall_s=self._limits.decode_stall_s,
            )
        finally:
            self._idle.put(child)

    def _stop(self, running: Iterable[Running]) -> None:
        """Ends the scan: its processes are killed, and the threads that wait for them see it."""
        for one in running:
            one.future.cancel()
        if all(one.future.done() for one in running):
            return
        for child in self._children:
            child.kill()


def next_piece(one: Running, joining: Joining) -> ScanSegment:
    """What a segment adds to those before it. Its errors, and SegmentFault as ``Joining.add``."""
    facts = one.future.result()
    arrays = joining.add(load_arrays(one.folder), facts, is_last=one.segment.end_pts is None)
    shutil.rmtree(one.folder)  # the maps keep what is in them
    return ScanSegment(arrays, "", joining.failed_measures)


def skip_frames(piece: ScanSegment, num_frames: int) -> ScanSegment:
    """What a whole video's piece holds behind the first ``num_frames``, of which all was handed out."""
    arrays = piece.arrays
    behind = {
        track: rows_of(taken, slice(int(np.searchsorted(taken.frames, num_frames)), None))
        for track, taken in tracks_in(arrays).items()
    }
    rest = replace(
        with_tracks(arrays, behind),
        pts=arrays.pts[num_frames:],
        times_s=arrays.times_s[num_frames:],
        is_key=arrays.is_key[num_frames:],
        thumbnails=arrays.thumbnails[num_frames:],
        levels=arrays.levels[num_frames:],
    )
    return replace(piece, arrays=rest)
