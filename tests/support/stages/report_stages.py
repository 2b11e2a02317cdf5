"""Small stages that the report's tests show: with plots, rules, files and captions. None has a worker."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar

import pyarrow as pa

from clipmill.planning.graph import build_nodes
from clipmill.planning.nodes import NO_COLUMNS, Node, Placed
from clipmill.records import CutClip
from clipmill.stages.base import VERDICT, Column, Reads, Rule, Stage, StageContext
from clipmill.stages.columns import CAPTION, CARD, ENHANCED_CAPTION, FILE, SIZE, STATUS
from clipmill.stages.cut_finder import CutFinder
from clipmill.stages.encode_options import EncodeOptions
from clipmill.stages.roles import ClipRules, EncoderStage, ExtractorStage


def score(name: str, doc: str = "") -> Column:
    """A number that the report plots."""
    return Column(name, pa.float64(), doc, plot=True)


class Cutter(ExtractorStage):
    """Cuts nothing, and says which lengths it would allow."""

    name: ClassVar = "cutter"

    max_length_s: float = 10.0

    def clip_rules(self) -> ClipRules:
        return ClipRules(min_length_s=2.0, max_length_s=self.max_length_s)

    def finder(self, context: StageContext | None) -> CutFinder | None:
        return None


class Flow(Stage):
    """Scores that another stage filters by."""

    name: ClassVar = "flow"
    grain: ClassVar = "clip"

    writes: ClassVar = (
        score("motion_global_mean", "mean flow over height + width"),
        score("motion_per_patch_min_256", "the stillest 256 px patch of the picture"),
        score("motion_camera_mean"),
        score("motion_object_mean"),
        Column("motion_source", pa.string(), "how it was measured"),
        Column("flow_hidden", pa.float64(), "not published", table="state", plot=True),
    )


class FlowFilter(Stage):
    """A threshold of a column that another stage wrote, and a field that turns it off."""

    name: ClassVar = "flow_filter"
    grain: ClassVar = "clip"

    least: Annotated[float, VERDICT] = 0.00098
    score_only: Annotated[bool, VERDICT] = False

    def reads(self) -> Reads:
        return Reads(columns=("flow:motion_global_mean",))

    def rules(self) -> tuple[Rule, ...]:
        bound = Rule("flow:motion_global_mean", "low_motion", min=self.least)
        return () if self.score_only else (bound,)


class PatchFilter(Stage):
    """A threshold that only scores."""

    name: ClassVar = "patch_filter"
    grain: ClassVar = "clip"

    score_only: Annotated[bool, VERDICT] = True

    def reads(self) -> Reads:
        return Reads(columns=("motion_per_patch_min_256",))

    def rules(self) -> tuple[Rule, ...]:
        return () if self.score_only else (Rule("motion_per_patch_min_256", "low_motion", min=1e-6),)


class Looks(Stage):
    """Scores with a threshold of its own."""

    name: ClassVar = "looks"
    grain: ClassVar = "clip"

    least_sharpness: Annotated[float | None, VERDICT] = 3.0

    writes: ClassVar = (
        Column("sharpness", pa.float64(), "more is sharper", plot=True, rank="desc"),
        score("exposure", "mean luma; 0 black, 1 white"),
        score("colourfulness", "0 is grey"),
        score("blockiness", "1 is none"),
        score("black_ratio", "share of the samples"),
        score("frozen_ratio", "share of the samples"),
        score("letterbox_ratio", "share of the picture that is bars"),
        score("text_likeness", "share like overlaid text"),
    )

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("sharpness", "low_quality", min=self.least_sharpness),)


class Beauty(Stage):
    """A score that the drawn run has no value of."""

    name: ClassVar = "beauty"
    grain: ClassVar = "clip"

    writes: ClassVar = (score("aesthetic_score", "1 to 10"),)


class FileMaker(EncoderStage):
    """Facts of a clip's file."""

    name: ClassVar = "file_maker"

    writes: ClassVar = (
        Column("clip_uri", pa.string(), "the file", role=FILE),
        Column("clip_mode", pa.string(), "how it was made"),
        Column("width", pa.int32(), "in pixels"),
        Column("height", pa.int32(), "in pixels"),
        Column("framerate", pa.float64(), "frames a second"),
        Column("num_frames", pa.int64(), "frames of the file"),
        Column("num_bytes", pa.int64(), "size of the file", role=SIZE),
        Column("video_codec", pa.string(), "codec of the file"),
        Column("has_audio", pa.bool_(), "whether it has sound"),
    )

    def options(self) -> EncodeOptions:
        raise NotImplementedError

    def row(self, cut: CutClip, *, clip_uri: str, clip_digest: str) -> Mapping[str, object]:
        raise NotImplementedError

    @property
    def clips_per_chunk(self) -> int:
        return 1


class Matcher(Stage):
    """A text and a number for the cards."""

    name: ClassVar = "matcher"
    grain: ClassVar = "clip"

    writes: ClassVar = (
        Column("embedding_algorithm", pa.string(), "name of the model"),
        Column("best_text", pa.string(), "the text that fits best", role=CARD),
        Column("best_text_score", pa.float64(), "how well it fits", role=CARD),
    )


class Drawer(Stage):
    """Previews of windows."""

    name: ClassVar = "drawer"
    grain: ClassVar = "window"

    writes: ClassVar = (Column("preview_uri", pa.string(), "animated WebP", role=FILE),)


class Describer(Stage):
    """Captions of windows."""

    name: ClassVar = "describer"
    grain: ClassVar = "window"

    writes: ClassVar = (
        Column("text", pa.string(), "the caption", role=CAPTION),
        Column("text_status", pa.string(), "how it went", role=STATUS),
    )


class Polisher(Stage):
    """Better captions of windows."""

    name: ClassVar = "text_polisher"
    grain: ClassVar = "window"

    writes: ClassVar = (
        Column("polished", pa.string(), "the better caption", role=ENHANCED_CAPTION),
        Column("polished_status", pa.string(), "how it went", role=STATUS),
    )

    def reads(self) -> Reads:
        return Reads(columns=("text",))


@dataclass(frozen=True)
class SmallPlan:
    """The part of a plan that a report reads."""

    extractor: Node
    nodes: tuple[Node, ...]
    source_fields: pa.Schema = NO_COLUMNS


def plan_of_stages(*stages: Stage | Placed, extractor: ExtractorStage | None = None) -> SmallPlan:
    """The plan of stages in the order of the planner."""
    placed = [one if isinstance(one, Placed) else Placed(one) for one in stages]
    first, *nodes = build_nodes([Placed(extractor or Cutter()), *placed], windows="")
    return SmallPlan(first, tuple(nodes))


@cache
def planned() -> SmallPlan:
    """The plan of the drawn run."""
    return plan_of_stages(
        Flow(), FlowFilter(), PatchFilter(), Looks(), Beauty(), FileMaker(), Matcher(), Drawer(), Describer(),
        Polisher(),
    )  # fmt: skip


def published(plan: SmallPlan, grain: str) -> Iterator[pa.Field]:
    """The fields that the stages of a plan add to the table of a grain."""
    for node in plan.nodes:
        for name, column in node.published_columns():
            if node.stage.grain == grain and column.table == "own_grain":
                yield pa.field(name, column.type)
