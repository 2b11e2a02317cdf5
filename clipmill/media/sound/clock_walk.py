"""Sound of a file whose clock jumps: joined recordings, streams that were cut.

Times alone do not say where a packet belongs, for they come several times. So the file is read from its
beginning, and sound gets the repair of the pictures that lie beside it in the file, or, where its own clock
jumps alone, goes on where it ended.
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from fractions import Fraction
from typing import cast

from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from clipmill.media.decode.programme_parts import in_turn, parts_of
from clipmill.media.frames.sound_clock import SoundJump
from clipmill.media.frames.timestamps import Timeline
from clipmill.media.io.container import demuxed, open_in_file_order, video_stream
from clipmill.media.io.cursor import cursor
from clipmill.media.io.joined_files import places_of_avi
from clipmill.media.io.source import CountingReader
from clipmill.media.sound.later_file import LaterFile, header_between, later_file
from clipmill.media.sound.ogg_pages import PageEnds
from clipmill.media.sound.packets import Heard, StoredTimes

LOOK_AHEAD_S = Fraction(2)
"""How far pictures and sound of one time may lie apart in a file."""

LAG_S = 2 * LOOK_AHEAD_S
"""So far beyond the end of a clip its pictures have to be decoded before its sound can be placed."""

JUMP_S = Fraction(1)
OUTLASTS_S = Fraction(1)
"""Sound that goes on for so long beside the pictures behind a jump of their clock is theirs."""
MICROSECONDS = 10**6


class ClockWalk:
    """One track, read front to back beside the pictures; clips are asked for in ascending order.

    ``timeline`` is that of the pictures, decoded at least ``LAG_S`` beyond the end of each clip, or to their
    end. A clip that begins before the one before it makes the walk begin again. ``jumps`` are those of the
    clock of the track alone.
    """

    def __init__(
        self,
        reader: CountingReader,
        track_index: int,
        timeline: Timeline,
        jumps: Sequence[SoundJump] = (),
    ) -> None:
        self._reader, self._track_index, self._timeline = reader, track_index, timeline
        self._own_jumps = jumps
        self._ahead_s = max([Fraction(0), *(-Fraction(jump.shift_s) for jump in jumps)])
        self._stack = ExitStack()
        self._begin()

    def close(self) -> None:
        """Close the container; the reader stays open."""
        self._stack.close()

    def heard(self, start: Fraction, end: Fraction) -> list[Heard]:
        """Packets that are heard in ``[start, end)``, and one packet more at either end."""
        if start < self._from_s:
            self.close()
            self._begin()
        self._from_s = start
        while self._position < end + LOOK_AHEAD_S + self._ahead_s and self._step():
            pass
        while len(self._kept) > 1 and self._kept[1].end <= start:
            self._kept.popleft()
        behind = sum(each.start >= end for each in self._kept)
        return list(self._kept)[: len(self._kept) - max(behind - 1, 0)]

    def _begin(self) -> None:
        own = self._stack.enter_context(cursor(self._reader))
        container = self._stack.enter_context(open_in_file_order(own))
        self._own_reader, self._video = own, video_stream(container, own.uri)
        self._sound = cast(AudioStream, container.streams[self._track_index])
        parts = parts_of(container, self._video)
        packets = demuxed(container, cast("list[Stream]", [*parts, self._sound]))
        self._packets = in_turn(packets, self._video, parts)
        self._stored, self._pages = StoredTimes(), PageEnds(self._sound)
        self._kept: deque[Heard] = deque()
        self._from_s = Fraction(-(1 << 60))
        self._position = self._start_s(0)
        self._stretch = self._sound_stretch = 0
        self._is_behind_last = False
        self._outlasting, self._num_heard, self._length = list[Heard](), 0, Fraction(0)
        self._previous_dts: int | None = None
        self._sound_end: Fraction | None = None
        self._is_matroska = container.format.name.startswith("matroska")
        self._read_to, self._later = 0, cast("LaterFile | None", None)
        self._files = places_of_avi(own) if container.format.name == "avi" else []
        self._file_starts, self._file_shifts = dict[int, Fraction](), {0: Fraction(0)}

    def _step(self) -> bool:
        """Read one packet; False at the end of the file."""
        packet = None
        with suppress(FFmpegError):
            packet = next(self._packets, None)
        if self._own_reader.failure is not None:
            raise self._own_reader.failure
        if packet is None:
            for each in self._pages.rest():
                self._place(self._by_own_clock(self._in_file(each)))
            return False
        self._look_for_file(packet)
        if packet.stream_index == self._track_index:
            if self._later is not None:
                return True
            stored = self._stored.heard(cast("Packet[AudioStream]", packet), self._sound)
            for each in self._pages.take(stored) if stored is not None else ():
                self._place(self._by_own_clock(self._in_file(each)))
        elif packet.size and packet.pts is not None:
            self._see_picture(cast("Packet[VideoStream]", packet))
        return True

    def _look_for_file(self, packet: Packet[Stream]) -> None:
        """Look for a Matroska file that begins before a packet and needs its own headers for its sound."""
        if not self._is_matroska or not packet.size or packet.pos is None or packet.pos < 0:
            return
        place = header_between(self._reader, self._read_to, packet.pos) if self._read_to else None
        if place is not None:
            self._later = later_file(self._stack, self._reader, place, self._sound)
        self._read_to = packet.pos + packet.size

    def _hear_later_file(self) -> None:
        """Take in the sound of another file up to the pictures beside it."""
        shift = self._shift_s(self._stretch)
        ahead = self._position - shift + LOOK_AHEAD_S
        for stored in self._later.up_to(ahead) if self._later is not None else ():
            placed = replace(stored, start=stored.start + shift, part=self._stretch)
            self._sound_stretch, self._sound_end = self._stretch, placed.end
            if placed.start < self._end_s(self._stretch):
                self._kept.append(placed)

    def _see_picture(self, packet: Packet[VideoStream]) -> None:
        """Find where in the file a stretch ends, and the next begins."""
        stretches, pts = self._timeline.stretches, packet.pts or 0
        if self._stretch + 1 < len(stretches):
            following = stretches[self._stretch + 1]
            self._is_behind_last |= pts == following.last_before or self._jumps(packet)
            if self._is_behind_last and pts == following.first:
                self._stretch, self._is_behind_last = self._stretch + 1, False
        self._file_starts.setdefault(self._file_of(packet.pos), pts * packet.time_base)
        self._previous_dts = packet.dts
        if self._is_behind_last:  # a picture of the next stretch may be stored before the first one shown
            return
        shift = stretches[self._stretch].shift if stretches else 0
        self._position = ((packet.dts if packet.dts is not None else pts) + shift) * packet.time_base
        self._hear_later_file()

    def _file_of(self, pos: int | None) -> int:
        """The number of the file in which a packet lies, where files of avi lie one behind the other."""
        return max(bisect_right(self._files, pos or 0) - 1, 0)

    def _in_file(self, stored: Heard) -> Heard:
        """A packet of an avi begins with the pictures of its file, however long the sound before it was."""
        number = self._file_of(stored.packet.pos)
        if number not in self._file_shifts:
            begins = self._file_starts.get(number, self._position)
            self._file_shifts[number] = begins - stored.start
        shift = self._file_shifts[number]
        return replace(stored, start=stored.start + shift) if shift else stored

    def _jumps(self, packet: Packet[VideoStream]) -> bool:
        if packet.dts is None or self._previous_dts is None:
            return False
        return abs(packet.dts - self._previous_dts) * packet.time_base > JUMP_S

    def _by_own_clock(self, stored: Heard) -> Heard:
        """A packet at the time that it would have if the clock of the track had not jumped."""
        self._length = stored.length if stored.length <= JUMP_S else self._length
        stored = replace(stored, length=self._length)  # in an mp4 the one before a gap fills it
        passed = [jump.shift_s for jump in self._own_jumps if jump.number <= self._num_heard]
        self._num_heard += 1
        if not passed or not passed[-1]:
            return stored
        shift = Fraction(round(passed[-1] * MICROSECONDS), MICROSECONDS)
        return replace(stored, start=stored.start + shift, is_moved=True)

    def _place(self, stored: Heard) -> None:
        """Keep a packet at the time that fits best what was heard before it, and what is shown beside it."""
        found = self._stretch_of(stored)
        if found is None:
            return
        part = max(found, self._file_of(stored.packet.pos))
        placed = replace(stored, start=stored.start + self._shift_s(found), part=part)
        self._sound_stretch, self._sound_end = found, placed.end
        if placed.start < self._end_s(found):
            self._kept.append(placed)
            self._outlasting.clear()
        else:
            self._outlast(placed)

    def _outlast(self, placed: Heard) -> None:
        """Take in sound behind the last picture of its stretch, which would be heard over the next ones.

        It is left out, unless it goes on beside them: then the clock of the pictures jumped alone.
        """
        self._outlasting.append(placed)
        is_beside = self._stretch > self._sound_stretch and abs(self._position - placed.end) < LOOK_AHEAD_S
        if is_beside and placed.end - self._outlasting[0].start >= OUTLASTS_S:
            self._kept += [replace(each, is_moved=True) for each in self._outlasting]
            self._outlasting = self._outlasting[:1]

    def _stretch_of(self, stored: Heard) -> int | None:
        """The stretch in which a packet fits best; None if it fits in none."""
        if self._goes_on(stored, self._sound_stretch):  # also one held back up to the end of the file
            return self._sound_stretch
        expected = self._expected()
        fitting = [
            (abs(stored.start + self._shift_s(stretch) - expected), -stretch)
            for stretch in range(self._sound_stretch, min(self._stretch + 2, self._num_stretches))
            if self._may_be_in(stored, stretch, expected)
        ]
        return -min(fitting)[1] if fitting else None

    @property
    def _num_stretches(self) -> int:
        return max(len(self._timeline.stretches), 1)

    def _expected(self) -> Fraction:
        if self._sound_end is None or abs(self._sound_end - self._position) > LOOK_AHEAD_S:
            return self._position
        return self._sound_end

    def _may_be_in(self, stored: Heard, stretch: int, expected: Fraction) -> bool:
        """Whether a packet may be of a stretch: it goes on behind the last one, or is near what is shown.

        Reordered pictures of a film of one a second lie seconds before their sound in a file.
        """
        start, is_same = stored.start + self._shift_s(stretch), stretch == self._sound_stretch
        if is_same and self._goes_on(stored, stretch):
            return True
        is_begun = stretch <= self._stretch or start >= self._start_s(stretch) - LOOK_AHEAD_S
        return is_begun and abs(start - expected) <= (2 * LOOK_AHEAD_S if is_same else LOOK_AHEAD_S)

    def _goes_on(self, stored: Heard, stretch: int) -> bool:
        """Whether a packet of a stretch begins where the last one ended."""
        start = stored.start + self._shift_s(stretch)
        return self._sound_end is not None and abs(start - self._sound_end) < stored.length

    def _shift_s(self, stretch: int) -> Fraction:
        stretches = self._timeline.stretches
        return stretches[stretch].shift * self._tick_s if stretches else Fraction(0)

    def _start_s(self, stretch: int) -> Fraction:
        stretches = self._timeline.stretches
        return stretches[stretch].start_pts * self._tick_s if stretches else Fraction(0)

    def _end_s(self, stretch: int) -> Fraction:
        """Where the pictures of a stretch end."""
        is_last = stretch + 1 >= self._num_stretches
        return Fraction(1 << 60) if is_last else self._start_s(stretch + 1)

    @property
    def _tick_s(self) -> Fraction:
        return Fraction(self._video.time_base or 1)
