"""Packets of several video streams in one row, as the order of a file tells. Letters are packets."""

from dataclasses import dataclass
from typing import cast

import pytest
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from clipmill.media.decode import programme_parts
from clipmill.media.decode.programme_parts import in_turn


@dataclass(frozen=True)
class Numbered:
    """Stands for a packet, or a stream: their index is all that counts."""

    index: int
    pos: int | None = None

    @property
    def stream_index(self) -> int:
        return self.index

    @property
    def size(self) -> int:
        return 1


def in_one_row(letters: str) -> str:
    """Streams A to C are videos, S is sound; A is the first."""
    videos = cast("list[VideoStream]", [Numbered(index) for index in range(3)])
    packets = cast("list[Packet[Stream]]", [Numbered("ABCS".index(letter)) for letter in letters])
    return "".join("ABCS"[packet.stream_index] for packet in in_turn(iter(packets), videos[0], videos))


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("AASAAS", "AASAAS"),
        ("ABABABBA", "AAAA"),
        ("BBBBBABAB", "AA"),
        ("AASBSBBSB", "AASSBBBSB"),
        ("AABBBBCCCC", "AABBBBCCCC"),
        ("AABBBBAAAA", "AABBBBAAAA"),
        ("AABBBBA", "AABBBB"),
        ("AAABB", "AAABB"),
        ("AABBABBBBB", "AAA"),
    ],
    ids=[
        "one video",
        "two beside each other",
        "another one begins first",
        "another one goes on, sound does not wait",
        "three behind each other",
        "the first comes back",
        "a packet that was held back",
        "a short one at the end",
        "one that was beside it stays out",
    ],
)
def test_packets_in_one_row(monkeypatch: pytest.MonkeyPatch, letters: str, expected: str) -> None:
    monkeypatch.setattr(programme_parts, "ENOUGH_PACKETS", 3)
    assert in_one_row(letters) == expected


def test_a_packet_that_was_held_back_does_not_end_the_stream_behind_it() -> None:
    places = [(0, 0), (0, 10), (1, 30), (1, 40), (0, 20)]
    packets = cast("list[Packet[Stream]]", [Numbered(index, pos) for index, pos in places])
    videos = cast("list[VideoStream]", [Numbered(index) for index in range(2)])
    taken = [packet.pos for packet in in_turn(iter(packets), videos[0], videos)]
    assert taken == [0, 10, 20, 30, 40]
