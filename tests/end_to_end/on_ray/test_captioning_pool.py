"""The captioning pool on Ray, with fake GPUs and a captioner ten times slower than the decoder."""

import pytest

from bench.captioning import Followed, Load, follow
from tests.end_to_end.on_ray.conftest import NUM_GPUS

NUM_FLOOD, NUM_TRICKLE = 50, 8
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def followed(ray_address: str) -> Followed:
    """What the pool did with a flood of videos and with the trickle behind it."""
    found, _ = follow(Load(NUM_GPUS, NUM_FLOOD, NUM_TRICKLE))
    return found


def test_the_pool_grows_to_the_gpus_there_are(followed: Followed) -> None:
    assert followed.num_workers == NUM_GPUS


def test_the_pool_falls_back_when_little_comes(followed: Followed) -> None:
    assert followed.num_in_trickle == 1


def test_every_clip_that_passed_is_captioned_once(followed: Followed) -> None:
    assert followed.num_captions == NUM_FLOOD + NUM_TRICKLE


def test_rejected_clips_are_never_asked_about(followed: Followed) -> None:
    assert followed.num_of_rejected == 0
