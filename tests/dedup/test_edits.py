"""Which of two copies was edited: overlays and sharpening are seen, and what a copy loses is none."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageFilter

from clipmill.dedup.best_copy import Advantage, advantage, best_copy
from clipmill.dedup.clip_copy import ClipCopy, Facts
from clipmill.dedup.copies.edits import Edit, find_edit
from clipmill.dedup.copies.fingerprints import Sketch, decode, encode, with_detail
from clipmill.dedup_job.keepers import marked
from clipmill.models.embedding.perceptual import describe_and_sketch
from clipmill.scores.detail import frame_detail
from tests.support.films.score_frames import panned, textured

HEIGHT_PX, WIDTH_PX, NUM_FRAMES = 270, 480, 8
Paint = Callable[[np.ndarray], np.ndarray]


@cache
def film() -> np.ndarray:
    """Uint8 ``(T, H, W, 3)``: a moving ground, as fine as pixels show, with a thing that stands still."""
    fine = textured(2 * HEIGHT_PX + 80, 2 * WIDTH_PX + 160, seed=3)
    ground = fine.reshape(HEIGHT_PX + 40, 2, WIDTH_PX + 80, 2).mean(axis=(1, 3))
    frames = np.stack(
        [
            panned(ground, x=9 * step, y=3 * step, height=HEIGHT_PX, width=WIDTH_PX)
            for step in range(NUM_FRAMES)
        ]
    )
    frames[:, 60:120, 40:110] = textured(60, 70, seed=8).clip(0, 255)
    return np.repeat((frames // 2 + 60)[..., None], 3, axis=-1)


def sketch_of(frames: np.ndarray) -> Sketch:
    _, sketch = describe_and_sketch(frames)
    assert sketch is not None
    measures = np.stack([frame_detail(frame[..., 0], frame) for frame in frames])
    return decode(with_detail(encode(sketch), measures, num_frames=len(frames)))


def filtered(by: ImageFilter.Filter) -> Paint:
    return lambda frames: np.stack([np.asarray(Image.fromarray(frame).filter(by)) for frame in frames])


def resized(share: float) -> Paint:
    size = (round(WIDTH_PX * share), round(HEIGHT_PX * share))
    return lambda frames: np.stack([np.asarray(Image.fromarray(frame).resize(size)) for frame in frames])


def band(frames: np.ndarray) -> np.ndarray:
    """Bright strokes on a dark band below."""
    shown = frames.copy()
    shown[:, 225:255, 60:-60] //= 4
    shown[:, 230:250, 120:-120:8] = 240
    return shown


def logo(opacity: float) -> Paint:
    def paint(frames: np.ndarray) -> np.ndarray:
        shown = frames.copy()
        shown[:, 15:40, -80:-20] = (1 - opacity) * shown[:, 15:40, -80:-20] + opacity * 235
        return shown

    return paint


def coarsely_coded(frames: np.ndarray) -> np.ndarray:
    """Without the coefficients of blocks that are small, as coding leaves them out."""
    rows, columns = HEIGHT_PX // 8, WIDTH_PX // 8
    wave = np.cos(np.pi * np.arange(8)[:, None] * (np.arange(8) + 0.5) / 8) * np.sqrt(2 / 8)
    wave[0] /= np.sqrt(2)
    inside = frames[:, : 8 * rows, : 8 * columns, 0].reshape(-1, rows, 8, columns, 8).swapaxes(2, 3)
    parts = wave @ (inside - 128.0) @ wave.T
    kept = wave.T @ np.where(np.abs(parts) > 40, parts, 0) @ wave + 128
    shown = frames.copy()
    shown[:, : 8 * rows, : 8 * columns] = (
        kept.swapaxes(2, 3).reshape(-1, 8 * rows, 8 * columns, 1).clip(0, 255)
    )
    return shown


EDITED: dict[str, tuple[Paint, Edit]] = {
    "cropped": (lambda frames: frames[:, 13:-13, 24:-24], Edit.CROPPED),
    "cropped below": (lambda frames: frames[:, :-20], Edit.CROPPED),
    "cropped, enlarged": (lambda frames: resized(1)(frames[:, 27:-27, 48:-48]), Edit.CROPPED),
    "text": (band, Edit.OVERLAY),
    "logo": (logo(1), Edit.OVERLAY),
    "faint logo": (logo(0.4), Edit.OVERLAY),
    "text, enlarged": (lambda frames: resized(1.5)(band(frames)), Edit.OVERLAY),
    "sharpened": (filtered(ImageFilter.UnsharpMask(2, 80, 0)), Edit.SHARPENED),
    "sharpened much": (filtered(ImageFilter.UnsharpMask(3, 120, 0)), Edit.SHARPENED),
    "enlarged, sharpened": (
        lambda frames: filtered(ImageFilter.UnsharpMask(2, 80, 0))(resized(1.5)(frames)),
        Edit.SHARPENED,
    ),
}
WHY = {
    Edit.OVERLAY: Advantage.NO_OVERLAY,
    Edit.CROPPED: Advantage.WHOLE_PICTURE,
    Edit.SHARPENED: Advantage.NOT_SHARPENED,
}
LOST: dict[str, Paint] = {
    "same": lambda frames: frames,
    "blurred": filtered(ImageFilter.GaussianBlur(0.8)),
    "blurred much": filtered(ImageFilter.GaussianBlur(1.5)),
    "despeckled": filtered(ImageFilter.MedianFilter(3)),
    "coarsely coded": coarsely_coded,
    "small": resized(0.5),
    "enlarged": resized(1.5),
    "brighter": lambda frames: (frames * 1.1 + 5).clip(0, 255).astype(np.uint8),
    "framed": lambda frames: np.pad(frames, ((0, 0), (30, 30), (0, 0), (0, 0))),
    "mirrored": lambda frames: frames[:, :, ::-1],
}


@pytest.mark.parametrize("name", EDITED)
def test_the_edited_copy_is_told_and_loses(name: str) -> None:
    """Though its detail and its bit rate are higher; in either order."""
    paint, edit = EDITED[name]
    plain, painted = sketch_of(film()), sketch_of(paint(film()))
    assert find_edit(painted, plain) == (edit, True)
    assert find_edit(plain, painted) == (edit, False)
    original = ClipCopy("z", plain, Facts(length_s=4, bit_rate=1e6, codec="h264"))
    copy = ClipCopy("a", painted, Facts(length_s=4, bit_rate=1.3e6, codec="h264"))
    left, edited = marked([original, copy])
    assert (left.edit, edited.edit) == (None, edit)
    assert best_copy([edited, left]) is best_copy([left, edited]) is left
    assert advantage(left, edited) == WHY[edit]


@pytest.mark.parametrize("name", LOST)
def test_what_a_copy_lost_is_no_edit_of_the_other(name: str) -> None:
    plain, painted = sketch_of(film()), sketch_of(LOST[name](film()))
    assert find_edit(painted, plain) is None
    assert find_edit(plain, painted) is None


def test_a_copy_with_few_bits_does_not_make_the_other_a_sharpened_one() -> None:
    plain, painted = sketch_of(film()), sketch_of(EDITED["sharpened"][0](film()))
    sharp = ClipCopy("a", painted, Facts(bit_rate=2e6))
    dull = ClipCopy("b", plain, Facts(bit_rate=0.4e6))
    assert [copy.edit for copy in marked([sharp, dull])] == [None, None]


def test_each_of_many_copies_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a few, whatever order they come in; where all were edited none is set aside for that."""
    monkeypatch.setattr("clipmill.dedup_job.keepers._MOST_BESIDE", 2)
    sketches = {"plain": sketch_of(film()), **{name: sketch_of(EDITED[name][0](film())) for name in EDITED}}
    copies = [ClipCopy(name, sketch) for name, sketch in sketches.items() if "enlarged" not in name]
    copies = [*copies, ClipCopy("again", sketches["plain"])]
    for group in (copies, copies[::-1]):
        edits = {copy.id: copy.edit for copy in marked(group)}
        assert edits == {
            "plain": None,
            "again": None,
            **{name: EDITED[name][1] for name in edits if name in EDITED},
        }
        assert best_copy(marked(group)).id == "again"
    assert best_copy(marked([copies[1], copies[1]])).id == copies[1].id
