"""The plan of a spec."""

from collections.abc import Iterable, Iterator

from clipmill.errors import SpecError
from clipmill.planning.nodes import Placed, behind_dedup
from clipmill.planning.plan import Plan, plan_of
from clipmill.planning.process_stages import placed_process
from clipmill.planning.registry import make_stage, stage_class
from clipmill.specs import CurateSpec, DedupSpec, StageUse
from clipmill.stages.base import Stage


def plan_of_spec(spec: CurateSpec, *, source: str, output: str) -> Plan:
    """Returns the plan of a ``CurateSpec`` over a source and an output. SpecError for one that cannot run."""
    for name, uri in (("source", source), ("output", output)):
        if not uri.strip():
            raise SpecError(f"the {name} is empty: name a folder, a file or a URI")
    placed = in_phases(placed_stages(spec, source=source, output=output), spec.dedup)
    return plan_of(placed, limits=spec.limits)


def in_phases(placed: Iterable[Placed], dedup: DedupSpec | None) -> list[Placed]:
    """Returns the stages, of which those that can wait do so behind deduplication, if there is one."""
    if dedup is None:
        return list(placed)
    return behind_dedup(placed, all_clips=dedup.when == "before_captions")


def placed_stages(spec: CurateSpec, *, source: str, output: str) -> Iterator[Placed]:
    """Yields the stages of a spec: the built-in groups, and a user's behind the filters of the groups."""
    before, behind = spec.groups(source=source, output=output)
    yield from (Placed(stage, key) for key, stage in before)
    yield from (placed_use(use) for use in spec.stages)
    yield from (Placed(stage, key) for key, stage in behind)


def placed_use(use: StageUse) -> Placed:
    """Returns the stage that an entry of ``stages:`` names. SpecError in one line."""
    cls = stage_class(use.use)
    if not issubclass(cls, Stage):
        return placed_process(_made_process(cls, use), key=use.key, after=use.after)
    return Placed(make_stage(cls, use.parameters, key=use.key), use.key, use.after)


def _made_process(cls: type, use: StageUse) -> object:
    try:
        return cls(**use.parameters)
    except (TypeError, ValueError) as error:
        raise SpecError(f"stages: {use.use}: {error}") from error
