import numpy as np

from clipmill.models.captioner import Caption, Captioner, NoCaptions


def test_without_a_model_every_window_is_skipped() -> None:
    captioner: Captioner = NoCaptions()
    windows = [np.zeros((4, 27, 48, 3), np.uint8)] * 2
    assert captioner.caption(windows) == [Caption("", "skipped"), Caption("", "skipped")]
