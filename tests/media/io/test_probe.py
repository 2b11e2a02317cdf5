import errno
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from clipmill import identity
from clipmill.errors import StoreError, TransientStoreError, UnreadableVideo
from clipmill.media.io import source
from clipmill.media.io.probe import inspect_source, probe, read_identity
from clipmill.media.io.source import open_source
from clipmill.media.io.stores import RangeStore
from clipmill.records import Inspection, SourceFile, VideoFacts, VideoReason
from clipmill.specs import LimitsSpec
from tests.support.films.scan_films import paint, tone_packets, write_film

FAST = {"preset": "ultrafast", "g": "10", "bf": "0"}


def probe_path(path: Path) -> VideoFacts:
    with open_source(str(path)) as reader:
        return probe(reader, str(path))


def inspect_path(path: Path, limits: LimitsSpec | None = None) -> Inspection:
    size_bytes = path.stat().st_size if path.exists() else 0
    return inspect_source(SourceFile(str(path), size_bytes, "sv1:x"), limits=limits or LimitsSpec())


def test_facts_of_a_film(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", range(50), options=FAST, sar=Fraction(4, 3), sound=True)
    facts = probe_path(path)
    assert (facts.video_codec, facts.pixel_format, facts.audio_codec) == ("h264", "yuv420p", "aac")
    assert (facts.width_px, facts.height_px, facts.rotation_deg) == (96, 54, 0)
    assert (facts.sar, facts.framerate) == (Fraction(4, 3), Fraction(25))
    assert (facts.num_frames, facts.duration_s) == (50, 2.0)
    with av.open(str(path)) as container:
        assert facts.bit_rate_k == container.streams.video[0].bit_rate // 1024
    assert "mp4" in facts.container


def test_codecs_have_their_own_name_not_the_decoders(tmp_path: Path) -> None:
    options = {"cpu-used": "8", "deadline": "realtime"}
    path = write_film(tmp_path / "a.webm", range(3), codec="libvpx-vp9", options=options)
    assert probe_path(path).video_codec == "vp9"


@pytest.mark.parametrize(("counterclockwise_deg", "clockwise_deg"), [(90, 270), (180, 180), (270, 90)])
def test_rotation_is_clockwise(tmp_path: Path, counterclockwise_deg: int, clockwise_deg: int) -> None:
    path = write_film(tmp_path / "a.mp4", range(3), options=FAST, counterclockwise_deg=counterclockwise_deg)
    facts = probe_path(path)
    assert facts.rotation_deg == clockwise_deg
    assert facts.shown_size_px == ((96, 54) if clockwise_deg == 180 else (54, 96))


def test_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    _write_with_cover(path, with_video=True)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    assert probe_path(path).video_codec == "h264"


def _write_with_cover(path: Path, *, with_video: bool) -> None:
    """A cover picture before everything else, then a film or only sound."""
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        video = container.add_stream("libx264", rate=25, options=FAST) if with_video else None
        tone = None if with_video else container.add_stream("aac", rate=8000, layout="mono")
        if video is not None:
            video.width, video.height, video.pix_fmt = 96, 54, "yuv420p"
        picture = av.VideoFrame.from_ndarray(paint(5, width_px=32, height_px=32), format="rgb24")
        container.mux([*cover.encode(picture), *cover.encode(None)])
        if video is not None:
            for code in range(3):
                container.mux(video.encode(av.VideoFrame.from_ndarray(paint(code), format="rgb24")))
            container.mux(video.encode(None))
        if tone is not None:
            container.mux(tone_packets(tone, num_samples=8000))


def text_file(path: Path) -> None:
    path.write_text("This is a letter, not a film.\n" * 40)


def empty_file(path: Path) -> None:
    path.touch()


def zeros(path: Path) -> None:
    path.write_bytes(bytes(5000))


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")


def without_index(path: Path) -> None:
    write_film(path, range(20), options=FAST)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        container.mux(tone_packets(stream, num_samples=8000))


def sound_with_cover(path: Path) -> None:
    _write_with_cover(path, with_video=False)


def unknown_codec(path: Path) -> None:
    write_film(path, range(5), options=FAST)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))


@pytest.mark.parametrize(
    ("spoil", "reason", "cause"),
    [
        (text_file, VideoReason.NOT_A_VIDEO, "no known video format"),
        (empty_file, VideoReason.NOT_A_VIDEO, "empty"),
        (zeros, VideoReason.NOT_A_VIDEO, "no known video format"),
        (playlist, VideoReason.NOT_A_VIDEO, "no known video format"),
        (without_index, VideoReason.UNREADABLE, "container cannot be read"),
        (sound_only, VideoReason.NO_VIDEO_STREAM, "only sound"),
        (sound_with_cover, VideoReason.NO_VIDEO_STREAM, "only sound"),
        (unknown_codec, VideoReason.UNSUPPORTED_CODEC, "no decoder"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_bad_files_are_named_with_their_cause(
    tmp_path: Path, spoil: Callable[[Path], object], reason: VideoReason, cause: str
) -> None:
    path = tmp_path / "film.mp4"
    spoil(path)
    with pytest.raises(UnreadableVideo, match=rf"film\.mp4: .*{cause}") as caught:
        probe_path(path)
    assert caught.value.reason == reason
    inspection = inspect_path(path)
    assert (inspection.reason, inspection.facts) == (reason, None)
    assert "film.mp4" in inspection.message


def test_identity_is_that_of_the_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * (20 << 10)
    (tmp_path / "a.bin").write_bytes(data)
    ranges = [data[start:end] for start, end in identity.identity_ranges(len(data))]
    with open_source(str(tmp_path / "a.bin")) as reader:
        assert read_identity(reader, len(data)) == identity.video_id(len(data), ranges)
        assert reader.bytes_read < 4 << 20


def test_good_file_is_inspected(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", range(10), options=FAST)
    inspection = inspect_path(path)
    assert inspection.reason is None
    assert inspection.facts == probe_path(path)
    assert inspection.video_id == identity.video_id(path.stat().st_size, [path.read_bytes()])
    assert 0 < inspection.bytes_read <= 2 * path.stat().st_size


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        (LimitsSpec(max_pixels=5000), "96x54 are 5184 pixels, allowed are 5000"),
        (LimitsSpec(max_duration_s=0.2), "it lasts 0.4 s, allowed are 0.2 s"),
        (LimitsSpec(max_size_bytes=100), "bytes, allowed are 100"),
    ],
    ids=["pixels", "duration", "size"],
)
def test_file_over_a_limit_is_rejected(tmp_path: Path, limits: LimitsSpec, cause: str) -> None:
    path = write_film(tmp_path / "a.mp4", range(10), options=FAST)
    inspection = inspect_path(path, limits)
    assert inspection.reason == VideoReason.OVER_LIMIT
    assert cause in inspection.message


def test_missing_file_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gone\.mp4: No such file"):
        inspect_path(tmp_path / "gone.mp4")


def test_store_failure_worth_another_try_is_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def busy(wanted: SourceFile, *, max_bytes: int) -> RangeStore:
        raise OSError(errno.EBUSY, "slow down")

    monkeypatch.setattr(source, "store_of", busy)
    with pytest.raises(TransientStoreError, match="slow down"):
        inspect_path(tmp_path / "a.mp4")
