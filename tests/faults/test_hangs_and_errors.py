"""Codecs that hang, small limits, exceptions that nothing expects: the next run makes up for them."""

from pathlib import Path

import pytest

from tests.support.faults.fault import EVERY, Fault
from tests.support.faults.published import differences
from tests.support.faults.scene import TWO_PASSES, Scene, undisturbed

FRAME_OF_SCAN = "clipmill.media.scan.collector:Collector.take"
STALL_S = 3.0
HANG_S = 60.0
IMPATIENT = {"limits": {"decode_stall_s": STALL_S}}

POINTS = {
    "inspection": "clipmill.media.io.probe:inspect_source",
    "scan": "clipmill.media.scan.scan:scan",
    "split": "clipmill.engine.scan.splitter:Splitting.finish",
    "cut": "clipmill.media.cut.cut:cut_clips",
    "preview": "clipmill.media.encode.preview:encode_preview",
}
"""Functions in codec processes and in the run, in the order in which a video comes past them."""
OF_ONE_FILE, FAILED = ("inspection", "scan", "cut"), "a.mp4"
"""Points that are called with the name of a file."""


def test_codec_that_hangs_once_costs_nothing(scene: Scene) -> None:
    hangs = Fault(FRAME_OF_SCAN, "sleep", first=40, value=HANG_S)
    assert scene.run(hangs, spec=IMPATIENT).status == 0
    expected = undisturbed(scene.films, {})
    assert [line for line in differences(scene.published(), expected) if "manifest" not in line] == []
    scene.check_rerun()


def test_codec_that_hangs_every_time_is_tried_by_the_next_run(scene: Scene) -> None:
    hangs = Fault(FRAME_OF_SCAN, "sleep", last=EVERY, value=HANG_S)
    assert scene.run(hangs, spec=IMPATIENT).has_end
    scene.check_rerun()


def test_limit_of_time_that_was_too_small_is_raised(scene: Scene) -> None:
    slow = Fault(FRAME_OF_SCAN, "sleep", last=EVERY, value=0.1)
    assert scene.run(slow, spec={"limits": {"decode_timeout_s": 1.0}}).has_end
    scene.check_rerun()


@pytest.mark.parametrize(("name", "point"), POINTS.items(), ids=POINTS)
def test_exception_that_nothing_expects_is_tried_by_the_next_run(
    tmp_path: Path, name: str, point: str
) -> None:
    scene = Scene(tmp_path, spec=TWO_PASSES)
    assert scene.run(Fault(point, "error", match=FAILED if name in OF_ONE_FILE else "", last=EVERY)).has_end
    scene.check_rerun()


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_exception_about_one_video_leaves_its_neighbour_alone(tmp_path: Path, point: str) -> None:
    scene = Scene(tmp_path, spec=TWO_PASSES)
    assert scene.run(Fault(point, "error")).has_end
    expected = undisturbed(scene.films, scene.spec).clips()
    found = scene.published().clips()
    assert found
    assert found.items() <= expected.items()
    scene.check_rerun()
