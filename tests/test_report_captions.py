"""What the report says of captions: beside the previews, by status, and when they repeat."""

import pyarrow as pa

from clipmill.review.captions import captions_view
from clipmill.review.gallery import CARD_CHARS, shortened
from clipmill.storage.tables import CLIPS, WINDOWS


def tables(*captions: tuple[str, str, str | None, str]) -> tuple[pa.Table, pa.Table]:
    """(clip, video, caption, status of the clip) -> windows and clips."""
    windows = [
        {"clip_id": clip, "caption": caption, "status": "success" if caption else "error"}
        for clip, _, caption, _ in captions
    ]
    clips = [{"clip_id": clip, "video_id": video, "status": status} for clip, video, _, status in captions]
    return pa.Table.from_pylist(windows, schema=WINDOWS), pa.Table.from_pylist(clips, schema=CLIPS)


def test_equal_captions_of_unrelated_videos_are_told() -> None:
    view = captions_view(*tables(("a", "v1", "A dog.", "kept"), ("b", "v2", "A  dog.", "kept")))
    assert (view.repeated, view.num_repeated) == ((("A dog.", 2, 2),), 2)


def test_equal_captions_of_one_video_are_not() -> None:
    view = captions_view(*tables(("a", "v1", "A dog.", "kept"), ("b", "v1", "A dog.", "kept")))
    assert view.num_repeated == 0


def test_equal_captions_of_duplicates_are_not() -> None:
    view = captions_view(*tables(("a", "v1", "A dog.", "kept"), ("b", "v2", "A dog.", "duplicate")))
    assert view.num_repeated == 0


def test_statuses_are_counted() -> None:
    view = captions_view(*tables(("a", "v1", "A dog.", "kept"), ("b", "v2", None, "kept")))
    assert view.statuses == (("error", 1), ("success", 1))
    assert view.is_on


def test_a_run_without_captions_says_nothing() -> None:
    windows, clips = tables(("a", "v1", None, "kept"))
    skipped = windows.set_column(windows.schema.get_field_index("status"), "status", pa.array(["skipped"]))
    assert not captions_view(skipped, clips).is_on


def test_a_card_shows_the_beginning_of_a_long_caption() -> None:
    shown = shortened("word " * 100)
    assert len(shown) <= CARD_CHARS + 1
    assert shown.endswith("word…")
