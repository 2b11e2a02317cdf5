"""The tracks of sound of a container, as their packets pass beside those of the pictures."""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from collections import Counter

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from clipmill.media.bitstream.digest import AudioDigest, joined_digest
from clipmill.media.frames.sound_clock import SoundClock
from clipmill.media.io.container import decodable_sound, default_of, is_sorted_by_time

COMPARED_PACKETS = 4
"""One packet of sound in so many is compared with the pictures beside it."""


class SoundTracks:
    """Digests of the tracks, and jumps of their clocks.

    ``stream`` are the pictures from which delays count. ``has_clocks`` is False where a track has none to
    compare, as in joined avi. ``num_jumps`` is how often the clock of a track jumped so far where that of the
    pictures did not.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, has_clocks: bool) -> None:
        self.num_jumps = 0
        tracks = decodable_sound(container)
        default = default_of(tracks)
        self._default_index = None if default is None else default.index
        self._digests = {
            track.index: AudioDigest(
                track.codec_context.codec.canonical_name, track.codec_context.extradata or b""
            )
            for track in tracks
        }
        self._clocks = {index: SoundClock() for index in self._digests} if has_clocks else {}
        self._num_packets = Counter[int]()
        self._is_sorted = is_sorted_by_time(container)
        self._seconds_per_tick = [float(each.time_base or 0) for each in container.streams]
        self._starts_s: dict[int, float] = {}
        self._first_index = stream.index
        self._picture_dts: tuple[int, int | None] = (stream.index, None)
        self._pictures_end_s = 0.0

    @property
    def digest(self) -> str | None:
        """Digest of the default track's packets so far, and of their delay; None without sound."""
        if self._default_index is None:
            return None
        sound_s, pictures_s = (self._starts_s.get(each) for each in (self._default_index, self._first_index))
        late_s = 0.0 if sound_s is None or pictures_s is None else sound_s - pictures_s
        return self._digests[self._default_index].digest(late_s=late_s)

    @property
    def other_digest(self) -> str:
        """Digest of the packets of all other tracks so far; empty where there are none."""
        others = [each.digest() for index, each in self._digests.items() if index != self._default_index]
        return joined_digest(sorted(others)) if others else ""

    def see_picture(self, packet: Packet[Stream], *, end_s: float) -> None:
        """Takes in a packet of pictures, which ends at ``end_s``."""
        self._begin(packet)
        self._picture_dts = (packet.stream_index, packet.dts)
        self._pictures_end_s = max(self._pictures_end_s, end_s)

    def see(self, packet: Packet[Stream]) -> None:
        """Takes in a packet of another stream; of one that is no sound nothing is kept."""
        index = packet.stream_index
        if index not in self._digests:
            return
        self._begin(packet)
        self._digests[index].update(bytes(packet))
        self._num_packets[index] += 1
        if index in self._clocks and self._num_packets[index] % COMPARED_PACKETS == 0:
            self._compare(self._clocks[index], packet)

    def end(self) -> None:
        """The last packet was seen."""
        for clock in self._clocks.values():
            clock.end(self._pictures_end_s)
            self.num_jumps = max(self.num_jumps, clock.num_jumps)

    def _begin(self, packet: Packet[Stream]) -> None:
        if packet.stream_index not in self._starts_s and not packet.is_discard:
            self._starts_s[packet.stream_index] = self._seconds(packet.stream_index, packet.pts or 0)

    def _compare(self, clock: SoundClock, packet: Packet[Stream]) -> None:
        """Compare the times of a packet with those of the pictures beside which it lies."""
        picture_index, dts = self._picture_dts
        if packet.pts is None or dts is None:
            return
        start_s = self._seconds(packet.stream_index, packet.pts)
        beside_s = start_s if self._is_sorted else self._seconds(picture_index, dts)
        clock.see(start_s, self._seconds(packet.stream_index, packet.duration or 0), beside_s=beside_s)
        self.num_jumps = max(self.num_jumps, clock.num_jumps)

    def _seconds(self, stream_index: int, ticks: int) -> float:
        return ticks * self._seconds_per_tick[stream_index]
