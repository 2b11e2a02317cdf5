"""Smart cuts: exact to the frame, the source's pictures wherever they could be copied, for every reader."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av import logging
from av.video.reformatter import VideoReformatter

from clipmill.media.bitstream.h264_idr import is_idr
from clipmill.media.bitstream.nal_units import Framing
from clipmill.media.cut import smart
from clipmill.media.cut.cut import cut_clips
from clipmill.media.encode import splice_encoder
from clipmill.records import CutClip
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.numbered_films import boxes, draw, read_back, read_number, source_pts, spans

pytestmark = pytest.mark.integration


SMART = ClipTranscodingStage(encoder="smart", quality=14)  # the drawn texture is hard to encode
NUM_FRAMES = 120
CLOSED = {"bf": "3", "g": "30", "sc_threshold": "0"}
X265 = "log-level=none:pools=1:frame-threads=1"
X265_KEYS = f"keyint=30:scenecut=0:b-adapt=0:bframes=3:{X265}"
X264_KEYS = "keyint=30:scenecut=0"
VFR = [sum((3600, 1800, 9000)[i % 3] for i in range(n)) for n in range(NUM_FRAMES)]
FILMS: dict[str, dict[str, object]] = {
    "closed.mp4": {"options": CLOSED, "audio": "aac"},
    "pyramid.mp4": {"options": {"x264-params": "keyint=30:scenecut=0:bframes=5:b-pyramid=normal:b-adapt=0"}},
    "open.mp4": {"options": {"x264-params": f"open-gop=1:bframes=3:b-pyramid=none:b-adapt=0:{X264_KEYS}"}},
    "open_pyramid.mp4": {"options": {"x264-params": f"open-gop=1:bframes=5:b-adapt=0:ref=4:{X264_KEYS}"}},
    "open_slices.mp4": {
        "options": {"x264-params": f"open-gop=1:bframes=3:slices=3:ref=5:weightp=2:{X264_KEYS}"}
    },
    "open_cavlc.mkv": {"options": {"x264-params": f"open-gop=1:bframes=2:cabac=0:no-deblock=1:{X264_KEYS}"}},
    "open.ts": {"options": {"x264-params": f"open-gop=1:bframes=4:b-adapt=0:{X264_KEYS}"}, "audio": "aac"},
    "no_b.mp4": {"options": {"bf": "0", "g": "30", "sc_threshold": "0"}},
    "cavlc.mp4": {"options": {"profile": "baseline", "g": "30", "sc_threshold": "0"}},
    "vfr.mp4": {"options": CLOSED, "pts": VFR},
    "film.ts": {"options": CLOSED, "audio": "aac"},
    "film.mkv": {
        "options": CLOSED,
        "time_base": Fraction(1, 1000),
        "pts": [40 * i for i in range(NUM_FRAMES)],
    },
    "full_range.mp4": {"options": CLOSED, "pixel_format": "yuvj420p"},
    "444.mp4": {"options": CLOSED, "pixel_format": "yuv444p"},
    "ten_bit.mp4": {"options": CLOSED, "pixel_format": "yuv420p10le"},
    "wide_pixels.mp4": {"options": CLOSED, "sar": Fraction(4, 3)},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": f"open-gop=0:{X265_KEYS}"}},
    "hevc_open.mp4": {"codec": "libx265", "options": {"x265-params": f"open-gop=1:{X265_KEYS}"}},
    "hevc.ts": {"codec": "libx265", "options": {"x265-params": f"open-gop=1:{X265_KEYS}"}},
    "hevc_ten_bit.mp4": {
        "codec": "libx265",
        "pixel_format": "yuv420p10le",
        "options": {"x265-params": f"open-gop=1:{X265_KEYS}"},
    },
}
CUTS = [(0, 44), (7, 100), (30, 90), (29, 119), (31, 120)]
Film = Callable[[str], Path]
Cut = Callable[[str], list[CutClip]]
EACH = pytest.mark.parametrize("name", FILMS)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    directory = tmp_path_factory.mktemp("smart")

    @cache
    def drawn(name: str) -> Path:
        return draw(directory / name, NUM_FRAMES, **FILMS[name])

    return drawn


def cut(path: Path, out: Path, *cuts: tuple[int, int], spec: ClipTranscodingStage = SMART) -> list[CutClip]:
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base or Fraction(1)
    times = source_pts(path)
    clips = spans(len(times) - 1, *cuts, pts=times, time_base=time_base)
    return cut_clips(str(path), clips, spec.options(), out_dir=str(out), min_length_s=0.2)


@pytest.fixture(scope="session")
def clips(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Cut:
    return cache(lambda name: cut(film(name), tmp_path_factory.mktemp("clips"), *CUTS))


@cache
def pictures(path: str) -> list[np.ndarray]:
    with av.open(path) as container:
        convert = VideoReformatter()
        frames = container.decode(container.streams.video[0])
        return [convert.reformat(frame, format="rgb24", threads=1).to_ndarray() for frame in frames]


def key_indices(path: str) -> list[int]:
    """Indices, by display, of the key pictures of a file."""
    with av.open(path) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
    order = sorted(packet.pts or 0 for packet in packets)
    return [order.index(packet.pts or 0) for packet in packets if packet.is_keyframe]


@EACH
def test_a_clip_holds_exactly_its_frames_at_their_times(film: Film, clips: Cut, name: str) -> None:
    path = film(name)
    times = source_pts(path)
    for clip, (start, end) in zip(clips(name), CUTS, strict=True):
        numbers, shown = read_back(clip.path)
        assert (clip.clip_mode, clip.mode_reason) == ("smart", "")
        assert numbers == list(range(start, end))
        assert shown == [pts - times[start] for pts in times[start:end]]
        assert clip.num_frames == end - start


@EACH
def test_most_pictures_are_the_sources_and_the_others_are_near(film: Film, clips: Cut, name: str) -> None:
    whole = pictures(str(film(name)))
    for clip, (start, end) in zip(clips(name), CUTS, strict=True):
        ours = pictures(clip.path)
        equal = [bool(np.array_equal(a, b)) for a, b in zip(ours, whole[start:end], strict=True)]
        first_key = -start % 30
        assert all(equal[first_key : end - start - 6]), equal
        differ = [np.abs(a.astype(int) - b).mean() for a, b in zip(ours, whole[start:end], strict=True)]
        assert max(differ) <= 3


@EACH
def test_opencv_reads_the_same_frames(clips: Cut, name: str) -> None:
    for clip, (start, end) in zip(clips(name), CUTS, strict=True):
        capture, numbers = cv2.VideoCapture(clip.path), []
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == end - start
        while (read := capture.read())[0]:
            numbers.append(read_number(read[1]))
        assert numbers == list(range(start, end))


@EACH
def test_reading_may_begin_at_every_key_picture(clips: Cut, name: str) -> None:
    """As readers with an index do: from a key packet on, after others have been decoded."""
    clip = clips(name)[1]
    whole = pictures(clip.path)
    keys = key_indices(clip.path)
    assert len(keys) >= 3
    with av.open(clip.path) as container:
        stream = container.streams.video[0]
        shown = [frame.pts or 0 for frame in container.decode(stream)]
        for index in reversed(keys):
            container.seek(shown[index], stream=stream)
            frame = next(frame for frame in container.decode(stream) if frame.pts == shown[index])
            assert np.array_equal(frame.to_ndarray(format="rgb24"), whole[index])


@pytest.mark.parametrize("name", ["closed.mp4", "film.ts", "hevc_open.mp4"])
def test_no_edit_list_is_written_and_the_index_is_at_the_front(film: Film, tmp_path: Path, name: str) -> None:
    (clip,) = cut(film(name), tmp_path, (7, 100))
    found = list(boxes(Path(clip.path).read_bytes()))
    assert found.index("/moov") < found.index("/mdat")
    assert not [box for box in found if "elst" in box]


@pytest.mark.parametrize(("name", "entry"), [("closed.mp4", b"avc3"), ("hevc_open.mp4", b"hev1")])
def test_the_sample_entry_allows_parameter_sets_in_packets(
    film: Film, tmp_path: Path, name: str, entry: bytes
) -> None:
    (clip,) = cut(film(name), tmp_path, (7, 100))
    assert entry in Path(clip.path).read_bytes()


@pytest.mark.parametrize("name", ["closed.mp4", "film.ts"])
def test_the_sound_begins_with_the_picture(film: Film, tmp_path: Path, name: str) -> None:
    spliced, encoded = (
        cut(film(name), tmp_path / spec.encoder, (7, 100), spec=spec)[0]
        for spec in (SMART, ClipTranscodingStage())
    )
    assert spliced.has_audio
    assert sound_of(spliced.path) == sound_of(encoded.path)


def sound_of(path: str) -> list[tuple[int | None, bytes]]:
    with av.open(path) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


def test_a_smart_clip_is_smaller_work(film: Film, tmp_path: Path) -> None:
    beats: list[int] = []
    times = source_pts(film("no_b.mp4"))
    clips = spans(NUM_FRAMES, (30, 90), pts=times, time_base=Fraction(1, 12800))
    out = str(tmp_path)
    cut_clips(
        str(film("no_b.mp4")), clips, SMART.options(), out_dir=out, min_length_s=0.2, heartbeat=beats.append
    )
    assert beats == [1]  # the clip; no frame was decoded


def test_two_runs_write_the_same_bytes(film: Film, tmp_path: Path) -> None:
    for name in ("closed.mp4", "hevc_open.mp4"):
        first, second = (cut(film(name), tmp_path / run, (7, 100))[0] for run in "ab")
        assert Path(first.path).read_bytes() == Path(second.path).read_bytes()


def test_pixel_aspect_is_carried_over(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("wide_pixels.mp4"), tmp_path, (7, 100))
    with av.open(clip.path) as container:
        stream = container.streams.video[0]
        assert {frame.width for frame in container.decode(stream)} == {128}
        assert stream.sample_aspect_ratio == Fraction(4, 3)


# --- what cannot be spliced


def test_a_span_without_key_picture_is_encoded(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("closed.mp4"), tmp_path, (31, 58))
    assert (clip.clip_mode, clip.mode_reason) == ("encode", "no key picture inside the span")
    assert read_back(clip.path)[0] == list(range(31, 58))


def test_a_span_of_which_next_to_nothing_can_be_copied_is_encoded(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("no_b.mp4"), tmp_path, (31, 61))
    assert (clip.clip_mode, clip.mode_reason) == ("encode", "only 1 of 30 frames could be copied")
    assert clip.num_frames == 30


@pytest.mark.parametrize("codec", ["libvpx-vp9", "mpeg4"])
def test_a_codec_that_is_not_spliced_is_named(tmp_path: Path, codec: str) -> None:
    path = draw(tmp_path / "film.mkv", 30, codec=codec, time_base=Fraction(1, 25), pts=list(range(30)))
    (clip,) = cut(path, tmp_path / "out", (3, 20))
    assert (clip.clip_mode, clip.video_codec) == ("encode", "h264")
    assert clip.mode_reason.startswith("no splicing of ")
    assert read_back(clip.path)[0] == list(range(3, 20))


def test_a_rotated_film_is_encoded(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mp4", 30, options={"g": "10"}, rotation=90)
    (clip,) = cut(path, tmp_path / "out", (3, 28))
    assert (clip.clip_mode, clip.width) == ("encode", 72)


def test_interlaced_pictures_are_not_spliced(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mp4", 60, options={"g": "20", "x264-params": "tff=1", "sc_threshold": "0"})
    (clip,) = cut(path, tmp_path / "out", (3, 55))
    assert clip.mode_reason == "an end could not be encoded: its pictures are interlaced"
    assert clip.num_frames == 52


def test_fields_of_open_gops_are_not_rewritten_even_where_no_end_is_encoded(tmp_path: Path) -> None:
    keys = "tff=1:open-gop=1:bframes=2:b-adapt=0:keyint=20:min-keyint=20:scenecut=0"
    path = draw(tmp_path / "film.mp4", 60, options={"x264-params": keys})
    (clip,) = cut(path, tmp_path / "out", (key_indices(str(path))[1], 60))
    assert (clip.clip_mode, clip.mode_reason) == ("encode", "its pictures may be interlaced")
    assert clip.num_frames == len(read_back(clip.path)[0]) >= 38


def test_without_the_encoder_of_its_codec_a_clip_is_encoded_by_another(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(splice_encoder.SPLICE_ENCODERS, "h264", "libx999")
    (clip,) = cut(film("closed.mp4"), tmp_path, (7, 100))
    assert clip.clip_mode == "encode"
    assert "an end could not be encoded" in clip.mode_reason


def test_a_fault_of_the_splice_leaves_the_clip_to_an_encoder(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no such entry")

    monkeypatch.setattr(smart, "write_run", fail)
    (clip,) = cut(film("closed.mp4"), tmp_path, (7, 100))
    assert (clip.clip_mode, clip.mode_reason) == ("encode", "splicing failed: no such entry")


def test_short_lengths_of_units_are_named() -> None:
    with pytest.raises(ValueError, match="less than four bytes"):
        Framing("h264", bytes([1, 100, 0, 31, 0xFD, 0xE0, 0]))


@pytest.mark.parametrize("name", [name for name in FILMS if name.startswith("open")])
def test_a_decoder_finds_no_fault_with_what_began_as_an_open_gop(clips: Cut, name: str) -> None:
    for clip in clips(name):
        before = logging.get_level()
        logging.set_level(logging.WARNING)
        try:
            with logging.Capture() as said, av.open(clip.path) as container:
                assert [*container.decode(video=0)]
        finally:
            logging.set_level(before)
        assert said == []


@pytest.mark.parametrize("name", [name for name in FILMS if name.startswith("open")])
def test_a_reader_may_jump_only_to_pictures_that_need_nothing_before(clips: Cut, name: str) -> None:
    with av.open(clips(name)[1].path) as container:
        stream = container.streams.video[0]
        framing = Framing("h264", stream.codec_context.extradata or b"")
        packets = [packet for packet in container.demux(stream) if packet.size]
        indexed = [entry.is_keyframe for entry in stream.index_entries]  # a demuxer marks recovery points too
        assert indexed == [is_idr(framing.split(bytes(packet))) for packet in packets]


def test_a_gradual_refresh_is_encoded(tmp_path: Path) -> None:
    options = {"x264-params": "intra-refresh=1:keyint=30"}
    path = draw(tmp_path / "refresh.mp4", 90, options=options)
    (clip,) = cut(path, tmp_path / "out", (7, 80))
    assert (clip.clip_mode, clip.mode_reason) == ("encode", "no key picture inside the span")
