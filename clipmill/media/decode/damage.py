"""What is damaged or missing in a video: in words, and frame by frame."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections.abc import Callable
from dataclasses import dataclass, replace

from av.packet import Packet
from av.video.stream import VideoStream

from clipmill.media.io.source import CountingReader
from clipmill.media.types import DamagedFrames

MAX_CAUSES, MAX_RUNS = 8, 10_000
MISSING_S = 0.1
"""A gap between the packets of an mp4 from which on fragments may be missing."""
MAX_GAPS = 20
"""Gaps that are looked into: a file with more has frames that are shown for long."""
END_OF_JPEG = b"\xff\xd9"
FRAGMENT_BYTES = 4 << 20
"""How far before a packet the number of its fragment is looked for."""


@dataclass
class _Fault:
    first_s: float
    last_s: float
    count: int = 1

    def words(self, cause: str) -> str:
        more = f" ({self.count} times, last at {self.last_s:.3f} s)" if self.count > 1 else ""
        return f"at {self.first_s:.3f} s: {cause}{more}"


class Damage:
    """What could not be decoded. Each cause is named once, with its first place and how often it came."""

    def __init__(self) -> None:
        self._faults: dict[str, _Fault] = {}
        self._runs: list[DamagedFrames] = []
        self._num_unnamed = 0

    def note(self, cause: str, *, at_s: float) -> None:
        """Remember a fault met ``at_s`` seconds after the first frame."""
        fault = self._faults.get(cause)
        if fault is not None:
            fault.last_s, fault.count = at_s, fault.count + 1
        elif len(self._faults) < MAX_CAUSES:
            self._faults[cause] = _Fault(at_s, at_s)
        else:
            self._num_unnamed += 1

    def patched(self, frame: int) -> None:
        """The decoder patched a frame of this number."""
        last = self._runs[-1] if self._runs else None
        follows = last is not None and not last.num_lost and last.start_frame + last.num_patched == frame
        if last is not None and (follows or len(self._runs) == MAX_RUNS):
            self._runs[-1] = replace(last, num_patched=last.num_patched + 1)
        else:
            self._runs.append(DamagedFrames(frame, num_patched=1))

    def lost(self, frame: int) -> None:
        """A picture is missing, in whose place the frame of this number is shown for longer."""
        last = self._runs[-1] if self._runs else None
        same = last is not None and not last.num_patched and last.start_frame == frame
        if last is not None and (same or len(self._runs) == MAX_RUNS):
            self._runs[-1] = replace(last, num_lost=last.num_lost + 1)
        else:
            self._runs.append(DamagedFrames(frame, num_lost=1))

    @property
    def frames(self) -> tuple[DamagedFrames, ...]:
        """The damaged frames so far."""
        return tuple(self._runs)

    def __bool__(self) -> bool:
        return bool(self._faults)

    def __str__(self) -> str:
        named = [fault.words(cause) for cause, fault in self._faults.items()]
        return "; ".join([*named, *([f"{self._num_unnamed} more faults"] if self._num_unnamed else [])])


def is_cut(packet: Packet[VideoStream]) -> bool:
    """Returns True for a packet that the demuxer calls corrupt: a JPEG picture that has its end is not."""
    is_jpeg = packet.stream.codec_context.codec.canonical_name == "mjpeg"
    return packet.is_corrupt and not (is_jpeg and bytes(packet).rstrip(b"\r\n").endswith(END_OF_JPEG))


class MissingFragments:
    """Finds fragments that an mp4 or mov lacks: packets that begin late, in a fragment of a higher number."""

    def __init__(self, reader: CountingReader) -> None:
        self._reader = reader
        self._due: int | None = None
        self._num_gaps = 0

    def see(self, packet: Packet[VideoStream], note: Callable[[str, float], None], tick_s: float) -> None:
        """The next packet of the video; ``tick_s`` are the seconds of a tick of its clock."""
        dts, due = packet.dts, self._due
        if dts is None:
            return
        self._due = dts + (packet.duration or 0)
        if (
            due is None
            or (dts - due) * tick_s < MISSING_S
            or packet.pos is None
            or self._num_gaps == MAX_GAPS
        ):
            return
        self._num_gaps += 1
        numbers = _fragments_before(self._reader, packet.pos)
        num_missing = numbers[1] - numbers[0] - 1 if len(numbers) == 2 else 0
        if num_missing > 0:
            note(f"{num_missing} fragments of {(dts - due) * tick_s:.3f} s are missing", due * tick_s)


def _fragments_before(reader: CountingReader, place: int) -> list[int]:
    """The numbers of the last two fragments that begin before a place in the file."""
    data = reader.read_range(max(0, place - FRAGMENT_BYTES), place)
    numbers: list[int] = []
    at = len(data)
    while len(numbers) < 2 and (at := data.rfind(b"mfhd", 0, at)) >= 0:
        numbers.insert(0, int.from_bytes(data[at + 8 : at + 12], "big"))
    return numbers
