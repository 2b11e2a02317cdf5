"""Exact to the frame, format by format: every frame carries its number. The rows of ``docs/formats.md``."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc

from clipmill.media.cut.cut import cut_clips
from clipmill.media.frames.orient_filter import Upright
from clipmill.media.frames.orientation import Orientation, orientation_of
from clipmill.media.frames.render import Renderer
from clipmill.media.frames.timestamps import Timeline
from clipmill.media.frames.tone_mapping import tone_map
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanArrays, ScanFacts, ScanPlan
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.storage.video_kinds import HEAD_BYTES, is_video_head, is_video_name
from tests.support.films.container_films import (
    ENCODERS,
    PLAIN_X264,
    X264,
    edit,
    turn,
    write_tagged,
    write_ts_at,
    write_two_streams,
)
from tests.support.films.numbered_films import spans
from tests.support.films.scan_films import paint, read_code, read_codes, write_film
from tests.support.scan_plans import pictures, plan_of

pytestmark = pytest.mark.integration


NUM_FRAMES = 24
ALL_CODES = list(range(NUM_FRAMES))
EVERY_FRAME = plan_of(frames_fps=25.0)
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
CONTAINERS = {
    "h264": ["mp4", "fragmented mp4", "mov", "mkv", "avi", "ts", "flv", "h264"],
    "hevc": ["mp4", "fragmented mp4", "mov", "mkv", "ts", "hevc"],
    "vp8": ["mkv", "webm", "avi", "ivf"],
    "vp9": ["mp4", "fragmented mp4", "mkv", "webm", "avi", "ivf"],
    "av1": ["mp4", "fragmented mp4", "mkv", "webm", "avi", "obu"],
    "mpeg2": ["mp4", "fragmented mp4", "mov", "mkv", "avi", "ts", "mpg"],
    "mpeg4": ["mp4", "fragmented mp4", "mov", "mkv", "avi", "ts", "asf"],
}


def look(path: Path, plan: ScanPlan = EVERY_FRAME) -> tuple[ScanFacts, ScanArrays]:
    spool = str(path.parent / "spool")
    facts = scan(str(path), plan, spool)
    return facts, load_arrays(spool)


@pytest.mark.parametrize(
    ("codec", "container"), [(codec, name) for codec, names in CONTAINERS.items() for name in names]
)
def test_every_frame_is_shown_once_and_in_its_time(tmp_path: Path, codec: str, container: str) -> None:
    encoder, options = ENCODERS[codec]
    suffix, mux = container.split()[-1], FRAGMENTED if "fragmented" in container else {}
    path = write_film(tmp_path / f"a.{suffix}", range(NUM_FRAMES), codec=encoder, options=options, mux=mux)
    facts, arrays = look(path)
    assert read_codes(arrays.thumbnails) == ALL_CODES
    assert read_codes(pictures(arrays)) == ALL_CODES
    np.testing.assert_allclose(arrays.times_s, np.arange(NUM_FRAMES + 1) / 25, atol=0.001)
    assert (facts.is_partial, facts.is_vfr, facts.oddities) == (False, False, "")


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels", "size_px"),
    [
        ("mxf", "mpeg2video", "yuv422p", (96, 54)),
        ("vob", "mpeg2video", "yuv420p", (96, 54)),
        ("dv", "dvvideo", "yuv420p", (720, 576)),
        ("gif", "gif", "rgb8", (96, 54)),
        ("apng", "apng", "rgb24", (96, 54)),
        ("y4m", "wrapped_avframe", "yuv420p", (96, 54)),
    ],
)
def test_formats_of_broadcast_and_pictures_that_move(
    tmp_path: Path, suffix: str, codec: str, pixels: str, size_px: tuple[int, int]
) -> None:
    path = write_film(tmp_path / f"a.{suffix}", range(12), codec=codec, pixel_format=pixels, size_px=size_px)
    assert is_video_head(path.read_bytes()[:HEAD_BYTES])
    facts, arrays = look(path)
    assert read_codes(arrays.thumbnails) == list(range(12))
    assert (facts.is_partial, facts.repaired_times) == (False, "")


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [("h261", "h261", "yuv420p"), ("h263", "h263", "yuv420p"), ("mjpeg", "mjpeg", "yuvj420p")],
)
def test_streams_without_a_container_are_read_by_their_names(
    tmp_path: Path, suffix: str, codec: str, pixels: str
) -> None:
    path = write_film(
        tmp_path / f"a.{suffix}", range(12), codec=codec, pixel_format=pixels, size_px=(176, 144)
    )
    assert is_video_name(str(path))
    facts, arrays = look(path)
    assert read_codes(arrays.thumbnails) == list(range(12))
    assert not facts.is_partial


def test_the_avi_of_a_music_player_is_one_file(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.avi", range(12), codec="mjpeg", pixel_format="yuvj420p")
    path.write_bytes(path.read_bytes().replace(b"AVI LIST", b"AMV LIST", 1))
    assert look(path)[0].repaired_times == ""


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "ts", "webm"])
def test_varying_frame_times_are_kept(tmp_path: Path, container: str) -> None:
    encoder, options = ENCODERS["vp9" if container == "webm" else "h264"]
    ticks = [n * n + n for n in range(NUM_FRAMES)]
    facts, arrays = look(write_film(tmp_path / f"a.{container}", ticks, codec=encoder, options=options))
    assert read_codes(arrays.thumbnails) == ALL_CODES
    np.testing.assert_allclose(arrays.times_s[:-1], np.array(ticks) / 25, atol=0.001)
    assert facts.is_vfr


def test_avi_gives_reordered_pictures_the_times_of_their_places(tmp_path: Path) -> None:
    facts, _ = look(write_film(tmp_path / "a.avi", range(NUM_FRAMES), options=X264))
    assert "without a timestamp" in facts.repaired_times


@pytest.mark.parametrize(
    ("edits", "codes"),
    [
        ([(19, 5)], range(5, 24)),
        ([(12, None), (24, 0)], range(24)),
        ([(10, 0)], range(10)),
        ([(5, 2), (5, 15)], [*range(2, 7), *range(15, 20)]),
        ([(6, 0), (6, 0)], [*range(6), *range(6)]),
    ],
    ids=["skips the beginning", "empty edit", "skips the end", "leaves out the middle", "shows twice"],
)
def test_edit_lists_say_what_is_shown(
    tmp_path: Path, edits: list[tuple[int, int | None]], codes: list[int]
) -> None:
    path = edit(write_film(tmp_path / "a.mp4", range(NUM_FRAMES), options=X264), edits)
    facts, arrays = look(path)
    assert read_codes(arrays.thumbnails) == list(codes)
    np.testing.assert_allclose(arrays.times_s, np.arange(len(codes) + 1) / 25, atol=0.001)
    assert not facts.is_partial, facts.partial_reason


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "ts", "avi"])
def test_times_count_from_the_first_frame_shown(tmp_path: Path, container: str) -> None:
    later = range(50, 50 + NUM_FRAMES)
    _, arrays = look(write_film(tmp_path / f"a.{container}", later, options=PLAIN_X264))
    assert read_codes(arrays.thumbnails) == ALL_CODES
    np.testing.assert_allclose(arrays.times_s, np.arange(NUM_FRAMES + 1) / 25, atol=0.001)


@pytest.mark.parametrize(
    ("container", "num_hidden"), [("mp4", 5), ("mov", 5), ("mkv", 0), ("ts", 0)], ids=lambda value: str(value)
)
def test_frames_before_time_zero(tmp_path: Path, container: str, num_hidden: int) -> None:
    earlier = range(-5, NUM_FRAMES - 5)
    _, arrays = look(write_film(tmp_path / f"a.{container}", earlier, options=PLAIN_X264))
    assert read_codes(arrays.thumbnails) == ALL_CODES[num_hidden:]


def test_clock_of_a_transport_stream_may_wrap(tmp_path: Path) -> None:
    facts, arrays = look(write_ts_at(tmp_path / "a.ts", NUM_FRAMES, first_pts=(1 << 33) - 40_000))
    assert read_codes(arrays.thumbnails) == ALL_CODES
    np.testing.assert_allclose(arrays.times_s, np.arange(NUM_FRAMES + 1) / 25, atol=1e-9)
    assert facts.repaired_times == ""


@pytest.mark.parametrize(
    ("encoder", "pixels"),
    [
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv422p"),
        ("libx264", "yuv422p10le"),
        ("libx264", "yuv444p"),
        ("libx264", "gray"),
        ("libx264", "yuvj420p"),
        ("libx265", "yuv420p12le"),
        ("libx265", "yuv422p12le"),
        ("libx265", "yuv444p12le"),
        ("libvpx-vp9", "yuv444p"),
        ("libvpx-vp9", "gbrp"),
        ("libsvtav1", "yuv420p10le"),
        ("mpeg2video", "yuv422p"),
        ("prores_ks", "yuv422p10le"),
    ],
)
def test_depths_and_samplings_look_the_same(tmp_path: Path, encoder: str, pixels: str) -> None:
    options = next((options for name, options in ENCODERS.values() if name == encoder), {})
    path = write_film(tmp_path / "a.mkv", range(8), codec=encoder, pixel_format=pixels, options=options)
    _, arrays = look(path, plan_of(frames_fps=25.0, motion_fps=25.0, quality_fps=25.0))
    assert read_codes(pictures(arrays)) == list(range(8))
    flat = paint(5)[10::18, 12::24]  # the middles of the fields
    assert np.abs(pictures(arrays)[5][10::18, 12::24].astype(int) - flat).max() <= 25


@pytest.mark.parametrize(
    ("matrix", "straighten"),
    [
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda picture: picture.transpose(1, 0, 2)),
        ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
    ],
    ids=["mirrored", "upside down", "transposed", "turned"],
)
def test_display_matrix_is_followed_in_frames_and_clips(
    tmp_path: Path, matrix: tuple[int, int, int, int], straighten: Callable[[np.ndarray], np.ndarray]
) -> None:
    path = turn(write_film(tmp_path / "a.mp4", range(1, 9), options=PLAIN_X264), matrix)
    facts, arrays = look(path)
    painted = [np.ascontiguousarray(straighten(paint(code))) for code in range(8)]
    wanted = [read_code(picture) for picture in painted]
    assert read_codes(pictures(arrays)) == wanted
    assert read_codes(arrays.thumbnails) == [read_code(shrunk(picture)) for picture in painted]
    assert ("mirrored" in facts.oddities) == (matrix != (0, 1, -1, 0))
    with av.open(str(path)) as container:
        upright = Upright()
        clip = [upright(frame).to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert read_codes(np.array(clip)) == wanted


def shrunk(picture: np.ndarray) -> np.ndarray:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return frame.reformat(48, 27, "rgb24", interpolation="AREA").to_ndarray()


def avi_with_b_frames(folder: Path) -> Path:
    return write_film(folder / "a.avi", range(NUM_FRAMES), options=X264)


def raw_stream(folder: Path) -> Path:
    return write_film(folder / "a.h264", range(NUM_FRAMES), options=X264)


def clock_that_jumps_ahead(folder: Path) -> Path:
    pts = [*range(8), *range(100_000, 100_000 + NUM_FRAMES - 8)]
    return write_film(folder / "a.mp4", pts, options=X264)


def clock_that_wraps(folder: Path) -> Path:
    return write_ts_at(folder / "a.ts", NUM_FRAMES, first_pts=(1 << 33) - 40_000)


def with_empty_edit(folder: Path) -> Path:
    path = write_film(folder / "a.mp4", range(NUM_FRAMES), options=X264)
    return edit(path, [(12, None), (NUM_FRAMES, 0)])


@pytest.mark.parametrize(
    "draw", [avi_with_b_frames, raw_stream, clock_that_jumps_ahead, clock_that_wraps, with_empty_edit]
)
def test_clips_hold_the_frames_that_the_scan_counted(tmp_path: Path, draw: Callable[[Path], Path]) -> None:
    path = draw(tmp_path)
    facts, arrays = look(path, ScanPlan())
    cuts = [(0, 7), (7, 15), (15, NUM_FRAMES)]
    clips = cut_clips(
        str(path),
        spans(NUM_FRAMES, *cuts, pts=arrays.pts.tolist(), time_base=facts.time_base),
        ClipTranscodingStage(preset="ultrafast").options(),
        out_dir=str(tmp_path / "clips"),
        min_length_s=0.1,
        repaired_times=facts.repaired_times,
    )
    assert [clip_codes(clip.path) for clip in clips] == [list(range(*cut)) for cut in cuts]


def clip_codes(path: str) -> list[int]:
    with av.open(path) as container:
        return [read_code(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_flattening_display_matrix_is_ignored() -> None:
    assert orientation_of(np.zeros(9, np.int32)) == Orientation()


def test_size_that_changes_is_scaled_to_the_first(tmp_path: Path) -> None:
    parts = [
        write_film(tmp_path / "a.ts", range(12), options=PLAIN_X264, size_px=(96, 54)),
        write_film(tmp_path / "b.ts", range(50, 62), options=PLAIN_X264, size_px=(160, 90)),
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    facts, arrays = look(joined, plan_of(frames_fps=1.0, motion_fps=5.0, quality_fps=5.0))
    assert read_codes(arrays.thumbnails) == [*range(12), *range(12)]
    assert pictures(arrays).shape[1:] == (54, 96, 3)
    assert facts.oddities == "frames of 160x90 were scaled to the first frame's 96x54"


def test_first_of_several_video_streams_is_taken(tmp_path: Path) -> None:
    facts, arrays = look(write_two_streams(tmp_path / "a.mkv", 12))
    assert read_codes(arrays.thumbnails) == list(range(12))
    assert facts.oddities == "1 more video streams were left out"


@pytest.mark.parametrize(
    ("transfer", "name"), [(ColorTrc.SMPTE2084, "PQ"), (ColorTrc.ARIB_STD_B67, "HLG")], ids=["pq", "hlg"]
)
def test_high_dynamic_range_is_mapped_and_said(tmp_path: Path, transfer: ColorTrc, name: str) -> None:
    path = write_tagged(tmp_path / "a.mkv", 4, transfer=transfer, primaries=9, matrix=9)
    facts, arrays = look(path)
    assert read_codes(pictures(arrays)) == [0, 1, 2, 3]
    assert pictures(arrays).max() > 240  # the fields of code 220 are brighter than paper: not grey
    assert pictures(arrays).min() < 40
    assert facts.oddities == f"{name} was mapped to normal range in thumbnails and frames"


def test_high_dynamic_range_behind_normal_range_is_said(tmp_path: Path) -> None:
    parts = [
        write_tagged(tmp_path / f"{tags[0]}.ts", 30, transfer=tags[0], primaries=tags[1], matrix=tags[1])
        for tags in ((1, 1), (ColorTrc.SMPTE2084, 9), (ColorTrc.ARIB_STD_B67, 9))
    ]
    (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    facts, _ = look(tmp_path / "joined.ts")
    assert "HLG and PQ was mapped to normal range in thumbnails and frames" in facts.oddities


@pytest.mark.parametrize(
    ("primaries", "red"),
    [
        (ColorPrimaries.BT2020, (0.6274, 0.0691, 0.0164)),
        (ColorPrimaries.UNSPECIFIED, (0.6274, 0.0691, 0.0164)),
        (ColorPrimaries.SMPTE432, (0.8225, 0.0332, 0.0171)),
        (ColorPrimaries.BT709, (1.0, 0.0, 0.0)),
    ],
    ids=["BT.2020", "no tag", "P3", "BT.709"],
)
def test_red_is_red_by_whatever_primaries_it_is_coded(
    primaries: int, red: tuple[float, float, float]
) -> None:
    """Red of BT.709 in each, from the chromaticities; 100 cd/m2."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # BT.2100, table 4
    power = (np.array(red) / 100) ** m1
    codes = ((c1 + c2 * power) / (1 + c3 * power)) ** m2
    mapped = tone_map(ColorTrc.SMPTE2084, primaries)
    assert mapped is not None
    shown = mapped(np.rint(codes * 65535).astype(np.uint16)[None, None])[0, 0].tolist()
    assert shown[0] == pytest.approx(255 * (100 / 203) ** (1 / 2.4), abs=1)
    assert max(shown[1:]) < 20


@pytest.mark.parametrize("transfer", [ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67], ids=["PQ", "HLG"])
def test_high_range_without_a_matrix_has_that_of_bt2020(transfer: int) -> None:
    renderer = Renderer(coded_size_px=(96, 54), orientation=Orientation(), sar=Fraction(1))
    looks: list[list[np.ndarray]] = []
    for matrix in (2, 9):
        orange = av.VideoFrame.from_ndarray(np.full((54, 96, 3), (150, 90, 60), np.uint8), format="rgb24")
        frame = orange.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)
        frame.colorspace, frame.color_trc, frame.color_primaries = matrix, transfer, 9
        in_clip = Upright()(frame).to_ndarray(format="rgb24")
        looks.append([renderer.thumbnail(frame), renderer.picture(frame, 54), in_clip])
    assert all(map(np.array_equal, *looks))


def grey(code: float, transfer: ColorTrc) -> list[int]:
    mapped = tone_map(transfer, ColorPrimaries.BT2020)
    assert mapped is not None
    return mapped(np.full((1, 1, 3), round(code * 65535), np.uint16))[0, 0].tolist()


def test_diffuse_white_of_both_high_ranges_is_the_same() -> None:
    assert grey(0.5807, ColorTrc.SMPTE2084) == grey(0.75, ColorTrc.ARIB_STD_B67) == [238] * 3


def test_light_below_the_knee_is_that_of_a_normal_display() -> None:
    pq_of_half_white = 0.5081  # 100 cd/m2
    assert grey(pq_of_half_white, ColorTrc.SMPTE2084) == [round(255 * (100 / 203) ** (1 / 2.4))] * 3


def test_highlights_stay_apart() -> None:
    light = [grey(code, ColorTrc.SMPTE2084)[0] for code in (0.58, 0.62, 0.67, 0.75)]
    assert light == sorted(set(light))


def test_normal_range_is_left_alone() -> None:
    assert tone_map(ColorTrc.BT709, ColorPrimaries.BT709) is None


def test_jump_ahead_of_the_clock_is_closed() -> None:
    timeline = Timeline(Fraction(1, 25))
    hour = 3600 * 25
    assert [timeline.place(pts, 1) for pts in (0, 1, hour, hour + 1, 2)] == [0, 1, 2, 3, 4]
    assert timeline.repairs == "1 frames where timestamps jump ahead, 1 frames where timestamps jump back"


def test_timestamp_beyond_all_clocks_is_none() -> None:
    timeline = Timeline(Fraction(1, 25))
    assert [timeline.place(pts, 1) for pts in (-(1 << 62), 1, 1 << 62)] == [0, 1, 2]


@pytest.mark.parametrize("size_px", [(1, 1), (1, 64), (64, 1)])
def test_a_picture_without_even_sides_is_no_clip_and_says_so(size_px: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"a picture of {size_px[0]}x{size_px[1]} is too small"):
        Upright()(av.VideoFrame(*size_px, "yuv444p"))
