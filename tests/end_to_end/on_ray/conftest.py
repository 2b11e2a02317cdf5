"""One Ray for all tests of this folder: starting one takes twelve seconds of a core."""

import os
from collections.abc import Iterator

import pytest
import ray

from tests.support.stages.users_package import Workplace, workplace
from tests.support.stand_ins import sabotage

NUM_CPUS, NUM_GPUS = 2, 2


@pytest.fixture(scope="package")
def ray_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """The environment that workers inherit: films that harm their decoder, and a user's package."""
    with pytest.MonkeyPatch.context() as patch:
        place = workplace(tmp_path_factory.mktemp("users"), patch)
        harm = sabotage.lay(tmp_path_factory.mktemp("harm") / "saboteur")
        paths = os.pathsep.join([harm["PYTHONPATH"], os.environ["PYTHONPATH"]])
        for name, value in {**harm, "PYTHONPATH": paths}.items():
            patch.setenv(name, value)
        yield place


@pytest.fixture(scope="package")
def ray_address(ray_environment: Workplace) -> Iterator[str]:
    """The address of a Ray with two cores and two made-up GPUs, which this process has joined."""
    del ray_environment
    ray.init("local", num_cpus=NUM_CPUS, num_gpus=NUM_GPUS, include_dashboard=False, log_to_driver=False)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()
