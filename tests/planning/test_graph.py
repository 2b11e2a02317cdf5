"""Stages in run order, and one readable line for a list that cannot run."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, ClassVar

import pyarrow as pa
import pytest

from clipmill.errors import SpecError
from clipmill.planning.nodes import Placed
from clipmill.planning.plan import Plan
from clipmill.stages.base import VERDICT, Column, Frames, Reads, Rule, Stage
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import Bounds, QualityFilterStage
from clipmill.stages.video.preview.preview import PreviewStage
from tests.support.hand_made import plan


class Own(Stage, abstract=True):
    """What the stages of this file have in common: their version is trusted, so that no source is read."""

    grain: ClassVar = "clip"
    code: ClassVar = "version"


class Luma(Own):
    """A number that another stage may read."""

    name: ClassVar = "luma"
    writes: ClassVar = (Column("luma", pa.float64(), "mean luma"),)


class Dark(Own):
    """A filter over its own column."""

    name: ClassVar = "dark"
    writes: ClassVar = (Column("darkness", pa.float64(), "one minus luma"),)

    most: Annotated[float | None, VERDICT] = 0.9

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("darkness", "dark", max=self.most),)


class Bound(Own):
    """A filter over a column of another stage, named by ``of``."""

    name: ClassVar = "bound"

    of: str = "luma"
    rule: str = ""

    def reads(self) -> Reads:
        return Reads(columns=(self.of,))

    def rules(self) -> tuple[Rule, ...]:
        return (Rule(self.rule or self.of, "low_luma", min=0.1),)


class FileFilter(Own):
    """A filter over the clip's file."""

    name: ClassVar = "file_filter"
    writes: ClassVar = (Column("noise", pa.float64(), "noise of the sound"),)

    def reads(self) -> Reads:
        return Reads(artifacts=("encode.file",))

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("noise", "noisy", max=1.0),)


class OtherLuma(Own):
    """Another stage that writes ``luma``."""

    name: ClassVar = "other_luma"
    writes: ClassVar = (Column("luma", pa.float64(), "mean luma"),)


class Reserved(Own):
    """Writes a column of every table."""

    name: ClassVar = "reserved"
    writes: ClassVar = (Column("start_s", pa.float64(), "a start"),)


class StateColumn(Own):
    """Writes a column of every row of the state."""

    name: ClassVar = "state_column"
    writes: ClassVar = (Column("outcome", pa.string(), "an outcome"),)


class SinglePrecision(Own):
    """Has a bound over float32."""

    name: ClassVar = "single"
    writes: ClassVar = (Column("score", pa.float32(), "a score"),)

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("score", "low", min=0.5),)


class First(Own):
    """Reads what reads it."""

    name: ClassVar = "first"
    writes: ClassVar = (Column("one", pa.float64(), "a number"),)

    def reads(self) -> Reads:
        return Reads(columns=("second:two",))


class Second(Own):
    """Reads what reads it."""

    name: ClassVar = "second"
    writes: ClassVar = (Column("two", pa.float64(), "a number"),)

    def reads(self) -> Reads:
        return Reads(columns=("first:one",))


class Needy(Own):
    """Needs the motion at a rate of its own."""

    name: ClassVar = "needy"

    def requires(self) -> tuple[Stage, ...]:
        return (MotionVectorDecodeStage(target_fps=4.0),)

    def reads(self) -> Reads:
        return Reads(columns=("motion:motion_global_mean",))


class Looker(Own):
    """Samples frames with a budget."""

    name: ClassVar = "looker"
    writes: ClassVar = (Column("look", pa.float64(), "a number"),)

    mebibytes: int = 24

    def reads(self) -> Reads:
        return Reads(frames=Frames(Fraction(1), 48, max_bytes_per_clip=self.mebibytes << 20))


def keys(of: Plan) -> list[str]:
    return [node.key for node in of.nodes]


BAD: dict[str, tuple[Sequence[object], str]] = {
    "a column that no stage writes": (
        [Bound(of="lumma")],
        "stage bound reads column lumma, which no stage writes: add its stage",
    ),
    "a column of a stage that is not there": (
        [Bound(of="luma:luma")],
        "stage bound reads luma:luma, and no stage has the key luma: add that stage",
    ),
    "a column that its stage does not write": (
        [Luma(), Bound(of="luma:darkness")],
        "stage bound reads column luma:darkness, which no stage writes: add its stage",
    ),
    "a bare name of two stages": (
        [Placed(Luma(), "a"), Placed(Luma(), "b"), Bound()],
        "stage bound reads luma, which a and b write: say a:luma",
    ),
    "two stages that write one column": (
        [Luma(), OtherLuma()],
        "stages luma and other_luma both write luma: give one a key",
    ),
    "a column of every table": (
        [Reserved()],
        "stage reserved writes start_s, which is a column of every table: rename it",
    ),
    "a column of every row": (
        [StateColumn()],
        "stage state_column writes outcome, which is a column of every table: rename it",
    ),
    "two instances without keys": (
        [Luma(), Luma()],
        "two stages have the key luma: give one Luma a key of its own (key: ...)",
    ),
    "a circle": ([First(), Second()], "stages read each other in a circle: "),
    "a stage after no stage": (
        [Placed(Luma(), after="qualty")],
        "stage luma runs after qualty, and no stage has that key",
    ),
    "a rule over float32": (
        [SinglePrecision()],
        "stage single has a rule over score of type float: make it float64, int64, bool or string",
    ),
    "a rule over a column that the stage does not read": (
        [Luma(), Dark(), Bound(rule="darkness")],
        "stage bound has a rule over darkness, which it neither writes nor reads",
    ),
    "a rule over another stage's column of the same name": (
        [Placed(Luma(), "a"), Placed(Luma(), "b"), Bound(of="a:luma", rule="b:luma")],
        "stage bound has a rule over b:luma, which it neither writes nor reads",
    ),
    "a file of a stage that is not there": (
        [FileFilter()],
        "stage file_filter reads a file of encode, which is no stage of this run",
    ),
}


@pytest.mark.parametrize(("stages", "message"), BAD.values(), ids=BAD)
def test_a_list_that_cannot_run_is_refused_in_one_line(stages: Sequence[object], message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}[^\n]*$"):
        plan(*stages)


def test_a_circle_names_its_stages() -> None:
    with pytest.raises(SpecError, match=r"first reads second reads first|second reads first reads second"):
        plan(First(), Second())


def test_stages_run_in_a_fixed_order_whatever_the_list_says() -> None:
    built_in = [
        PreviewStage(), PerceptualEmbeddingStage(), ClipTranscodingStage(), QualityFilterStage(),
        MotionFilterStage(),
    ]  # fmt: skip
    order = ["motion", "motion_filter", "quality", "encode", "embedding", "preview"]
    assert keys(plan(*built_in)) == keys(plan(*reversed(built_in))) == order


def test_the_encoder_runs_behind_every_filter() -> None:
    assert keys(plan(ClipTranscodingStage(), Dark())) == ["dark", "encode"]
    assert keys(plan(ClipTranscodingStage(), Luma(), Bound())) == ["luma", "bound", "encode"]
    bounded = QualityFilterStage(sharpness=Bounds(min=4))
    assert keys(plan(ClipTranscodingStage(), bounded)) == ["quality", "encode"]


def test_a_users_stage_without_rules_does_not_move_the_encoder() -> None:
    assert keys(plan(ClipTranscodingStage(), Luma())) == ["encode", "luma"]
    assert keys(plan(ClipTranscodingStage(), Dark(most=None))) == ["encode", "dark"]


def test_a_filter_over_the_file_stays_behind_the_encoder() -> None:
    assert keys(plan(FileFilter(), ClipTranscodingStage())) == ["encode", "file_filter"]
    of = plan(FileFilter(), ClipTranscodingStage(), Dark())
    assert keys(of) == ["dark", "encode", "file_filter"]


def test_after_puts_the_encoder_before_a_filter() -> None:
    early = Placed(ClipTranscodingStage(), after="motion_filter")
    assert keys(plan(MotionFilterStage(), early, Dark())) == ["motion", "motion_filter", "encode", "dark"]


def test_a_users_stage_runs_where_the_list_has_it() -> None:
    assert keys(plan(QualityFilterStage(), Dark(), PerceptualEmbeddingStage())) == [
        "quality",
        "dark",
        "embedding",
    ]
    assert keys(plan(Dark(), QualityFilterStage(), PerceptualEmbeddingStage()))[0] == "dark"
    assert keys(plan(QualityFilterStage(), PerceptualEmbeddingStage(), Dark()))[-1] == "dark"


def test_after_moves_a_stage_behind_another() -> None:
    of = plan(QualityFilterStage(), PerceptualEmbeddingStage(), Placed(Dark(), after="quality"))
    assert keys(of) == ["quality", "dark", "embedding"]


def test_a_stage_runs_behind_what_it_reads() -> None:
    assert keys(plan(Bound(), Luma())) == ["luma", "bound"]


def test_a_required_stage_is_added_where_none_of_its_class_is_there() -> None:
    (motion,) = [node for node in plan(Needy()).nodes if node.key == "motion"]
    assert motion.stage == MotionVectorDecodeStage(target_fps=4.0)
    of = plan(Needy(), MotionVectorDecodeStage(target_fps=1.0))
    assert of.by_key["motion"].stage == MotionVectorDecodeStage(target_fps=1.0)


def test_two_instances_with_keys_have_columns_of_their_own() -> None:
    of = plan(Luma(), Placed(Luma(), "late_luma"))
    assert [name for node in of.nodes for name, _ in node.published_columns()] == ["luma", "late_luma_luma"]


def test_several_embeddings_with_keys_run_side_by_side() -> None:
    of = plan(PerceptualEmbeddingStage(), Placed(PerceptualEmbeddingStage(mirrored=True), "mirrors"))
    assert keys(of) == ["embedding", "mirrors"]
    assert of.by_key["embedding"].digest != of.by_key["mirrors"].digest
    with pytest.raises(SpecError, match="two stages have the key embedding"):
        plan(PerceptualEmbeddingStage(), PerceptualEmbeddingStage(mirrored=True))


def test_budgets_of_frames_shrink_in_proportion_once_they_are_too_large_together() -> None:
    small = plan(Looker(mebibytes=16), Placed(Looker(mebibytes=32), "more"))
    large = plan(Looker(mebibytes=32), Placed(Looker(mebibytes=64), "more"))

    def budgets(of: Plan) -> list[int]:
        return [frames.max_bytes_per_clip >> 20 for node in of.nodes if (frames := node.reads.frames)]

    assert budgets(small) == budgets(large) == [16, 32]
