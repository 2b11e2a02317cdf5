"""Every damaged film ends in facts and clips, or in an outcome with a name."""

import random
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from clipmill.errors import CodecChildDied, UnreadableVideo
from clipmill.limits import LimitsSpec
from clipmill.media.cut.cut import cut_clips
from clipmill.media.io import container
from clipmill.media.io.probe import inspect_source
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.sound import source as sound_source
from clipmill.media.types import ScanArrays
from clipmill.records import ClipSpan, FrameSpan, SourceFile
from clipmill.sandbox.process import CodecChild
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.damaged_films import CONTAINERS, DAMAGES, write
from tests.support.scan_plans import plan_of

pytestmark = pytest.mark.integration

PLAN = plan_of(frames_fps=4.0, motion_fps=4.0)
SEEDS = range(7)
LIMITS = LimitsSpec()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("films")
    return {
        name: write(folder / f"{name}.{kind.suffix}", kind).read_bytes() for name, kind in CONTAINERS.items()
    }


@pytest.fixture(scope="module")
def child() -> Iterator[CodecChild]:
    with CodecChild(memory_limit_bytes=4 << 30) as child:
        yield child


@pytest.mark.parametrize("name", CONTAINERS)
def test_film_that_is_whole_is_cut(
    films: dict[str, bytes], child: CodecChild, tmp_path: Path, name: str
) -> None:
    assert _outcome(child, tmp_path / f"whole.{CONTAINERS[name].suffix}", films[name]) == "cut"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CONTAINERS)
def test_damaged_film_has_an_outcome(
    films: dict[str, bytes], child: CodecChild, tmp_path: Path, name: str, seed: int
) -> None:
    rng = random.Random(f"{name} {seed}")
    data = bytearray(films[name])
    damage = list(DAMAGES.values())[seed % len(DAMAGES)]
    damage(data, films[rng.choice(list(films))], rng)
    outcome = _outcome(child, tmp_path / f"damaged.{CONTAINERS[name].suffix}", bytes(data))
    assert outcome in {"cut", "rejected"}


def _outcome(child: CodecChild, path: Path, data: bytes) -> str:
    """Looked at, scanned and cut in every way, in a codec process; what has no name is raised."""
    path.write_bytes(data)
    source, spool, limits = SourceFile(str(path), len(data), ""), str(path.parent / "spool"), LIMITS
    try:
        child.run(inspect_source, source, limits=limits, timeout_s=30, stall_s=30)
        facts = child.run(scan, source, PLAN, spool, limits=limits, timeout_s=30, stall_s=30)
        for encoder in ("libx264", "smart", "copy"):
            cuts = child.run(
                cut_clips,
                source,
                _halves(load_arrays(spool)),
                ClipTranscodingStage(encoder=encoder).options(),
                out_dir=str(path.parent / encoder),
                min_length_s=0.1,
                repaired_times=facts.repaired_times,
                timeout_s=30,
                stall_s=30,
            )
            assert all(cut.path or cut.message for cut in cuts)
    except (UnreadableVideo, CodecChildDied):
        return "rejected"
    return "cut"


def _halves(arrays: ScanArrays) -> list[ClipSpan]:
    num = len(arrays.is_key)
    assert (np.diff(arrays.pts) > 0).all()
    pairs = [(0, num // 2), (num // 2, num)] if num > 1 else [(0, num)]
    return [
        ClipSpan(
            f"{start}",
            FrameSpan(start, end),
            int(arrays.pts[start]),
            int(arrays.pts[end]),
            float(arrays.times_s[start]),
            float(arrays.times_s[end]),
        )
        for start, end in pairs
    ]


def test_stream_that_begins_where_sound_is_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyAV fails so at the packet of a stream that began after the container was opened."""
    path = write(tmp_path / "a.mkv", CONTAINERS["mkv"])
    demuxed = container.demuxed

    def growing(film: InputContainer, streams: list[Stream]) -> Iterator[Packet]:
        return demuxed(_Growing(film), streams)  # type: ignore[arg-type] - a stand-in

    monkeypatch.setattr(sound_source, "demuxed", growing)
    span = ClipSpan("a", FrameSpan(0, 20), 0, 800, 0.0, 0.8)
    options = ClipTranscodingStage().options()
    (cut,) = cut_clips(str(path), [span], options, out_dir=str(tmp_path / "out"), min_length_s=0.1)
    with av.open(cut.path) as clip:
        sound = [packet for packet in clip.demux(clip.streams.audio[0]) if packet.size]
    assert sum(packet.duration or 0 for packet in sound) * sound[0].time_base >= 0.7


class _Growing:
    def __init__(self, film: InputContainer) -> None:
        self._film, self.format, self._num_begun = film, film.format, 0

    def demux(self, streams: list[Stream]) -> Iterator[Packet]:
        self._num_begun += 1
        for number, packet in enumerate(self._film.demux(streams)):
            yield packet
            if number == 2 and self._num_begun == 1:
                raise IndexError("list index out of range")
