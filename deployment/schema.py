"""What a deployment file may say: machines, placement, secrets and launch plans, by profile."""

import re
from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Environment = Literal["cpu", "nvdec", "models", "legacy", "vllm"]
"""Extras of pyproject.toml that work on videos runs in; the same names as the images."""
EngineName = Literal["stream", "map"]
"""``stream`` is one Ray cluster per group of videos, ``map`` one plain pod per group."""

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([A-Za-z]*)")
_UNITS = {"": 1.0, "m": 1e-3, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def _checked(pattern: str, wanted: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        text = str(value) if is_number or isinstance(value, str) else ""
        if not re.fullmatch(pattern, text) or not text.strip("0.mMGTi"):
            raise ValueError(f"{value!r} is no {wanted}")
        return text

    return check


_NUMBER = r"\d+(\.\d+)?"
Cores = Annotated[
    str, BeforeValidator(_checked(f"{_NUMBER}m?", "number of cores: write 4, 0.5 or 500m (thousandths)"))
]
Bytes = Annotated[
    str, BeforeValidator(_checked(f"{_NUMBER}(Mi|Gi|Ti)", "amount of memory: write 512Mi, 32Gi or 2Ti"))
]


class Strict(BaseModel):
    """A group of the file: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Machine(Strict):
    """What a container asks for; its limits are the same, so that it is never evicted for its memory."""

    cpu: Cores
    mem: Bytes
    gpu: int = Field(default=0, ge=0, le=16)
    disk: Bytes | None = None
    """Ephemeral storage; without a value Kubernetes sets no limit."""


class TaskRow(Machine):
    """A task's machine, how often the backend may try it again, and how long one attempt may take."""

    retries: int = Field(ge=0, le=20)
    hours: float = Field(gt=0)
    spot: bool = False


def _named(pattern: str, wanted: str) -> AfterValidator:
    """A text of a pattern; empty means none."""

    def check(text: str) -> str:
        if text and not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is no {wanted}")
        return text

    return AfterValidator(check)


_CRON_FIELD = r"[\dA-Za-z*?/,#-]+"
Name = Annotated[str, _named(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "name of Kubernetes: a-z, 0-9, - and .")]
Registry = Annotated[
    str, _named(r"[\w.-]+(:\d+)?(/[a-z0-9._-]+)*", "registry: write host/path, in lower case")
]
Cron = Annotated[
    str,
    _named(
        rf"{_CRON_FIELD}( {_CRON_FIELD}){{4}}|@?(hourly|daily|weekly|monthly|yearly)",
        "schedule: write 0 3 * * *",
    ),
]
Address = Annotated[str, _named(r"[^@\s]+@[^@\s]+\.[^@\s]+", "address of mail")]


class WorkerGroup(Machine):
    """One kind of pod of the Ray cluster, grown between ``min`` and ``max``."""

    min: int = Field(default=0, ge=0)
    max: int = Field(ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max {self.max}")
        return self


class Toleration(Strict):
    """As Kubernetes has it."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.operator == "Exists" and self.value:
            raise ValueError(f"a value needs operator: Equal, got {self.value!r} with Exists")
        return self


class Placement(Strict):
    """On which nodes pods of one kind run."""

    node_selector: dict[str, str] = Field(default_factory=dict[str, str])
    tolerations: tuple[Toleration, ...] = ()


class GpuPods(Placement):
    """Pods with a GPU: its name in Flyte, and the shared memory that torch and vLLM use."""

    accelerator: str = ""
    shared_memory: Bytes | None = None


class Cluster(Strict):
    """The Ray cluster of the engine ``stream``: a head that does no work, and groups of workers."""

    head: Machine
    workers: WorkerGroup
    gpu_workers: dict[Environment, WorkerGroup] = Field(default_factory=dict[Environment, WorkerGroup])
    scratch: Bytes = "100Gi"
    """Size of the volume at /tmp of each worker: spooled arrays, and what Ray spills."""
    idle_s: int = Field(default=60, ge=1)
    keep_finished_s: int = Field(default=600, ge=1)


class Tasks(Strict):
    """Machines of the plain tasks; ``stream`` only submits the Ray job."""

    plan: TaskRow
    inspect: TaskRow
    stream: TaskRow
    fit: TaskRow
    pairs: TaskRow
    publish: TaskRow
    fetch: TaskRow
    search: TaskRow


class Prices(Strict):
    """US dollars per hour, for an estimate in the deck of a run."""

    core: float = Field(default=0.0, ge=0)
    gpu: float = Field(default=0.0, ge=0)


class Profile(Strict):
    """One kind of cluster. The first engine is the one that runs use unless they name another."""

    about: str
    engines: tuple[EngineName, ...] = Field(min_length=1)
    tasks: Tasks
    cluster: Cluster | None = None
    elements: dict[Environment, TaskRow] = Field(default_factory=dict[Environment, TaskRow])
    """Machines of the engine ``map``, by environment."""
    element_minutes: float = Field(default=30, ge=1, le=600)
    """Minutes of video in one element of the engine ``map``."""
    map_concurrency: int = Field(default=64, ge=1, le=5000)
    """Elements of one map that run at once."""
    max_parallelism: int = Field(default=64, ge=1)
    gpu: GpuPods = GpuPods()
    spot: Placement | None = None
    """Where Ray's workers run that may be interrupted; plain tasks say so by ``spot: true`` in their row."""
    prices: Prices = Prices()

    @model_validator(mode="after")
    def _check_engines(self) -> Self:
        if "stream" in self.engines and self.cluster is None:
            raise ValueError("the engine stream needs a cluster")
        if "map" in self.engines and "cpu" not in self.elements:
            raise ValueError("the engine map needs elements.cpu")
        return self


class SecretRequest(Strict):
    """A secret that every task gets as an environment variable."""

    key: str = Field(min_length=1)
    env_var: str = Field(pattern=r"^[A-Z_][A-Z0-9_]*$")
    group: str = ""


class Launch(Strict):
    """What the nightly plan curates, when, and whom a run writes to. Empty source: no schedule."""

    source: str = ""
    output: str = ""
    spec: str = ""
    """File, relative to the root of the repository, or inline JSON."""
    cron: Cron = "0 3 * * *"
    emails: tuple[Address, ...] = ()
    """Also a Slack channel's address: mail to it appears there."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.source) != bool(self.output):
            raise ValueError("source and output go together: with one of them no night starts")
        return self


class Shared(Strict):
    """What all profiles have in common."""

    registry: Annotated[Registry, Field(min_length=1)] = "ghcr.io/clipmill"
    service_account: Name = ""
    pod_template: Name = ""
    """Name of the PodTemplate in the namespace of the executions; docs/deploy.md prints it."""
    pull_secret: Name = ""
    baked: bool = False
    """True: the images hold the code, and a registration uploads none."""
    secrets: tuple[SecretRequest, ...] = ()
    launch: Launch = Launch()

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        names = [one.env_var for one in self.secrets]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two secrets are named {twice}: a variable holds one")
        return self


class Deployment(Shared):
    """One profile with what all share: what tasks are registered with, and find in their environment."""

    name: str
    profile: Profile


def amount(text: str) -> float:
    """Returns an amount of Kubernetes as a number, of cores or bytes."""
    found = _AMOUNT.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"{text} is no amount of Kubernetes")
    return float(found[1]) * _UNITS[found[2]]
