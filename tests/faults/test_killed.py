"""Killed processes: of a codec, of Ray, and the run itself. The next run ends as if none had died."""

import random
from pathlib import Path

import pytest

from tests.support.faults.fault import EVERY, Fault
from tests.support.faults.published import differences
from tests.support.faults.scene import IN_THE_PASS, TWO_PASSES, Scene, Spec, undisturbed

FRAME_OF_SCAN = "clipmill.media.scan.collector:Collector.take"
FRAME_OF_CLIP = "clipmill.media.encode.clip_encoder:ClipEncoder.write"
CODEC_MOMENTS = {
    "inspection": (IN_THE_PASS, "clipmill.media.io.probe:inspect_source", 2),
    "scan": (IN_THE_PASS, FRAME_OF_SCAN, 40),
    "encoding in the pass": (IN_THE_PASS, FRAME_OF_CLIP, 30),
    "cut": (TWO_PASSES, FRAME_OF_CLIP, 30),
    "preview": (IN_THE_PASS, "clipmill.media.encode.preview:encode_preview", 2),
}
"""What a codec process is doing when it is killed: a spec, a point, and the call."""

MARKS = {"scan": [pytest.mark.sample]}
TRIED_ONCE = ("preview",)
"""What a run does not try again by itself."""

RUN_POINTS = (
    "clipmill.storage.store:put_bytes",
    "clipmill.storage.store:put_file",
    "clipmill.storage.store:find",
    "clipmill.storage.store:read_bytes",
    "clipmill.curation.run:run_phase",
    "clipmill.curation.run:find_duplicates",
    "clipmill.curation.run:publish_snapshot",
    "clipmill.media.io.probe:inspect_source",
    FRAME_OF_SCAN,
    FRAME_OF_CLIP,
)
ALWAYS_REACHED = ("clipmill.storage.store:read_bytes", "clipmill.storage.store:find")
"""Points that a run comes past many times, whatever earlier ones left."""
IN_CODECS = ("clipmill.media.",)
"""Points of these packages are reached in a codec process, whose parent is the run."""
RAY_MOMENTS = (
    ("clipmill.engine.state_writer:StateWriter.add", 1),
    ("clipmill.engine.state_writer:StateWriter.flush", 2),
    ("clipmill.curation.run:publish_snapshot", 1),
)
ON_RAY = pytest.mark.timeout(600)


def kill_run(point: str, call: int) -> Fault:
    return Fault(point, "kill_parent" if point.startswith(IN_CODECS) else "kill", first=call)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How often a run that is not killed comes past each point."""
    scene = Scene(tmp_path_factory.mktemp("counted"))
    ended = scene.run(*(Fault(point, "note") for point in RUN_POINTS))
    return dict(zip(RUN_POINTS, ended.faults.calls(), strict=True))


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.sample] if seed == 0 else []) for seed in range(20)]
)
def test_run_killed_at_a_random_moment(scene: Scene, calls: dict[str, int], seed: int) -> None:
    dice = random.Random(seed)
    point = dice.choice(RUN_POINTS)
    ended = scene.run(kill_run(point, dice.randint(1, calls[point])))
    assert ended.was_killed
    scene.check_rerun()


def test_run_killed_again_and_again(scene: Scene) -> None:
    dice = random.Random(0)
    for _ in range(5):
        point = dice.choice(ALWAYS_REACHED)
        assert scene.run(kill_run(point, dice.randint(1, 8))).was_killed
    scene.check_rerun()


@ON_RAY
@pytest.mark.parametrize(("point", "call"), RAY_MOMENTS, ids=[point for point, _ in RAY_MOMENTS])
def test_run_on_ray_killed(scene: Scene, point: str, call: int) -> None:
    assert scene.run(Fault(point, "kill", first=call), engine="ray").was_killed
    scene.check_rerun()


@pytest.mark.parametrize(
    ("spec", "point", "call"),
    [
        pytest.param(*moment, marks=MARKS.get(name, []), id=name)
        for name, moment in CODEC_MOMENTS.items()
        if name not in TRIED_ONCE
    ],
)
def test_codec_process_killed_once_costs_nothing(tmp_path: Path, spec: Spec, point: str, call: int) -> None:
    scene = Scene(tmp_path, spec=spec)
    assert scene.run(Fault(point, "kill", first=call)).status == 0
    assert differences(scene.published(), undisturbed(scene.films, spec)) == []
    scene.check_rerun()


@pytest.mark.parametrize(
    ("spec", "point"),
    [pytest.param(spec, point, id=name) for name, (spec, point, _) in CODEC_MOMENTS.items()],
)
def test_codec_process_killed_every_time_is_tried_by_the_next_run(
    tmp_path: Path, spec: Spec, point: str
) -> None:
    scene = Scene(tmp_path, spec=spec)
    assert scene.run(Fault(point, "kill", last=EVERY)).has_end
    scene.check_rerun()


@ON_RAY
@pytest.mark.parametrize("operator", ["scan:ScanOperator", "encode:EncodeOperator"])
def test_ray_worker_killed_once_costs_nothing(tmp_path: Path, operator: str) -> None:
    scene = Scene(tmp_path, spec=TWO_PASSES)
    fault = Fault(f"clipmill.engine.operators.{operator}.__call__", "kill")
    assert scene.run(fault, engine="ray").status == 0
    assert differences(scene.published(), undisturbed(scene.films, scene.spec)) == []


@ON_RAY
def test_ray_worker_killed_every_time_ends_the_run_and_the_next_one_goes_on(scene: Scene) -> None:
    fault = Fault("clipmill.engine.operators.scan:ScanOperator.__call__", "kill", last=EVERY)
    assert scene.run(fault, engine="ray").has_end
    scene.check_rerun()
