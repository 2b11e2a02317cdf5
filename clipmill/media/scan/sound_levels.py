"""How loud a video is around each of its frames: by this a cut is moved into a pause."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from fractions import Fraction

import numpy as np

from clipmill.media.frames.timestamps import Timeline
from clipmill.media.io.source import CountingReader
from clipmill.media.sound.samples import heard_samples
from clipmill.media.sound.source import AudioSource

RATE_HZ = 8000
BLOCK_S = 10
"""Sound is read so many seconds at a time, counted from the clock's 0, so that parts of a video agree."""

HALF_WINDOW_S = Fraction(1, 20)
FLOOR_DB = -120.0


class SoundLevels:
    """Reads a track of a video beside its pictures, by its number, or the default one; the reader stays open.

    Times are those of the file: where its clock jumps they do not say where a frame's sound is, until the
    repaired times of all its pictures are known (``follow``).
    """

    def __init__(self, reader: CountingReader, time_base: Fraction, track: int | None = None) -> None:
        self._sound = AudioSource(reader)
        wanted = self._sound.tracks[track : track + 1] if track is not None else [self._sound.stream]
        self._track = next(iter(wanted), None)
        self._time_base = time_base
        self._block: int | None = None
        self._energy = np.zeros(1)  # up to each sample of the block

    @property
    def has_track(self) -> bool:
        """Whether the video has the track."""
        return self._track is not None

    def close(self) -> None:
        """Close what was opened."""
        self._sound.close()

    def follow(self, timeline: Timeline) -> None:
        """Times are those of pictures that were all decoded."""
        self._sound.follow(timeline, repaired_times=timeline.repairs)
        self._block = None

    def at(self, pts: int) -> float:
        """Returns the level from 50 ms before ``pts`` to 50 ms behind it, in dB of full scale.

        NaN without a track; ``FLOOR_DB`` where it is silent or has no sound.
        """
        if self._track is None:
            return float("nan")
        time_s = pts * self._time_base
        block = int(time_s // BLOCK_S)
        start = block * BLOCK_S - HALF_WINDOW_S
        if block != self._block:
            end = start + BLOCK_S + 2 * HALF_WINDOW_S
            samples = heard_samples(self._sound, self._track, start, end, rate_hz=RATE_HZ)
            energy = np.square(samples, dtype=np.float64).mean(axis=0)  # a mix may cancel out
            self._energy = np.concatenate([[0.0], np.cumsum(energy)])
            self._block = block
        edges = [int((time_s + side - start) * RATE_HZ) for side in (-HALF_WINDOW_S, HALF_WINDOW_S)]
        first, last = np.clip(edges, 0, len(self._energy) - 1)
        power = (self._energy[last] - self._energy[first]) / (edges[1] - edges[0])
        return round(max(FLOOR_DB, 10 * float(np.log10(power + 1e-13))), 2)
