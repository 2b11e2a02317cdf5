from dataclasses import replace

import numpy as np
import pytest

from clipmill.dedup.copies.fingerprints import (
    MAX_FRAMES,
    SIDE_PX,
    Sketch,
    decode,
    encode,
    faulty_sketch,
    sketch_of,
    source_of,
    with_source,
)
from tests.support.films.sketches import made


def numbered(num_frames: int, *, num_views: int = 1) -> np.ndarray:
    """Float32 views whose cells hold the number of their frame."""
    frames = np.arange(num_frames, dtype=np.float32)[None, :, None, None]
    return np.broadcast_to(frames, (num_views, num_frames, SIDE_PX, SIDE_PX))


@pytest.mark.parametrize("num_views", [1, 2])
def test_what_is_encoded_is_decoded(num_views: int) -> None:
    sketch = made(numbered(5, num_views=num_views))
    again = decode(encode(sketch))
    assert np.array_equal(again.views, sketch.views)
    assert again.step == sketch.step == 1


@pytest.mark.parametrize(
    ("num_frames", "step", "kept"), [(32, 1, 32), (33, 2, 17), (70, 4, 18), (9000, 128, 32)]
)
def test_of_a_long_clip_every_second_frame_is_kept_or_fewer(num_frames: int, step: int, kept: int) -> None:
    sketch = made(numbered(num_frames).clip(0, 255))
    assert sketch.step == step
    assert sketch.views.shape[1] == kept <= MAX_FRAMES
    assert sketch.views[0, 1, 0, 0] == step


def test_a_sketch_can_be_thinned_to_the_step_of_another() -> None:
    assert made(numbered(8)).thinned(4)[0, :, 0, 0].tolist() == [0, 4]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x01" + bytes(1152),
        encode(made(numbered(3)))[:-1],
        b"\x03\x01" + bytes(1728),
        b"\x01\x03" + bytes(5184),
    ],
    ids=["empty", "two frames", "cut off", "step of three", "three views"],
)
def test_what_is_no_sketch_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="sketch"):
        decode(data)
    fault = faulty_sketch([None, data])
    assert fault is not None
    assert fault[0] == 1


def test_whether_mirror_images_are_asked_for_is_encoded() -> None:
    asked = replace(made(numbered(3)), either_way=True)
    assert decode(encode(asked)).either_way


def test_a_sketch_says_of_which_video_it_is() -> None:
    sketch = replace(made(numbered(3)), edges=np.full((SIDE_PX, SIDE_PX), 7, dtype=np.uint8))
    found = decode(with_source(encode(sketch), source_of("a")))
    assert found.source == source_of("a") != source_of("b")
    assert found.edges is not None
    assert np.array_equal(found.edges, sketch.edges)
    assert encode(replace(found, source=b"")) == encode(sketch)
    assert encode(found) == with_source(encode(sketch), source_of("a"))


def test_too_few_frames_make_no_sketch() -> None:
    assert sketch_of(numbered(2)) is None
    with pytest.raises(ValueError, match="must be"):
        Sketch(numbered(2).astype(np.uint8), 1)
