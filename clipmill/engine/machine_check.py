"""What a run needs of this machine, asked before any work: Ray, encoders, models, users' functions."""

from importlib.util import find_spec
from typing import Literal

from clipmill.errors import ClipmillError, SpecError, foreign, said_by
from clipmill.limits import LimitsSpec
from clipmill.machine import ClusterSize
from clipmill.media.encode.availability import check_encoder
from clipmill.media.scan.frame_measures import imported
from clipmill.models.runtime import num_gpus_here
from clipmill.planning.plan import Plan
from clipmill.sandbox.process import CodecChild
from clipmill.stages.base import Stage
from clipmill.stages.roles import EncoderStage

Engine = Literal["inline", "ray"]

IMPORT_S = 120.0
"""Most seconds in which the modules of users' functions are imported."""


def check_machine(plan: Plan, engine: Engine, grows_to: ClusterSize | None = None) -> None:
    """Raises SpecError or ModelUnavailable for what a run needs and this machine does not have.

    A cluster has what it grows to.
    """
    if engine == "ray":
        _check_ray()
    encoder = plan.encoder
    if encoder in plan.running and encoder and isinstance(encoder.stage, EncoderStage):
        check_encoder(encoder.stage.options())
    for stage in plan.stages:
        _check_stage(stage, num_gpus=_num_gpus(engine, grows_to))
    functions = {read.function: node.key for node in plan.running for read in node.reads.measures}
    if users := {name: key for name, key in functions.items() if not name.startswith("clipmill.")}:
        _check_measures(users, plan.limits)


def has_ray() -> bool:
    """Returns True if Ray is installed."""
    return find_spec("ray") is not None


def join_cluster() -> None:
    """Joins the Ray cluster of ``RAY_ADDRESS``, else one that runs on this machine, else starts one here.

    SpecError without Ray, and where the cluster does not answer.
    """
    _check_ray()
    from clipmill.engine.ray_engine import join

    join()


def _check_ray() -> None:
    if not has_ray():
        raise SpecError("the engine ray needs Ray, which is not installed: pip install 'clipmill[ray]'")


def _check_stage(stage: Stage, *, num_gpus: float) -> None:
    try:
        stage.check(num_gpus=num_gpus)
    except ClipmillError:
        raise
    except foreign() as error:
        raise SpecError(f"stage {stage.name}: check() raised {said_by(error)}") from error


def _check_measures(functions: dict[str, str], limits: LimitsSpec) -> None:
    """Imports users' functions in a codec process, where they will run and where memory has a limit."""
    with CodecChild(memory_limit_bytes=limits.max_child_bytes) as child:
        for function, key in functions.items():
            try:
                child.run(_import, function, timeout_s=IMPORT_S, stall_s=IMPORT_S)
            except foreign() as error:
                raise SpecError(f"stage {key} cannot use the measure {function}: {said_by(error)}") from error


def _import(function: str) -> None:
    if not callable(imported(function)):
        raise ValueError("it is no function")


def _num_gpus(engine: Engine, grows_to: ClusterSize | None) -> float:
    """GPUs that the workers may use: of the Ray cluster, or of this machine."""
    if engine == "ray":
        from clipmill.engine.ray_engine import cluster_at_most

        return cluster_at_most(grows_to).num_gpus
    return float(num_gpus_here())
