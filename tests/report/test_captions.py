"""What the report says of captions: beside the previews, by status, and when they repeat."""

from dataclasses import replace

import pyarrow as pa

from clipmill.report.plan_records import CaptionColumns
from clipmill.report.sections.captions import repeated_captions
from clipmill.report.sections.gallery import CARD_CHARS, clip_captions, shortened
from tests.support.rendered_report import OPTIONS, render
from tests.support.report_tables import drawn_run, table

COLUMNS = (CaptionColumns("describer", "text", "text_status"),)


def tables(*captions: tuple[str, str, str | None, str]) -> tuple[pa.Table, pa.Table]:
    """(clip, video, caption, status of the clip) -> windows and clips."""
    windows: list[dict[str, object]] = [
        {"clip_id": clip, "text": caption, "text_status": "success" if caption else "error"}
        for clip, _, caption, _ in captions
    ]
    clips: list[dict[str, object]] = [
        {"clip_id": clip, "video_id": video, "status": status} for clip, video, _, status in captions
    ]
    return table("windows", windows), table("clips", clips)


def test_equal_captions_of_unrelated_videos_are_told() -> None:
    (view,) = repeated_captions(
        *tables(("a", "v1", "A dog.", "kept"), ("b", "v2", "A  dog.", "kept")), COLUMNS
    )
    assert (view.repeated, view.num_repeated) == ((("A dog.", 2, 2),), 2)


def test_equal_captions_of_one_video_are_not() -> None:
    same = tables(("a", "v1", "A dog.", "kept"), ("b", "v1", "A dog.", "kept"))
    assert repeated_captions(*same, COLUMNS) == ()


def test_equal_captions_of_duplicates_are_not() -> None:
    copies = tables(("a", "v1", "A dog.", "kept"), ("b", "v2", "A dog.", "duplicate"))
    assert repeated_captions(*copies, COLUMNS) == ()


def test_the_last_stage_that_has_a_caption_is_shown() -> None:
    rows: list[dict[str, object]] = [
        {"clip_id": "a", "start_frame": 9, "text": "second", "polished": ""},
        {"clip_id": "a", "start_frame": 0, "text": "first", "polished": "first, polished"},
        {"clip_id": "b", "start_frame": 0},
    ]
    assert clip_captions(table("windows", rows), OPTIONS.view.captions) == {"a": "first, polished / second"}


def test_the_page_names_each_stage_that_captioned() -> None:
    run = drawn_run()
    rows = [
        {**row, "text": "A dog.", "text_status": "success", "polished_status": "error"}
        for row in run.tables.windows.to_pylist()
    ]
    page = render(replace(run, tables=replace(run.tables, windows=table("windows", rows))))
    assert "<caption>Windows, describer</caption>" in page
    assert "<caption>Windows, text polisher</caption>" in page
    assert "windows of unrelated videos share their caption (describer)." in page


def test_a_card_shows_the_beginning_of_a_long_caption() -> None:
    shown = shortened("word " * 100)
    assert len(shown) <= CARD_CHARS + 1
    assert shown.endswith("word…")
