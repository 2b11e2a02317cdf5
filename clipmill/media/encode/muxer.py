"""Opens the files clips are written to: no edit list, no time, host or library name, index at the front.

mp4 with reordered pictures needs either an edit list, which training readers misread, or negative composition
offsets (ISO/IEC 14496-12, ctts version 1), which all of them read.
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction

import av
from av.error import FFmpegError
from av.packet import Packet

_ALWAYS = {"fflags": "+bitexact", "max_interleave_delta": "0"}
_OF_SUFFIX = {
    ".mp4": {"movflags": "+faststart+negative_cts_offsets", "use_editlist": "0"},
    ".webm": {"cues_to_front": "1"},
    ".mkv": {"cues_to_front": "1"},
}


class ClipFile:
    """A file being written; it has its name only once it is whole.

    Streams are added to ``output``; an mp4's picture times are in ``time_base``'s denominator. ``sound``
    holds the audio packets, in order, set before the first ``mux``: they go in between the pictures.
    """

    def __init__(self, path: str, *, time_base: Fraction) -> None:
        stem, self.suffix = os.path.splitext(path)
        self.path = path
        self._unfinished = f"{stem}.part{self.suffix}"
        options = _ALWAYS | _OF_SUFFIX[self.suffix]
        if self.suffix == ".mp4":
            options["video_track_timescale"] = str(time_base.denominator)
        self.output = av.open(self._unfinished, "w", options=options)
        self.sound: Iterator[Packet] = iter(())
        self._next_sound: Packet | None = None

    def mux(self, pictures: Iterable[Packet]) -> None:
        """Write picture packets, each after the sound that is heard before it."""
        for picture in pictures:
            self._mux_sound_until((picture.dts or 0) * picture.time_base)
            self.output.mux_one(picture)

    def keep(self) -> None:
        """Finish the file and give it its name."""
        self._mux_sound_until(None)
        self.output.close()
        os.replace(self._unfinished, self.path)

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(FFmpegError):  # the trailer of a file that is thrown away
            self.output.close()
        with suppress(FileNotFoundError):
            os.remove(self._unfinished)

    def _mux_sound_until(self, time: Fraction | None) -> None:
        while True:
            packet = self._next_sound or next(self.sound, None)
            self._next_sound = packet
            if packet is None or (time is not None and (packet.pts or 0) * packet.time_base > time):
                return
            self.output.mux_one(packet)
            self._next_sound = None
