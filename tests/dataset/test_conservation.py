"""Nothing is lost and nothing is counted twice, in items and in seconds; and the funnel says the same."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from clipmill.dataset.assemble import Tables
from clipmill.dataset.conservation import check_conservation, covered_by_source
from clipmill.dataset.funnel import StatusColumns, count_range, total
from clipmill.errors import ConservationError
from clipmill.outcomes.funnel import Count
from clipmill.specs import CurateSpec
from tests.support.state_rows import Project
from tests.support.whole_tables import assemble


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """One curated video of two clips, one filtered; one rejected, one pending, a copy, one failed."""
    project = Project(tmp_path, CurateSpec.model_validate({"motion_filter": {}}))
    low, high = project.split(project.inspect("a.mp4"), [(10, 110), (110, 240)])
    project.finish(low, motion=0.0)
    project.finish(high)
    project.inspect("b.mp4", video_id="id-a.mp4")
    project.inspect("c.mp4", reason="unreadable", message="c.mp4: truncated")
    project.inspect("d.mp4")
    project.inspect("e.mp4", reason="store_error", message="e.mp4: 503")
    return assemble(project.collect())


def changed(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    values = table[column].to_pylist()
    values[row] = value
    place = table.column_names.index(column)
    return table.set_column(
        place, table.schema.field(column), pa.array(values, table.schema.field(column).type)
    )


def test_whole_tables_pass(tables: Tables) -> None:
    check_conservation(tables, num_found=5)


def test_a_lost_video_is_named_by_the_numbers(tables: Tables) -> None:
    with pytest.raises(ConservationError, match="6 videos were found, the videos table has 1 curated"):
        check_conservation(tables, num_found=6)


def test_a_video_listed_twice(tables: Tables) -> None:
    twice = replace(tables, videos=pa.concat_tables([tables.videos, tables.videos.slice(0, 1)]))
    with pytest.raises(ConservationError, match=r"videos table has .*a\.mp4 more than once"):
        check_conservation(twice, num_found=6)


def test_a_lost_clip(tables: Tables) -> None:
    with pytest.raises(ConservationError, match=r"a\.mp4 \(curated\) has 2 clips"):
        check_conservation(replace(tables, clips=tables.clips.slice(1)), num_found=5)


def test_a_clip_listed_twice(tables: Tables) -> None:
    clips = pa.concat_tables([tables.clips, tables.clips.slice(0, 1)])
    with pytest.raises(ConservationError, match=r"clips table has .* more than once"):
        check_conservation(replace(tables, clips=clips), num_found=5)


def test_a_clip_of_a_video_that_was_not_found(tables: Tables) -> None:
    clips = changed(tables.clips, "source_uri", 0, "elsewhere.mp4")
    with pytest.raises(ConservationError):
        check_conservation(replace(tables, clips=clips), num_found=5)


@pytest.mark.parametrize(("table", "status"), [("videos", "curate"), ("clips", "maybe")])
def test_an_unknown_status(tables: Tables, table: str, status: str) -> None:
    broken = replace(tables, **{table: changed(tables.by_name()[table], "status", 0, status)})
    with pytest.raises(ConservationError, match=f"the {table} table has status {status}"):
        check_conservation(broken, num_found=5)


def test_a_lost_rejection(tables: Tables) -> None:
    with pytest.raises(ConservationError, match=r"1 videos are rejected and 1 clips filtered, .* 1 rows"):
        check_conservation(replace(tables, rejections=tables.rejections.slice(1)), num_found=5)


def test_a_lost_duplicate(tables: Tables) -> None:
    with pytest.raises(ConservationError, match=r"1 videos and 0 clips are duplicates, .* 0 rows"):
        check_conservation(replace(tables, duplicates=tables.duplicates.slice(1)), num_found=5)


def test_lost_seconds(tables: Tables) -> None:
    clips = changed(tables.clips, "end_s", 1, 9.0)
    with pytest.raises(
        ConservationError, match=r"lasts 10\.000 s, but its clips cover 8\.600 s and 0\.800 s"
    ):
        check_conservation(replace(tables, clips=clips), num_found=5)


def test_one_frame_per_cut_is_rounding(tables: Tables) -> None:
    clips = changed(tables.clips, "end_s", 1, 9.6 - 2 / 25)
    check_conservation(replace(tables, clips=clips), num_found=5)


def test_overlapping_clips_count_once(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.curate("a.mp4", [(0, 150), (100, 250)])
    tables = assemble(project.collect())
    check_conservation(tables, num_found=1)
    funnel = total([count_range(tables, StatusColumns())])
    assert (funnel.clips.seconds, funnel.overlap_s) == (12.0, 2.0)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0.0),
        ([(0, 2), (1, 3)], 3.0),
        ([(4, 5), (0, 1)], 2.0),
        ([(0, 9), (2, 3)], 9.0),
        ([(0, 1), (1, 2)], 2.0),
        ([(0, 9), (2, 3), (4, 10)], 10.0),
    ],
    ids=["none", "overlap", "apart", "inside", "touching", "behind one inside"],
)
def test_covered_seconds(spans: list[tuple[float, float]], expected: float) -> None:
    rows = [{"source_uri": "a", "start_s": float(start), "end_s": float(end)} for start, end in spans]
    rows += [{"source_uri": "b", "start_s": 0.0, "end_s": 1.0}]
    schema = pa.schema([("source_uri", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64())])
    covered = covered_by_source(pa.Table.from_pylist(rows, schema=schema))
    assert (covered.get("a", 0.0), covered["b"]) == (expected, 1.0)


def test_the_funnel_counts_items_and_seconds(tables: Tables) -> None:
    funnel = total([count_range(tables, StatusColumns())])
    assert funnel.found == Count(5, 50.0)
    assert funnel.curated == Count(1, 10.0)
    assert funnel.rejected == {"unreadable": Count(1, 10.0)}
    assert funnel.failed == {"store_error": Count(1, 10.0)}
    assert not funnel.is_complete
    assert (funnel.duplicate_videos, funnel.pending) == (Count(1, 10.0), Count(1, 10.0))
    assert (funnel.clips, funnel.kept) == (Count(2, 9.2), Count(1, 5.2))
    assert funnel.filtered == {"low_motion": Count(1, 4.0)}
    assert funnel.dropped_s == {"cropped": 0.8}
