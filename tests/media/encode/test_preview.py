import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from clipmill.media.encode.preview import encode_preview, preview_warnings
from clipmill.records import VideoFacts
from clipmill.stages.video.preview.preview import PreviewStage


def moving(num_frames: int, height: int = 90, width: int = 160) -> np.ndarray:
    """Frames of one grey each, brighter from frame to frame."""
    greys = np.linspace(20, 230, num_frames).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (num_frames, height, width, 3)).copy()


def facts(framerate: Fraction = Fraction(25), height: int = 720, rotation: int = 0) -> VideoFacts:
    return VideoFacts(
        container="mov",
        video_codec="h264",
        pixel_format="yuv420p",
        width_px=1280,
        height_px=height,
        rotation_deg=rotation,
        sar=Fraction(1),
        framerate=framerate,
        time_base=Fraction(1, 90000),
        duration_s=10.0,
        num_frames=250,
        bit_rate_k=1000,
    )


def played(data: bytes) -> tuple[list[int], list[float], Image.Image]:
    """Durations in ms and mean brightness of each frame as a reader shows them."""
    image = Image.open(io.BytesIO(data))
    durations, greys = [], []
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        greys.append(float(np.asarray(image.convert("L")).mean()))
        durations.append(int(image.info["duration"]))
    return durations, greys, image


def test_a_preview_shows_every_frame_for_its_time() -> None:
    frames = moving(5)
    durations, greys, _ = played(encode_preview(frames, options=PreviewStage(target_fps=4).options))
    assert durations == [250] * 5
    assert np.allclose(greys, frames.mean(axis=(1, 2, 3)), atol=4)


def test_a_preview_loops_for_ever() -> None:
    assert played(encode_preview(moving(2), options=PreviewStage().options))[2].info["loop"] == 0


@pytest.mark.parametrize(
    ("height", "expected"), [(480, (320, 240)), (120, (160, 120))], ids=["scaled down", "never up"]
)
def test_height_of_a_preview(height: int, expected: tuple[int, int]) -> None:
    frames = moving(2, height=height, width=height * 4 // 3)
    assert played(encode_preview(frames, options=PreviewStage().options))[2].size == expected


def test_one_frame_is_a_preview_too() -> None:
    image = Image.open(io.BytesIO(encode_preview(moving(1), options=PreviewStage().options)))
    assert image.format == "WEBP"


def test_quality_reaches_the_encoder() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (2, 72, 128, 3), dtype=np.uint8)
    sizes = [
        len(encode_preview(noise, options=PreviewStage(quality=quality).options)) for quality in (10, 90)
    ]
    assert sizes[0] < sizes[1] / 2


def test_compression_level_trades_time_for_size() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (2, 72, 128, 3), dtype=np.uint8)
    low, high = (
        encode_preview(noise, options=PreviewStage(compression_level=level).options) for level in (0, 6)
    )
    assert len(high) < len(low)


def test_no_frames_are_no_preview() -> None:
    with pytest.raises(ValueError, match="not empty"):
        encode_preview(np.zeros((0, 4, 4, 3), np.uint8), options=PreviewStage().options)


def test_durations_add_up_where_they_are_no_whole_milliseconds() -> None:
    durations, _, _ = played(encode_preview(moving(7), options=PreviewStage(target_fps=7).options))
    assert sum(durations) == 1000
    assert set(durations) == {142, 143}


def test_a_source_that_serves_the_preview_gives_no_warning() -> None:
    assert preview_warnings(facts(), PreviewStage().options) == []


def test_warning_of_a_low_frame_rate() -> None:
    (warning,) = preview_warnings(facts(framerate=Fraction(1, 2)), PreviewStage(target_fps=1).options)
    assert "0.5 frames a second" in warning


def test_warning_of_a_low_height() -> None:
    (warning,) = preview_warnings(facts(height=180), PreviewStage(target_height=240).options)
    assert "180 pixels high" in warning


def test_the_height_that_counts_is_the_one_shown() -> None:
    assert preview_warnings(facts(height=180, rotation=90), PreviewStage(target_height=240).options) == []
