"""What captioners are asked."""

import numpy as np
import pytest

from clipmill.models.captioning.chat import ChatRequest


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((4, 27, 48), np.uint8),
        np.zeros((4, 3, 27, 48), np.uint8),
        np.zeros((4, 27, 48, 3), np.float32),
    ],
    ids=["no channels", "channels first", "floats"],
)
def test_frames_are_pictures(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        ChatRequest("a", "Describe.", frames=frames, fps=2.0)


@pytest.mark.parametrize(("num_frames", "fps"), [(0, 2.0), (4, 0.0)])
def test_a_window_shows_something(num_frames: int, fps: float) -> None:
    with pytest.raises(ValueError, match="show nothing"):
        ChatRequest("a", "Describe.", frames=np.zeros((num_frames, 27, 48, 3), np.uint8), fps=fps)
