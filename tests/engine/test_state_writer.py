"""Rows of a long video that are written before its traits are known."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, ClassVar

import pyarrow as pa
import pytest

from clipmill.engine.chunk import Chunk
from clipmill.engine.state_writer import StateWriter
from clipmill.engine.work import Work
from clipmill.media.types import ScanFacts
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.stages.base import Affects, Column, Stage
from clipmill.state.schema import SPLIT_STATE, schema_of
from clipmill.state.split_outcome import SplitOutcome
from clipmill.state.split_rows import traits_of
from clipmill.state.store import ResultStore
from tests.support.hand_made import FACTS, IDS, SPANS, plan

SCANNED = ScanFacts(144, 6.0, Fraction(1, 24), False, False, "", "digest", None, 1, 1.0, traits=("hdr",))
WORK = Work(SourceFile("film.mp4", 1, "sv"), "film", FACTS)


class Mapped(Stage):
    """A number that an option changes for HDR films."""

    name: ClassVar = "mapped"
    grain: ClassVar = "clip"
    writes: ClassVar = (Column("number", pa.float64(), "a number"),)

    tone: Annotated[str, Affects("hdr")] = "kept"


def chunk(of: Plan, index: int, *, is_last: bool) -> Chunk:
    (node,) = of.rowed
    row = {"id": IDS[index], "outcome": "result", "number": float(index)}
    made = {"mapped": pa.Table.from_pylist([row], schema=schema_of(node))}
    work = replace(WORK, traits=traits_of(SCANNED)) if is_last else WORK
    return Chunk(work, (SPANS[index],), made=made, split=SplitOutcome(SCANNED) if is_last else None)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)], ids=str)
@pytest.mark.parametrize(("tone", "effects"), [("kept", ""), ("mapped", 'tone="mapped"')])
def test_they_end_up_with_the_effects_of_the_whole_video(
    tmp_path: Path, order: tuple[int, ...], tone: str, effects: str
) -> None:
    of, state = plan(Mapped(tone=tone)), ResultStore(str(tmp_path))
    (node,) = of.rowed
    writer = StateWriter(state, of, "run")
    for index in order:
        writer.add(chunk(of, index, is_last=index == 2))
        if not index:
            writer.flush()
    writer.flush()
    rows = state.read("mapped", node.digest, schema=schema_of(node), effects=effects)
    assert sorted(rows["number"].to_pylist()) == [0.0, 1.0, 2.0]
    assert set(rows["effects"].to_pylist()) == {effects}
    split = state.read(of.extractor.key, of.extractor.digest, schema=SPLIT_STATE)
    assert split["traits"].to_pylist() == ["hdr"]
