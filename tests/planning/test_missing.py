"""Which stages clips lack, from the rows that are there."""

from collections.abc import Mapping
from typing import ClassVar

import pyarrow as pa
import pytest

from clipmill import identity
from clipmill.planning.judgement import Rejection
from clipmill.planning.missing import Known, item_ids, lacking, needed, waiting
from clipmill.planning.plan import Plan
from clipmill.stages.base import Column, Reads, Stage
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage
from clipmill.stages.video.filtering.quality_filter import Bounds, QualityFilterStage
from clipmill.stages.video.preview.preview import PreviewStage
from tests.support.hand_made import IDS, SPANS, plan, rows, writer

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


def outcomes(of: Plan, **by_key: str | Mapping[str, str]) -> Known:
    """Rows by key: one outcome for all clips, or one for each clip that has a row."""
    tables: dict[str, pa.Table] = {}
    for key, said in by_key.items():
        found = dict.fromkeys(IDS, said) if isinstance(said, str) else dict(said)
        tables[key] = rows(of.by_key[key], {"outcome": list(found.values())}, ids=list(found))
    return Known(tables)


def keys(of: Plan, rejection: Rejection | None) -> list[str]:
    return [node.key for node in needed(of, rejection)]


def test_a_clip_without_rows_lacks_every_stage_that_leaves_some() -> None:
    found = lacking(plan(*FULL), Known({}), SPANS)
    every = frozenset({"motion", "quality", "encode", "embedding", "preview"})
    assert found == dict.fromkeys(IDS, every)


def test_a_clip_with_all_rows_lacks_nothing() -> None:
    of = plan(Score(), Reader())
    assert lacking(of, outcomes(of, score="result", reader="final"), SPANS) == {}


def test_a_row_that_may_be_tried_again_is_lacking() -> None:
    of = plan(Score())
    known = outcomes(of, score={A: "result", B: "retryable", C: "final"})
    assert lacking(of, known, SPANS) == {B: frozenset({"score"})}
    assert waiting(of, known, SPANS) == {}


def test_a_stage_that_reads_a_retryable_row_is_lacking_and_not_waited_for() -> None:
    of = plan(Score(), Reader())
    known = outcomes(of, score={A: "retryable", B: "result", C: "final"})
    assert lacking(of, known, SPANS) == {
        A: frozenset({"score", "reader"}),
        B: frozenset({"reader"}),
        C: frozenset({"reader"}),
    }
    assert waiting(of, known, SPANS) == {B: frozenset({"reader"}), C: frozenset({"reader"})}


def test_a_stage_that_reads_a_row_that_is_not_there_does_not_keep_it_waiting_twice() -> None:
    of = plan(Score(), Reader())
    assert waiting(of, Known({}), SPANS) == dict.fromkeys(IDS, frozenset({"score"}))


@pytest.mark.parametrize(
    ("rejected_by", "expected"),
    [
        (None, ["motion", "quality", "encode", "embedding", "preview"]),
        ("motion_filter", ["motion", "quality", "preview"]),
        ("quality", ["motion", "quality", "preview"]),
        ("encode", ["motion", "quality", "encode", "preview"]),
        ("embedding", ["motion", "quality", "encode", "embedding", "preview"]),
    ],
)
def test_a_rejected_clip_needs_what_runs_for_all_and_what_ran_before(
    rejected_by: str | None, expected: list[str]
) -> None:
    rejection = Rejection(rejected_by, "x", "x") if rejected_by else None
    assert keys(plan(*FULL), rejection) == expected


def test_clips_that_newly_pass_lack_only_what_they_never_had() -> None:
    of = plan(*FULL)
    sharpness = {"sharpness": [5.0, 5.0, 1.0]}
    known = Known(
        {
            "motion": outcomes(of, motion="result").tables["motion"],
            "quality": rows(of.by_key["quality"], sharpness),
            **{key: outcomes(of, **{key: {A: "result"}}).tables[key] for key in ("encode", "embedding")},
        }
    )
    found = lacking(of, known, SPANS)
    assert found == {
        A: frozenset({"preview"}),
        B: frozenset({"encode", "embedding", "preview"}),
        C: frozenset({"preview"}),
    }


def test_rejected_clips_lack_files_of_their_own_where_the_writer_asks_for_them() -> None:
    asked = writer("out").model_copy(update={"write_filtered_clips": True})
    of = plan(*FULL, asked)
    by_quality = Rejection("quality", "low_quality", "")
    assert "encode_filtered" in keys(of, by_quality)
    assert "encode" not in keys(of, by_quality)
    assert "encode_filtered" not in keys(of, None)


def test_a_clip_that_could_not_be_encoded_has_no_file_of_a_rejected_clip() -> None:
    asked = writer("out").model_copy(update={"write_filtered_clips": True})
    assert "encode_filtered" not in keys(plan(*FULL, asked), Rejection("encode", "encode_failed", ""))


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
    assert lacking(of, Known({}), SPANS[:1]) == {A: frozenset({"preview"})}
    assert lacking(of, Known({"preview": rows(node, {}, ids=ids)}), SPANS[:1]) == {}
