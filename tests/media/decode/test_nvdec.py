"""Frames by way of NVDEC are those of FFmpeg's decoder: samples, times, key pictures, tags. No GPU needed."""

from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.decode.nvdec import NvdecDecoder, NvdecFault, nv_library
from tests.support.films.container_films import ENCODERS, edit
from tests.support.films.scan_films import write_film
from tests.support.machine import HAS_NVIDIA_DRIVER
from tests.support.stand_ins.nv_stand_in import Library

pytestmark = pytest.mark.integration


NUM_FRAMES = 25


def decoded(path: Path, library: Library | None) -> list[av.VideoFrame]:
    """All frames of a film; by FFmpeg's decoder without a library."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        decode = NvdecDecoder(stream, library=library).decode if library else stream.decode
        packets = [packet for packet in container.demux(stream) if packet.size]
        return [frame for packet in [*packets, None] for frame in decode(packet)]


def samples(frame: av.VideoFrame) -> list[bytes]:
    """The samples of each plane, without what pads its lines."""
    kind = np.uint8 if frame.format.components[0].bits == 8 else np.dtype("<u2")
    planes = [np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1) for plane in frame.planes]
    return [lines[:, : plane.width].tobytes() for lines, plane in zip(planes, frame.planes, strict=True)]


def seen(frame: av.VideoFrame) -> tuple[object, ...]:
    return (
        frame.pts, frame.width, frame.height, frame.format.name, frame.key_frame,
        frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc,
    )  # fmt: skip


def assert_same(path: Path) -> None:
    ours, theirs = decoded(path, Library()), decoded(path, None)
    assert [seen(frame) for frame in ours] == [seen(frame) for frame in theirs]
    assert [samples(frame) for frame in ours] == [samples(frame) for frame in theirs]


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "av1", "mpeg2"])
def test_frames_are_those_of_the_decoder_of_ffmpeg(codec: str, tmp_path: Path) -> None:
    encoder, options = ENCODERS[codec]
    film = write_film(tmp_path / "film.mkv", range(NUM_FRAMES), codec=encoder, options=options)
    assert len(decoded(film, Library())) == NUM_FRAMES
    assert_same(film)


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_length_prefixes_and_start_codes_are_both_understood(suffix: str, tmp_path: Path) -> None:
    encoder, options = ENCODERS["h264"]
    assert_same(write_film(tmp_path / f"film.{suffix}", range(NUM_FRAMES), codec=encoder, options=options))


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    encoder, options = ENCODERS["hevc"]
    film = tmp_path / "film.mp4"
    assert_same(write_film(film, range(12), codec=encoder, options=options, pixel_format="yuv420p10le"))


def test_odd_sizes_keep_their_last_line_and_column(tmp_path: Path) -> None:
    encoder, options = ENCODERS["vp9"]
    assert_same(write_film(tmp_path / "film.mkv", range(9), codec=encoder, options=options, size_px=(97, 55)))


def test_frames_outside_the_edit_list_are_left_out(tmp_path: Path) -> None:
    encoder, options = ENCODERS["h264"]
    film = write_film(tmp_path / "film.mp4", range(NUM_FRAMES), codec=encoder, options=options)
    edit(film, [(10, 7)])
    assert_same(film)


def test_the_first_frame_brings_the_rotation(tmp_path: Path) -> None:
    encoder, options = ENCODERS["h264"]
    film = tmp_path / "film.mp4"
    write_film(film, range(5), codec=encoder, options=options, counterclockwise_deg=90)
    assert "DISPLAYMATRIX" in decoded(film, Library())[0].side_data


def test_a_film_of_one_frame_has_one(tmp_path: Path) -> None:
    encoder, options = ENCODERS["h264"]
    assert_same(write_film(tmp_path / "film.mp4", [0], codec=encoder, options=options))


def test_a_codec_that_nvdec_lacks_is_named(tmp_path: Path) -> None:
    encoder, options = ENCODERS["mpeg4"]
    film = write_film(tmp_path / "film.mp4", range(5), codec=encoder, options=options)
    with pytest.raises(NvdecFault, match="not asked for mpeg4"):
        decoded(film, Library())


def test_a_pixel_format_that_nvdec_lacks_is_named(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", range(5), pixel_format="yuv444p")
    with pytest.raises(NvdecFault, match="not asked for yuv444p"):
        decoded(film, Library())


def test_what_this_gpu_lacks_is_named(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", range(5))
    with pytest.raises(NvdecFault, match="GPU 0 has no h264 of 8 bits"):
        decoded(film, Library(supported=False))


def test_a_device_that_is_lost_on_the_way_is_named(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", range(NUM_FRAMES))
    with pytest.raises(NvdecFault, match="lost the device"):
        decoded(film, Library(fails_after=10))


@pytest.mark.skipif(HAS_NVIDIA_DRIVER, reason="this machine has a driver")
def test_without_a_driver_the_library_does_not_load() -> None:
    with pytest.raises(NvdecFault, match="PyNvVideoCodec does not load"):
        nv_library()


@pytest.mark.gpu
def test_a_real_gpu_gives_the_same_frames(tmp_path: Path) -> None:
    encoder, options = ENCODERS["h264"]
    film = write_film(
        tmp_path / "film.mp4", range(NUM_FRAMES), codec=encoder, options=options, size_px=(256, 144)
    )
    ours, theirs = decoded(film, nv_library()), decoded(film, None)
    assert [seen(frame) for frame in ours] == [seen(frame) for frame in theirs]
    assert [samples(frame) for frame in ours] == [samples(frame) for frame in theirs]
