import itertools
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.errors import UnreadableVideo
from clipmill.media.decode.decode_loop import DecodeLoop
from clipmill.media.frames.orientation import Orientation
from clipmill.media.frames.render import Renderer, picture_hw
from clipmill.media.frames.time_grid import Grid
from clipmill.media.frames.timestamps import Timeline
from clipmill.media.io import container
from clipmill.media.scan.motion_vectors import block_lengths
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from clipmill.sandbox import heartbeat
from clipmill.sandbox.process import CodecChild
from clipmill.scores.flow import BlockFlow, block_flow
from clipmill.scores.quality import FRAME_MEASURES
from clipmill.stages.reads import Frames, Measure, Motion
from tests.support.films.chirps import draw_chirp
from tests.support.films.scan_films import paint, read_codes, write_film
from tests.support.scan_plans import THUMBNAILS, pictures, plan_of, scanned, taken

B_FRAMES = {"preset": "veryfast", "g": "10", "bf": "3"}
NO_B_FRAMES = {"preset": "ultrafast", "g": "10", "bf": "0"}


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", B_FRAMES),
        ("a.mov", "libx264", B_FRAMES),
        ("a.mkv", "libx264", B_FRAMES),
        ("a.ts", "libx264", B_FRAMES),
        ("a.mp4", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=10:bframes=3"}),
        ("a.webm", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime", "g": "10"}),
        ("a.mp4", "mpeg4", {"g": "10"}),
    ],
    ids=["mp4", "mov", "mkv", "ts", "hevc", "vp9", "mpeg4"],
)
def test_every_frame_comes_once_in_display_order(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    facts, arrays = scanned(write_film(tmp_path / name, range(37), codec=codec, options=options))
    assert read_codes(arrays.thumbnails) == list(range(37))
    assert facts.num_frames == 37
    assert not facts.is_partial, facts.partial_reason


def test_key_pictures_are_marked(tmp_path: Path) -> None:
    _, arrays = scanned(write_film(tmp_path / "a.mp4", range(25), options=NO_B_FRAMES))
    assert np.flatnonzero(arrays.is_key).tolist() == [0, 10, 20]


def test_recovery_points_are_no_key_pictures(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "x264-params": "open-gop=1:bframes=3:scenecut=0:keyint=10"}
    _, arrays = scanned(write_film(tmp_path / "a.mp4", range(40), options=options))
    assert np.flatnonzero(arrays.is_key).tolist() == [0]


def test_open_gop_pictures_of_hevc_are_key_pictures(tmp_path: Path) -> None:
    params = "log-level=none:keyint=10:min-keyint=10:scenecut=0:open-gop=1:bframes=3"
    options = {"preset": "ultrafast", "x265-params": params}
    _, arrays = scanned(write_film(tmp_path / "a.mp4", range(40), codec="libx265", options=options))
    assert np.flatnonzero(arrays.is_key).tolist() == [0, 10, 20, 30]


VFR_MS = [0, 40, 50, 180, 181, 600, 1700, 1740, 1780]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_times_of_a_vfr_film_are_exact(tmp_path: Path, name: str) -> None:
    facts, arrays = scanned(
        write_film(tmp_path / name, VFR_MS, time_base=Fraction(1, 1000), options=B_FRAMES)
    )
    assert facts.is_vfr
    assert [pts * facts.time_base for pts in arrays.pts[:-1].tolist()] == [Fraction(t, 1000) for t in VFR_MS]
    np.testing.assert_allclose(arrays.times_s[:-1], np.array(VFR_MS) / 1000, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_rounded_timestamps_are_not_vfr(tmp_path: Path, name: str) -> None:
    facts, _ = scanned(write_film(tmp_path / name, range(30), time_base=Fraction(1, 30), options=NO_B_FRAMES))
    assert not facts.is_vfr


def test_last_frame_ends_after_its_duration(tmp_path: Path) -> None:
    facts, arrays = scanned(write_film(tmp_path / "a.mp4", range(25), options=NO_B_FRAMES))
    assert facts.duration_s == pytest.approx(1.0, abs=1e-9)
    assert arrays.times_s[-1] == facts.duration_s
    assert len(arrays.pts) == facts.num_frames + 1


def test_frames_before_the_edit_list_are_not_shown(tmp_path: Path) -> None:
    facts, arrays = scanned(write_film(tmp_path / "a.mp4", range(-6, 20), options=NO_B_FRAMES))
    assert read_codes(arrays.thumbnails) == list(range(6, 26))
    assert facts.duration_s == pytest.approx(20 / 25)


@pytest.mark.parametrize("fps", [1.0, 2.0, 3.0, 30.0])
def test_grid_takes_the_frame_shown_at_each_instant(tmp_path: Path, fps: float) -> None:
    path = write_film(tmp_path / "a.mp4", VFR_MS, time_base=Fraction(1, 1000), options=B_FRAMES)
    facts, arrays = scanned(path, plan_of(frames_fps=fps))
    instants = list(itertools.takewhile(lambda t: t < facts.duration_s - 1e-3, (k / fps for k in range(999))))
    shown = [max(i for i, ms in enumerate(VFR_MS) if ms / 1000 <= instant + 1e-3) for instant in instants]
    assert taken(arrays, Frames).frames.tolist() == shown
    assert read_codes(pictures(arrays)) == shown


def test_grid_is_the_same_after_a_remux_that_rounds_timestamps(tmp_path: Path) -> None:
    plan = plan_of(frames_fps=3.0)
    both = [
        scanned(write_film(tmp_path / name, range(30), time_base=Fraction(1, 15)), plan)[1]
        for name in ("a.mp4", "a.mkv")
    ]
    frames = [taken(arrays, Frames).frames.tolist() for arrays in both]
    assert frames[0] == frames[1] == list(range(0, 30, 5))


@pytest.mark.parametrize("counterclockwise_deg", [90, 180, 270])
def test_rotated_film_is_upright(tmp_path: Path, counterclockwise_deg: int) -> None:
    upright = write_film(tmp_path / "upright.mp4", range(3), size_px=(64, 96), options=NO_B_FRAMES)
    turned = tmp_path / "turned.mp4"
    _write_turned(turned, counterclockwise_deg)
    plan = plan_of(frames_fps=25.0, height_px=48)
    want, got = scanned(upright, plan)[1], scanned(turned, plan)[1]
    assert read_codes(got.thumbnails) == [0, 1, 2]
    assert read_codes(pictures(got)) == [0, 1, 2]
    assert got.thumbnails.shape == want.thumbnails.shape
    assert pictures(got).shape == pictures(want).shape == (3, 48, 32, 3)


def _write_turned(path: Path, counterclockwise_deg: int) -> None:
    """Upright 64x96 pictures, stored turned clockwise, with a display matrix that turns them back."""
    turns = counterclockwise_deg // 90
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options=NO_B_FRAMES)
        stored = np.rot90(paint(0, width_px=64, height_px=96), -turns)
        stream.height, stream.width, stream.pix_fmt = *stored.shape[:2], "yuv420p"
        stream.set_display_rotation(counterclockwise_deg)
        for code in range(3):
            picture = np.ascontiguousarray(np.rot90(paint(code, width_px=64, height_px=96), -turns))
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("size_px", "rotation_deg", "sar", "max_height_px", "expected_hw"),
    [
        ((1920, 1080), 0, Fraction(1), 240, (240, 426)),
        ((1920, 1080), 90, Fraction(1), 240, (240, 136)),
        ((720, 480), 0, Fraction(8, 9), 240, (240, 320)),
        ((720, 480), 270, Fraction(8, 9), 240, (240, 180)),
        ((321, 201), 0, Fraction(1), 240, (200, 320)),
        ((96, 54), 0, Fraction(1), 240, (54, 96)),
        ((2, 2), 0, Fraction(1), 240, (2, 2)),
    ],
    ids=["landscape", "portrait", "sar", "sar turned", "odd", "never enlarged", "smallest"],
)
def test_size_of_sampled_frames(
    size_px: tuple[int, int],
    rotation_deg: int,
    sar: Fraction,
    max_height_px: int,
    expected_hw: tuple[int, int],
) -> None:
    got = picture_hw(size_px, rotation_deg=rotation_deg, sar=sar, max_height_px=max_height_px)
    assert got == expected_hw


def test_pixel_aspect_is_made_square(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", range(2), size_px=(96, 64), sar=Fraction(2), options=NO_B_FRAMES)
    _, arrays = scanned(path, plan_of(frames_fps=2.0, height_px=32))
    assert pictures(arrays).shape == (1, 32, 96, 3)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "options"),
    [
        ("libvpx-vp9", "yuv420p", {"cpu-used": "8", "deadline": "realtime"}),
        ("libx264", "yuv444p", NO_B_FRAMES),
    ],
    ids=["4:2:0", "4:4:4"],
)
def test_odd_sizes_scan(tmp_path: Path, codec: str, pixel_format: str, options: dict[str, str]) -> None:
    path = write_film(
        tmp_path / "a.mkv",
        range(5),
        size_px=(97, 55),
        codec=codec,
        pixel_format=pixel_format,
        options=options,
    )
    _, arrays = scanned(path, plan_of(frames_fps=25.0, motion_fps=25.0, quality_fps=25.0))
    assert read_codes(pictures(arrays)) == list(range(5))
    assert pictures(arrays).shape[1:] == (54, 96, 3)


def test_ten_bit_pictures_are_those_of_eight(tmp_path: Path) -> None:
    eight, ten = (
        scanned(write_film(tmp_path / f"{bits}.mp4", range(8), pixel_format=bits, options=NO_B_FRAMES), ALL)[
            1
        ]
        for bits in ("yuv420p", "yuv420p10le")
    )
    assert read_codes(ten.thumbnails) == list(range(8))
    assert np.abs(pictures(eight).astype(int) - pictures(ten)).max() <= 6
    exposure = FRAME_MEASURES.index("exposure")
    in_eight, in_ten = (taken(arrays, Measure).values[0][:, exposure] for arrays in (eight, ten))
    np.testing.assert_allclose(in_eight, in_ten, atol=0.004)


ALL = plan_of(motion_fps=5.0, quality_fps=5.0, frames_fps=5.0, height_px=54)


def test_thumbnails_are_the_area_mean(tmp_path: Path) -> None:
    _, arrays = scanned(write_film(tmp_path / "a.mp4", range(3), size_px=(480, 270), options=NO_B_FRAMES))
    with av.open(str(tmp_path / "a.mp4")) as film:
        rgb = next(film.decode(video=0)).to_ndarray(format="rgb24").astype(float)
    means = rgb.reshape(27, 10, 48, 10, 3).mean(axis=(1, 3))
    assert np.abs(arrays.thumbnails[0] - means).max() <= 2.5


def test_measures_lie_on_their_grid(tmp_path: Path) -> None:
    _, arrays = scanned(write_film(tmp_path / "a.mp4", range(25), options=B_FRAMES), ALL)
    quality, motion = taken(arrays, Measure), taken(arrays, Motion)
    assert quality.frames.tolist() == [0, 5, 10, 15, 20]
    assert motion.frames.tolist() == [5, 10, 15, 20]
    assert len(quality.values[0]) == 5
    assert len(motion.values[0]) == 4


def test_motion_compares_a_frame_with_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs: list[tuple[int, ...]] = []

    def note(lumas: np.ndarray) -> BlockFlow:
        pairs.extend(tuple(read_codes(pair[..., None].repeat(3, axis=3))) for pair in lumas)
        return block_flow(lumas)

    monkeypatch.setattr("clipmill.media.scan.samplers.block_flow", note)
    scanned(write_film(tmp_path / "a.mp4", range(25), options=B_FRAMES), plan_of(motion_fps=5.0))
    assert pairs == [(4, 5), (9, 10), (14, 15), (19, 20)]


def test_vectors_come_from_the_decoder_of_h264(tmp_path: Path) -> None:
    plan = plan_of(motion_fps=5.0, motion_source="vectors")
    _, arrays = scanned(write_film(tmp_path / "a.mp4", range(25), options={**B_FRAMES, "g": "99"}), plan)
    assert taken(arrays, Motion).frames.tolist() == [5, 10, 15, 20]
    assert taken(arrays, Motion).values[0].max() > 0


def test_vectors_of_other_codecs_are_empty(tmp_path: Path) -> None:
    options = {"cpu-used": "8", "deadline": "realtime"}
    path = write_film(tmp_path / "a.webm", range(25), codec="libvpx-vp9", options=options)
    _, arrays = scanned(path, plan_of(motion_fps=5.0, motion_source="vectors"))
    motion = taken(arrays, Motion)
    assert len(motion.values[0]) == len(motion.frames) == 0


def test_what_is_not_asked_for_is_empty(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", range(3), options=NO_B_FRAMES)
    _, arrays = scanned(path, ScanPlan(thumbnails=False))
    assert arrays.thumbnails.shape == (0, 27, 48, 3)
    assert (arrays.samples, arrays.pictures) == ({}, {})
    assert len(arrays.is_key) == 3


def test_arrays_are_read_only_maps_of_the_spool(tmp_path: Path) -> None:
    _, arrays = scanned(write_film(tmp_path / "a.mp4", range(3), options=NO_B_FRAMES))
    assert isinstance(arrays.thumbnails, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        arrays.thumbnails[0] = 0


def test_spool_of_a_failed_scan_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a film")
    with pytest.raises(UnreadableVideo):
        scan(str(tmp_path / "a.mp4"), THUMBNAILS, str(tmp_path / "spool"))
    with pytest.raises(FileNotFoundError):
        load_arrays(str(tmp_path / "spool"))


def test_digests_survive_a_remux_and_tell_sound_apart(tmp_path: Path) -> None:
    with_sound = write_film(tmp_path / "a.mp4", range(10), options=NO_B_FRAMES, sound=True)
    without = write_film(tmp_path / "b.mkv", range(10), options=NO_B_FRAMES)
    first, second = scanned(with_sound)[0], scanned(without)[0]
    assert first.content_digest == second.content_digest
    assert first.content_digest.startswith("cd1:")
    assert first.audio_digest is not None
    assert second.audio_digest is None


@pytest.mark.parametrize(
    "mux", [{}, {"movflags": "faststart"}], ids=["index at the end", "index at the start"]
)
def test_each_byte_is_read_about_once(tmp_path: Path, mux: dict[str, str]) -> None:
    path = write_film(tmp_path / "a.mp4", range(40), options=NO_B_FRAMES, mux=mux, sound=True)
    facts, _ = scanned(path)
    assert facts.bytes_read <= 1.05 * path.stat().st_size


def test_scan_runs_in_a_codec_process(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", range(12), options=NO_B_FRAMES)
    spool = str(tmp_path / "spool")
    with CodecChild(memory_limit_bytes=1 << 30) as child:
        facts = child.run(scan, str(path), ALL, spool, timeout_s=60, stall_s=60)
    assert facts.num_frames == 12
    assert facts.cpu_s > 0
    assert read_codes(load_arrays(spool).thumbnails) == list(range(12))


@pytest.mark.parametrize(
    ("pts", "placed", "repairs"),
    [
        ([0, 1, 2], [0, 1, 2], ""),
        ([5, 6, 9], [5, 6, 9], ""),
        ([0, 2, None, 6], [0, 2, 4, 6], "1 frames without a timestamp"),
        ([0, 2, 2, 6], [0, 2, 3, 6], "1 frames with a timestamp not after the one before"),
        ([98, 100, 0, 2], [98, 100, 102, 104], "1 frames where timestamps jump back"),
    ],
    ids=["regular", "gap", "missing", "repeated", "joined recordings"],
)
def test_timeline_rises(pts: list[int | None], placed: list[int], repairs: str) -> None:
    timeline = Timeline(Fraction(1, 25))
    assert [timeline.place(each, 0) for each in pts] == placed
    assert timeline.repairs == repairs


def test_last_frame_without_duration_lasts_the_median_step() -> None:
    timeline = Timeline(Fraction(1, 25))
    for pts in (0, 2, 4, 9):
        timeline.place(pts, 0)
    assert timeline.end(1) == 11


def test_grid_hands_out_each_instant_once() -> None:
    grid = Grid(Fraction(2), time_base=Fraction(1, 10), slack_s=Fraction(0))
    assert [grid.take_before(ticks) for ticks in (2, 5, 6, 20, 20)] == [1, 0, 1, 2, 0]


def test_luma_of_a_full_range_picture_is_limited_range() -> None:
    frame = av.VideoFrame(32, 32, "yuvj420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    renderer = Renderer(coded_size_px=(32, 32), orientation=Orientation(), sar=Fraction(1))
    assert np.unique(renderer.luma(frame)).tolist() == [16]


def test_block_lengths_weigh_vectors_by_their_area() -> None:
    fields = ["w", "h", "dst_x", "dst_y", "motion_x", "motion_y", "motion_scale"]
    rows = [(16, 16, 8, 8, 12, 16, 4), (8, 16, 20, 8, 0, 32, 4), (8, 16, 20, 8, 0, 40, 4)]
    vectors = np.array(rows, [(name, "<i4") for name in fields])
    lengths = block_lengths(vectors, size_px=(32, 16), grid_xy=(2, 1))
    np.testing.assert_allclose(lengths, [[5 / 48, 10 / 2 / 48]], rtol=1e-6)


def test_a_long_look_at_each_picture_is_progress(tmp_path: Path) -> None:
    film, seen = draw_chirp(tmp_path / "film.mp4", 20), list[int]()
    heartbeat.listen(lambda progress, _: seen.append(progress))
    try:
        with container.opened(str(film), max_bytes=1 << 20) as (reader, opened):
            walk = DecodeLoop(opened, opened.streams.video[0], reader=reader)
            for number, _ in enumerate(walk.frames()):
                if 6 <= number < 9:  # their packets were read ahead
                    time.sleep(1.1 * heartbeat.INTERVAL_S)
    finally:
        heartbeat.listen(None)
    assert len(seen) >= 4
    assert seen == sorted(set(seen))
