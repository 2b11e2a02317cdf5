"""The order in which stages run: built-in ones in a fixed order, a user's where it was placed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipmill.errors import SpecError
from clipmill.planning.nodes import BARRIERS, Placed, may_reject
from clipmill.planning.registry import rank_of
from clipmill.stages.roles import EncoderStage, ExtractorStage

Rank = tuple[float, int]
"""Place among the built-in stages, then place in the list of the user."""

BEHIND_BARRIER = 1000.0
"""Rank of a stage that runs behind the first barrier."""


@dataclass(frozen=True)
class Edges:
    """Key -> the keys of the stages whose columns or files the stage reads."""

    reads: Mapping[str, frozenset[str]]

    def behind(self, key: str) -> frozenset[str]:
        """Returns the keys of all stages that read something of ``key``, directly or not."""
        found: set[str] = set()
        waiting = [key]
        while waiting:
            current = waiting.pop()
            new = {other for other, read in self.reads.items() if current in read} - found
            found |= new
            waiting += new
        return frozenset(found)


def run_order(placed: Sequence[Placed], edges: Edges) -> list[Placed]:
    """Returns the stages in run order. SpecError for an unknown ``after`` and for a cycle.

    A user's stage runs where the list has it: behind the stages before it that are built in. The encoder
    runs behind every stage that can reject a clip, unless that stage reads the clip's file or ``after`` says
    otherwise.
    """
    by_key = {one.name: one for one in placed}
    ranks = _ranks(placed)
    _move_behind_inputs(ranks, edges, by_key)
    _move_encoder(ranks, edges, placed)
    for _ in placed:  # what reads the encoder's file moves with it
        _move_behind_inputs(ranks, edges, by_key)
    return sorted(placed, key=lambda one: ranks[one.name])


def _ranks(placed: Sequence[Placed]) -> dict[str, Rank]:
    ranks: dict[str, Rank] = {}
    before = 0
    for index, one in enumerate(placed):
        built_in = rank_of(type(one.stage))
        if one.stage.grain != "run":  # settings have no place of their own
            before = max(before, built_in or 0)
        ranks[one.name] = (before + 0.5 if built_in is None else float(built_in), index)
    for index, one in enumerate(placed):
        if one.after:
            if one.after in BARRIERS:
                ranks[one.name] = (BEHIND_BARRIER + BARRIERS.index(one.after), index)
                continue
            if one.after not in ranks:
                raise SpecError(f"stage {one.name} runs after {one.after}, and no stage has that key")
            ranks[one.name] = (ranks[one.after][0] + 0.25, index)
    return ranks


def _move_behind_inputs(ranks: dict[str, Rank], edges: Edges, by_key: Mapping[str, Placed]) -> None:
    """Gives each stage a rank behind the stages that it reads. SpecError for a cycle."""
    done: set[str] = set()

    def visit(key: str, path: tuple[str, ...]) -> None:
        if key in path:
            circle = " reads ".join((*path[path.index(key) :], key))
            raise SpecError(f"stages read each other in a circle: {circle}")
        if key in done:
            return
        for read in edges.reads.get(key, frozenset()):
            visit(read, (*path, key))
            if ranks[read] >= ranks[key]:
                ranks[key] = (ranks[read][0] + 0.125, ranks[key][1])
        done.add(key)

    for key in by_key:
        visit(key, ())


def _move_encoder(ranks: dict[str, Rank], edges: Edges, placed: Sequence[Placed]) -> None:
    for encoder in placed:
        if not isinstance(encoder.stage, EncoderStage) or encoder.after:
            continue
        behind = edges.behind(encoder.name)
        filters = [
            ranks[one.name][0]
            for one in placed
            if one.name not in behind and not isinstance(one.stage, ExtractorStage) and may_reject(one.stage)
        ]
        last = max(filters, default=0.0)
        if last >= ranks[encoder.name][0]:
            ranks[encoder.name] = (last + 0.0625, ranks[encoder.name][1])
