"""The captioning pool on Ray, with fake GPUs and a captioner ten times slower than the decoder."""

import json

import pytest

from tests.support.runs.curation import run_python

NUM_GPUS, NUM_FLOOD, NUM_TRICKLE = 2, 50, 8
HANG_S = 400
pytestmark = pytest.mark.timeout(HANG_S + 20)


@pytest.fixture(scope="module")
def followed() -> dict[str, float]:
    """What the pool did with a flood of videos and with the trickle behind it."""
    counts = {"--gpus": NUM_GPUS, "--flood": NUM_FLOOD, "--trickle": NUM_TRICKLE}
    arguments = [str(one) for option in counts.items() for one in option]
    done = run_python("-m", "bench.captioning", "--json", *arguments, timeout_s=HANG_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_pool_grows_to_the_gpus_there_are(followed: dict[str, float]) -> None:
    assert followed["num_workers"] == NUM_GPUS


def test_the_pool_falls_back_when_little_comes(followed: dict[str, float]) -> None:
    assert followed["num_in_trickle"] == 1


def test_every_clip_that_passed_is_captioned_once(followed: dict[str, float]) -> None:
    assert followed["num_captions"] == NUM_FLOOD + NUM_TRICKLE


def test_rejected_clips_are_never_asked_about(followed: dict[str, float]) -> None:
    assert followed["num_of_rejected"] == 0
