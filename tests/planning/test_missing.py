"""Which stages clips lack, from the rows that are there."""

from collections.abc import Mapping
from typing import ClassVar

import pyarrow as pa
import pytest

from clipmill import identity
from clipmill.planning.missing import item_ids
from clipmill.planning.plan import Plan
from clipmill.stages.base import Column, Reads, Stage
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import Bounds, QualityFilterStage
from clipmill.stages.video.preview.preview import PreviewStage
from tests.support.hand_made import IDS, SPANS, lacking, plan, rows, writer

A, B, C = IDS


class Score(Stage):
    """A number of each clip."""

    name: ClassVar = "score"
    grain: ClassVar = "clip"
    code: ClassVar = "version"
    writes: ClassVar = (Column("luma", pa.float64(), "mean luma"),)


class Reader(Stage):
    """A number made from another stage's."""

    name: ClassVar = "reader"
    grain: ClassVar = "clip"
    code: ClassVar = "version"
    writes: ClassVar = (Column("double", pa.float64(), "twice the luma"),)

    def reads(self) -> Reads:
        return Reads(columns=("score:luma",))


FULL = (
    MotionFilterStage(), QualityFilterStage(sharpness=Bounds(min=4)), ClipTranscodingStage(),
    PerceptualEmbeddingStage(), PreviewStage(),
)  # fmt: skip


Tables = Mapping[str, pa.Table]


def outcomes(of: Plan, **by_key: str | Mapping[str, str]) -> Tables:
    """Rows by key: one outcome for all clips, or one for each clip that has a row."""
    tables: dict[str, pa.Table] = {}
    for key, said in by_key.items():
        found = dict.fromkeys(IDS, said) if isinstance(said, str) else dict(said)
        tables[key] = rows(of.by_key[key], {"outcome": list(found.values())}, ids=list(found))
    return tables


def test_a_clip_without_rows_lacks_every_stage_that_leaves_some() -> None:
    found = lacking(plan(*FULL), {}, SPANS)
    every = frozenset({"motion", "quality", "encode", "embedding", "preview"})
    assert found == dict.fromkeys(IDS, every)


def test_a_clip_with_all_rows_lacks_nothing() -> None:
    of = plan(Score(), Reader())
    assert lacking(of, outcomes(of, score="result", reader="final"), SPANS) == {}


def test_a_row_that_may_be_tried_again_is_lacking() -> None:
    of = plan(Score())
    known = outcomes(of, score={A: "result", B: "retryable", C: "final"})
    assert lacking(of, known, SPANS) == {B: frozenset({"score"})}


def test_a_stage_that_reads_a_retryable_row_is_lacking_with_it() -> None:
    of = plan(Score(), Reader())
    known = outcomes(of, score={A: "retryable", B: "result", C: "final"})
    assert lacking(of, known, SPANS) == {
        A: frozenset({"score", "reader"}),
        B: frozenset({"reader"}),
        C: frozenset({"reader"}),
    }


def test_clips_that_newly_pass_lack_only_what_they_never_had() -> None:
    of = plan(*FULL)
    sharpness = {"sharpness": [5.0, 5.0, 1.0]}
    known = {
        **outcomes(of, motion="result", encode={A: "result"}, embedding={A: "result"}),
        "quality": rows(of.by_key["quality"], sharpness),
    }
    found = lacking(of, known, SPANS)
    assert found == {
        A: frozenset({"preview"}),
        B: frozenset({"encode", "embedding", "preview"}),
        C: frozenset({"preview"}),
    }


def test_rejected_clips_lack_files_of_their_own_where_the_writer_asks_for_them() -> None:
    of = plan(*FULL, writer("out").model_copy(update={"write_filtered_clips": True}))
    known = {
        **outcomes(of, motion="result", preview="result", encode={B: "final"}),
        "quality": rows(of.by_key["quality"], {"sharpness": [1.0, 5.0, 5.0]}),
    }
    found = lacking(of, known, SPANS)
    assert {clip: keys - {"preview"} for clip, keys in found.items()} == {
        A: {"encode_filtered"},
        B: set(),  # one that could not be encoded has no file of a rejected clip
        C: {"encode", "embedding"},
    }


@pytest.mark.parametrize(
    ("outcome", "lacks"),
    [("final", set[str]()), ("retryable", {"encode", "embedding"})],
    ids=["never", "for now"],
)
def test_a_clip_that_was_not_encoded_lacks_its_file_and_what_lies_behind_it_or_nothing(
    outcome: str, lacks: set[str]
) -> None:
    of = plan(ClipTranscodingStage(), PerceptualEmbeddingStage())
    found = lacking(of, outcomes(of, encode={A: outcome}), SPANS[:1])
    assert found == ({A: lacks} if lacks else {})


def test_a_clip_lacks_previews_until_each_window_has_one() -> None:
    of = plan(PreviewStage())
    node = of.by_key["preview"]
    (window,) = of.windows_of(SPANS[0])
    ids = list(item_ids(of, node, SPANS[0]))
    assert ids == [identity.window_id(A, window.start_frame, window.end_frame)]
    assert lacking(of, {}, SPANS[:1]) == {A: frozenset({"preview"})}
    assert lacking(of, {"preview": rows(node, {}, ids=ids)}, SPANS[:1]) == {}
