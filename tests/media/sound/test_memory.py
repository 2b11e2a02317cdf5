"""Memory that runs out is no fault of a film."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import av
import av.error
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from clipmill.media.sound.judgement import decoded
from clipmill.media.sound.packets import Heard, StoredTimes
from tests.support.films.chirps import draw_chirp

pytestmark = pytest.mark.integration


@dataclass
class _Faulty:
    """A stream of which no packet decodes."""

    error: Exception
    index: int = 0
    time_base: object = None
    codec_context: object = field(default_factory=lambda: SimpleNamespace(flush_buffers=lambda: None))

    def decode(self, packet: Packet) -> list[AudioFrame]:
        raise self.error


def packets_of(path: Path, error: Exception) -> list[Heard]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        faulty = cast(AudioStream, _Faulty(error, time_base=stream.time_base))
        times = StoredTimes()
        found = [times.heard(packet, stream) for packet in container.demux(stream)][:3]
    return [Heard(each.packet, faulty, each.start, each.length) for each in found if each is not None]


def test_a_packet_for_which_memory_ran_out_is_not_called_damaged(tmp_path: Path) -> None:
    path = draw_chirp(tmp_path / "a.mp4", 25)
    failed: list[int] = []
    with pytest.raises(MemoryError):
        list(decoded(packets_of(path, av.error.MemoryError(12, "Cannot allocate memory")), failed))
    assert not failed
    list(decoded(packets_of(path, av.error.InvalidDataError(1, "Invalid data")), failed))
    assert failed == [0, 1, 2]
