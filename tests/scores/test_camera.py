"""The motion of the camera apart from that of objects, on scenes that are drawn."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from clipmill.scores.camera import CAMERA, OBJECT, camera_and_object
from clipmill.scores.flow import block_flow
from clipmill.stages.video.filtering.motion_filter import MotionVectorDecodeStage
from footage.encode import write_film
from tests.support.films.score_frames import small_luma, textured
from tests.support.runs.curation import curate_here, plain_spec, rows

HEIGHT, WIDTH = 180, 320
WORLD = textured(400, 600)
STAMP = textured(120, 160, seed=5)


def scene(
    time: float, *, pan: float = 0.0, zoom: float = 1.0, roll: float = 0.0, passing: float = 0.0
) -> np.ndarray:
    """Uint8 ``(180, 320)`` at ``time``, everything per unit of it: px, a factor, radians, px.

    Before the world passes an object of a sixth of the picture, when it moves at all.
    """
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    place = (x - WIDTH / 2 + 1j * (y - HEIGHT / 2)) * np.exp(1j * roll * time) / zoom**time
    place += WIDTH / 2 + 100 + pan * time + 1j * (HEIGHT / 2 + 100)
    picture = ndimage.map_coordinates(WORLD, [place.imag, place.real], order=1)
    if passing:
        left = 100 + passing * time
        inside = (y >= 50) & (y < 140) & (x >= left) & (x < left + 110)
        at = [y[inside] - 40, x[inside] - left + 10]
        picture[inside] = ndimage.map_coordinates(STAMP, at, order=1)
    return np.clip(picture, 0, 255).round().astype(np.uint8)


def parts(**moves: float) -> np.ndarray:
    """Camera and object of one step, px of the scene a frame."""
    pair = np.stack([small_luma(scene(time, **moves)) for time in (0.0, 1.0)])
    return camera_and_object(block_flow(pair[None]))[0] * (HEIGHT + WIDTH)


@pytest.mark.parametrize(
    ("moves", "length"),
    [
        ({"pan": 0.5}, 0.5),
        ({"pan": 2.0}, 2.0),
        ({"pan": 12.0}, 12.0),
        ({"zoom": 1.02}, 0.02 * 0.57 * 160),
        ({"roll": 0.02}, 0.02 * 0.6 * 160),
    ],
    ids=["shake", "pan", "fast pan", "zoom", "roll"],
)
def test_what_moves_the_whole_picture_is_the_camera(moves: dict[str, float], length: float) -> None:
    camera, thing = parts(**moves)
    assert camera == pytest.approx(length, rel=0.12)
    assert thing < 0.08 * length


@pytest.mark.parametrize("passing", [2.0, 8.0])
def test_what_moves_before_a_still_background_is_an_object(passing: float) -> None:
    camera, thing = parts(passing=passing)
    assert thing == pytest.approx(passing * 110 * 90 / (HEIGHT * WIDTH), rel=0.3)
    assert camera < 0.1 * thing


def test_an_object_is_seen_while_the_camera_pans() -> None:
    camera, thing = parts(pan=4.0, passing=6.0)
    assert camera == pytest.approx(4.0, rel=0.1)
    assert thing == pytest.approx(10.0 * 110 * 90 / (HEIGHT * WIDTH), rel=0.3)


def test_a_still_picture_has_neither() -> None:
    assert parts().tolist() == [0.0, 0.0]


def test_each_pair_has_its_own_camera() -> None:
    pairs = np.stack(
        [
            np.stack([small_luma(scene(time, **moves)) for time in (0.0, 1.0)])
            for moves in ({"pan": 4.0}, {}, {"passing": 8.0})
        ]
    )
    together = camera_and_object(block_flow(pairs))
    assert [row.argmax() for row in together[[0, 2]]] == [CAMERA, OBJECT]
    assert together[1].max() == 0


def shots(**moves: float) -> Iterator[np.ndarray]:
    return (scene(time, **moves)[..., None].repeat(3, axis=2) for time in range(25))


@pytest.mark.usefixtures("shared_codec")
def test_the_table_tells_a_pan_from_an_object(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for name, moves in {"pan": {"pan": 3.0}, "object": {"passing": 3.0}}.items():
        write_film(tmp_path / "films" / f"{name}.mp4", shots(**moves), time_base=Fraction(1, 25))
    spec = plain_spec(motion={"separate_camera": True}, quality=None, embedding=None, write={"dry_run": True})
    curate_here(tmp_path / "films", tmp_path / "out", spec)
    found = {
        Path(str(clip["source_uri"])).stem: (clip["motion_camera_mean"], clip["motion_object_mean"])
        for clip in rows(tmp_path / "out", "clips")
    }
    assert found["pan"][CAMERA] == pytest.approx(3 / 500, rel=0.1)
    assert found["pan"][OBJECT] < 0.1 * found["pan"][CAMERA]
    assert found["object"][OBJECT] > 10 * found["object"][CAMERA]


def test_the_camera_cannot_be_had_from_vectors() -> None:
    with pytest.raises(ValidationError, match="separate_camera needs motion_source: blocks"):
        MotionVectorDecodeStage(separate_camera=True, motion_source="vectors")
