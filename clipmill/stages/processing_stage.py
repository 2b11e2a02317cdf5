"""The base classes that NeMo Curator's users derive their stages from.

A stage of the project's own is a ``clipmill.stages.base.Stage``, which declares columns and reads. These
classes let stages run that were written for NeMo Curator.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Self, TypeVar, cast

from clipmill.stages.resources import Resources
from clipmill.stages.spec import say_ignored

X = TypeVar("X")
Y = TypeVar("Y")
Attributes = tuple[list[str], list[str]]
"""Names of attributes of a task, and of its data."""


class ProcessingStage(ABC, Generic[X, Y]):
    """A stage with ``process(task)``.

    It may drop clips of the task, change documented fields, or return None to drop them all. A list of one
    task is that task. ``setup_on_node`` and ``setup`` are called once in each worker process, in this order,
    before the first task. ``resources`` says what a worker reserves. ``inputs`` names what must be there;
    ``outputs`` is for readers of the code. ``environment`` names the extra in which workers run;
    ``runtime_env`` is NeMo Curator's and has no effect.
    """

    name: str = "ProcessingStage"
    resources: Resources = Resources(cpus=1.0)
    batch_size: int | None = 1
    runtime_env: Mapping[str, Any] | None = None
    _most_workers: int | None = None

    @abstractmethod
    def process(self, task: X) -> Y | list[Y] | None:
        """Takes a task and returns it, changed; None drops its clips."""

    def process_batch(self, tasks: list[X]) -> Sequence[Y | list[Y] | None]:
        """Takes tasks and returns what became of each, in their order; overridden, it is called instead."""
        return [self.process(task) for task in tasks]

    def setup_on_node(self, node_info: object = None, worker_metadata: object = None) -> None:
        """Prepares a machine, such as by fetching weights. It may be called once in each worker process."""

    def setup(self, worker_metadata: object = None) -> None:
        """Prepares a worker process, such as by loading a model."""

    def teardown(self) -> None:
        """Releases what ``setup`` took; called when the worker is done."""

    def inputs(self) -> Attributes:
        """Returns the attributes that the stage needs: those of the task, then those of its data.

        A run stops with a SpecError before the first call for one that is not there.
        """
        return [], []

    def validate_input(self, task: X) -> bool:
        """Returns True if a task and its data have what ``inputs`` names."""
        of_task, of_data = self.inputs()
        data: object = getattr(task, "data", None)
        return all(hasattr(task, name) for name in of_task) and all(hasattr(data, name) for name in of_data)

    def outputs(self) -> Attributes:
        """Returns the attributes that the stage sets."""
        return [], []

    def num_workers(self) -> int | None:
        """Returns the most workers, or None for as many as the machine holds."""
        return self._most_workers

    def ray_stage_spec(self) -> dict[str, Any]:
        """Returns options for one executor of NeMo Curator's; without effect."""
        return {}

    def xenna_stage_spec(self) -> dict[str, Any]:
        """Returns options for another one; without effect."""
        return {}

    def with_(
        self,
        name: str | None = None,
        resources: Resources | None = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
        **others: object,
    ) -> Self:
        """Returns a copy with another name, resources, batch size or most workers.

        Options for one executor (``ray_stage_spec``, ``xenna_stage_spec``, ``runtime_env``,
        ``num_workers_per_node``) are taken and have no effect. TypeError for any other option.
        """
        if unknown := sorted(set(others) - _OPTIONS_OF_EXECUTORS):
            raise TypeError(f"with_() has no option {unknown[0]}")
        changed = copy.deepcopy(self)
        given = {
            "name": name, "resources": resources, "batch_size": batch_size, "_most_workers": num_workers,
        }  # fmt: skip
        for option in sorted(others):
            say_ignored(type(self).__name__, f"with_({option}=...)")
        for attribute, value in given.items():
            if value is not None:
                setattr(changed, attribute, value)
        return changed


_OPTIONS_OF_EXECUTORS = {"ray_stage_spec", "xenna_stage_spec", "runtime_env", "num_workers_per_node"}


class CompositeStage(ProcessingStage[X, Y], ABC):
    """A stage that stands for several: a pipeline takes what ``decompose`` returns in its place."""

    @abstractmethod
    def decompose(self) -> Sequence[object]:
        """Returns the stages, in order."""

    def process(self, task: X) -> Y | list[Y] | None:
        """Raises RuntimeError: a pipeline runs the stages that this one stands for."""
        raise RuntimeError(f"{self.name} stands for several stages: add it to a pipeline")

    def with_(self, stage_with_dict: Mapping[str, Mapping[str, object]]) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride] its name there
        """Returns a copy whose stages are changed: name of a stage -> options of its ``with_``."""
        changed = copy.deepcopy(self)
        vars(changed)["_changes"] = {**self._changed_options(), **stage_with_dict}
        return changed

    def stages(self) -> list[object]:
        """Returns the stages with their changes. ValueError for a change of a stage that is not there."""
        changes = self._changed_options()
        parts = list(self.decompose())
        if unknown := sorted(set(changes) - {str(getattr(part, "name", "")) for part in parts}):
            raise ValueError(f"{self.name} has no stage {unknown[0]}")
        return [_changed(part, changes.get(str(getattr(part, "name", "")), {})) for part in parts]

    def _changed_options(self) -> Mapping[str, Mapping[str, object]]:
        return cast("Mapping[str, Mapping[str, object]]", self.__dict__.get("_changes", {}))


class ModelInterface(ABC):
    """A model that a stage of yours holds: it names its weights, and ``setup`` loads them."""

    @property
    @abstractmethod
    def model_id_names(self) -> list[str]:
        """Returns the ids of the weights."""

    @abstractmethod
    def setup(self) -> None:
        """Loads the weights in a worker process."""


class FolderStage(ABC):
    """A stage that reads one folder of tables and writes another: it sees no video.

    A pipeline of such stages runs them one after the other, in this process.
    """

    name: str

    @abstractmethod
    def run(self, folder: str) -> str:
        """Reads, writes, and returns the folder that it wrote.

        ``folder`` is the one that the stage before it wrote, empty for the first.
        """


def _changed(stage: object, options: Mapping[str, object]) -> object:
    if not options or not isinstance(stage, ProcessingStage):
        return stage
    return cast("ProcessingStage[object, object]", stage).with_(**cast("dict[str, Any]", options))
