"""A window of a clip as a file of its own."""

from pathlib import Path

import av
import pytest

from clipmill.media.cut.window import window_mp4
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.cut_cases import COPY, ENCODE, Film, cut, drawn_in
from tests.support.films.numbered_films import read_back, source_pts


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return drawn_in(tmp_path_factory.mktemp("films"))


def test_the_window_of_a_whole_clip_is_its_bytes(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("h264.ts"), tmp_path, (40, 65))
    assert window_mp4(clip.path, 0, 25, options=ENCODE.options()) == Path(clip.path).read_bytes()


def test_a_window_holds_exactly_its_frames(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("vfr.mp4"), tmp_path, (40, 65))
    (tmp_path / "window.mp4").write_bytes(window_mp4(clip.path, 5, 25, options=ENCODE.options()))
    numbers, shown = read_back(str(tmp_path / "window.mp4"))
    times = source_pts(film("vfr.mp4"))[45:65]
    assert numbers == list(range(45, 65))
    assert shown == [pts - times[0] for pts in times]


@pytest.mark.parametrize(
    ("spec", "codec"),
    [
        (ClipTranscodingStage(encoder="libvpx-vp9", preset="ultrafast", max_height=36, target_fps=5), "vp9"),
        (COPY, "h264"),
    ],
    ids=["encode", "copy"],
)
def test_a_window_is_encoded_as_its_clip_was(
    film: Film, tmp_path: Path, spec: ClipTranscodingStage, codec: str
) -> None:
    (clip,) = cut(film("h264.mp4"), tmp_path, (30, 65), spec=spec)
    (tmp_path / "window.mp4").write_bytes(window_mp4(clip.path, 2, 6, options=spec.options()))
    with av.open(str(tmp_path / "window.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name.removeprefix("lib"), stream.height) == (codec, clip.height)
        assert stream.frames == 4


def test_a_window_beyond_the_clip_is_refused(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("h264.mp4"), tmp_path, (40, 65))
    with pytest.raises(ValueError, match="has 25 frames"):
        window_mp4(clip.path, 5, 26, options=ENCODE.options())
