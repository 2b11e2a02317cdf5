"""What is attached to a frame is looked at without keeping the frame."""

import gc
from pathlib import Path

import av
from av.video.frame import VideoFrame

from clipmill.media.frames.orientation import Orientation, orientation
from tests.support.films.numbered_films import draw


def num_frames_alive() -> int:
    return sum(isinstance(each, VideoFrame) for each in gc.get_objects())


def test_a_frame_asked_how_it_stands_goes_when_it_is_let_go_of(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mp4", 3, rotation=90)
    gc.disable()
    try:
        before = num_frames_alive()
        with av.open(str(path)) as container:
            assert {orientation(frame) for frame in container.decode(video=0)} != {Orientation()}
        assert num_frames_alive() == before
    finally:
        gc.enable()
