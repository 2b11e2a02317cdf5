"""Tasks run by their registered container commands, as pods run them, from nothing but what was uploaded."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from flyteidl.core import errors_pb2

from clipmill.intake.manifests import put_sources
from clipmill.intake.shards import plan_shards
from clipmill.planning.from_spec import plan_of_spec
from clipmill.runs.run_id import new_run_id
from clipmill.specs import CurateSpec
from footage.encode import write_film
from tests.support.stand_ins.flyte_pod import Pod
from tests.support.stand_ins.flyte_stand_in import REGISTRY, Registration, plain_name, registered

pytestmark = pytest.mark.timeout(240)

SPEC = CurateSpec(preview=None, dedup=None)
IMAGE_VARIABLES = {"CLIPMILL_REGISTRY": REGISTRY}
FPS, NUM_FRAMES = 10, 40


@pytest.fixture(scope="module")
def registration() -> Registration:
    done = registered()
    assert done.exit_code == 0, done.said
    return done


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    picture = np.random.default_rng(7).integers(0, 255, (64, 96, 3), np.uint8)
    pictures = (np.roll(picture, index, axis=1) for index in range(NUM_FRAMES))
    write_film(folder / "film.mp4", pictures, time_base=Fraction(1, FPS))
    return folder


def pod(registration: Registration, task: str, home: Path, **variables: str) -> Pod:
    (template,) = (one for name, one in registration.notes.tasks.items() if plain_name(name) == task)
    return Pod(template, home, variables=IMAGE_VARIABLES | variables)


def test_an_element_of_the_map_inspects_its_own_manifest(
    registration: Registration, source: Path, tmp_path: Path
) -> None:
    """The first manifest is empty: only the second holds a video that can be read."""
    output = str(tmp_path / "output")
    plan = plan_of_spec(SPEC, source=str(source), output=output)
    (films,) = plan_shards(plan, output=output, sharding=SPEC.sharding).manifest_uris
    element = pod(
        registration, "tasks.shards.map_inspect", tmp_path, BATCH_JOB_ARRAY_INDEX_VAR_NAME="INDEX", INDEX="1"
    )
    element.run(
        manifest=([put_sources(output, []), films], list[str]), output=(output, str), spec=(SPEC, CurateSpec)
    )
    assert element.outputs()["o0"].scalar.primitive.integer == 1


def test_the_dynamic_task_plans_ray_tasks_in_the_registered_image(
    registration: Registration, tmp_path: Path
) -> None:
    planner = pod(registration, "tasks.stream.stream_all", tmp_path)
    places = {"source": ("s3://source", str), "output": ("s3://output", str), "spec": (SPEC, CurateSpec)}
    planner.run(
        works=(["s3://films/0", "s3://films/1"], list[str]),
        phase=(0, int),
        run_id=(new_run_id(), str),
        **places,
    )
    planned = planner.planned()
    assert len(planned.nodes) == 2
    (task,) = planned.tasks
    registered_image = registration.notes.tasks["tasks.stream.stream"].container.image
    assert (task.type, task.container.image) == ("ray", registered_image)


def test_a_store_that_does_not_answer_is_tried_again(registration: Registration, tmp_path: Path) -> None:
    """The backend counts only errors that call themselves recoverable against ``retries``."""
    no_store = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": "us-east-1"}
    admitter = pod(registration, "tasks.shards.admit", tmp_path, **no_store, **keys)
    places = {"source": ("s3://source", str), "output": ("s3://output", str), "spec": (SPEC, CurateSpec)}
    admitter.run(
        listing=("s3://output/listing.json", str),
        inspected=([], list[int]),
        run_id=(new_run_id(), str),
        **places,
    )
    assert admitter.error().kind == errors_pb2.ContainerError.RECOVERABLE
    assert "s3://output/lease.json" in admitter.error().message
