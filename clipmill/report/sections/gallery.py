"""From rows of the tables to what the page shows of each sampled clip."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.report import words
from clipmill.report.fields import Field, worded_as
from clipmill.report.measures import Measure, measure_values
from clipmill.report.names import relative_link, short_name
from clipmill.report.plan_records import CaptionColumns, PublishedColumn
from clipmill.report.view import ClipCounts, ClipView, ReasonView, ReportOptions, ReportTables
from clipmill.stages.columns import CARD

CARD_CHARS = 160


def clip_views(
    tables: ReportTables,
    rows: Sequence[int],
    fields: Sequence[Field],
    measures: Sequence[Measure],
    *,
    root: str,
    options: ReportOptions,
) -> list[ClipView]:
    """The view of each of the sampled ``rows`` of the clips table, in source order, named below ``root``."""
    view = options.view
    clips = tables.clips.take(pa.array(rows, pa.int64()))
    of_sample = pc.field("clip_id").isin(clips["clip_id"].combine_chunks())
    windows = tables.windows.filter(of_sample)
    previews, captions = first_previews(windows, view.preview), clip_captions(windows, view.captions)
    messages = rejection_messages(tables.rejections.filter(of_sample))
    scores = {measure.column: measure_values(clips, measure.column).tolist() for measure in measures}
    views = [
        ClipView(
            clip_id=row["clip_id"],
            name=short_name(row["source_uri"], root=root),
            start_s=row["start_s"],
            end_s=row["end_s"],
            status=row["status"] or "",
            reason=row["reason"] or "",
            message=messages.get(row["clip_id"], ""),
            scores={column: values[index] for column, values in scores.items()},
            details=(
                *(field.worded(row[field.column]) for field in fields),
                messages.get(row["clip_id"], words.DASH),
                captions.get(row["clip_id"], words.DASH),
            ),
            preview_uri=previews.get(row["clip_id"]),
            duplicate_of=row["duplicate_of"],
            similarity=row["similarity"],
            link=relative_link(row.get(view.clip_file)),
            caption=shortened(captions.get(row["clip_id"], "")),
            note=_note(row, view.clip_columns),
        )
        for index, row in enumerate(clips.to_pylist())
    ]
    return sorted(views, key=lambda view: (view.name, view.start_s, view.end_s, view.clip_id))


def shortened(caption: str) -> str:
    """As much of a caption as a card shows; the larger view has all of it."""
    return caption if len(caption) <= CARD_CHARS else caption[:CARD_CHARS].rsplit(" ", 1)[0] + "…"


def _note(row: Mapping[str, object], columns: Sequence[PublishedColumn]) -> str:
    """The values that belong on a clip's card, in one line."""
    shown = [one for one in columns if one.column.role == CARD and row[one.name] is not None]
    return " ".join(worded_as(one.name, one.column.type)(row[one.name]) for one in shown)


def first_previews(windows: pa.Table, column: str) -> dict[str, str]:
    """The preview of each clip's first window that has one in ``column``; none without a column."""
    if not column:
        return {}
    rows = windows.select(["clip_id", "start_frame", column]).to_pylist()
    rows = sorted((row for row in rows if row[column]), key=lambda row: -(row["start_frame"] or 0))
    return {row["clip_id"]: row[column] for row in rows}


def clip_captions(windows: pa.Table, columns: Sequence[CaptionColumns]) -> dict[str, str]:
    """The captions of each clip's windows in order: of each window the one of the last stage that has one."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(windows.to_pylist(), key=lambda row: row["start_frame"] or 0):
        caption = next((text for one in reversed(columns) if (text := row[one.caption])), "")
        if caption:
            texts[row["clip_id"]].append(words.plain(caption))
    return {clip_id: " / ".join(parts) for clip_id, parts in texts.items()}


def rejection_messages(rejections: pa.Table) -> dict[str, str]:
    """What was said about each clip that was filtered."""
    rows = rejections.sort_by([("clip_id", "ascending"), ("stage", "descending")]).to_pylist()
    return {row["clip_id"]: words.plain(row["message"]) for row in rows if row["message"]}


def reason_views(counts: ClipCounts, views: Sequence[ClipView]) -> list[ReasonView]:
    """The sampled filtered clips by reason, the reason of most clips first."""
    totals = [(reason, number) for (own, reason), number in counts.numbers.items() if own == "filtered"]
    members: defaultdict[str, list[ClipView]] = defaultdict(list)
    for view in views:
        if view.status == "filtered":
            members[view.reason].append(view)
    return [
        ReasonView(reason, num_clips, tuple(members[reason]))
        for reason, num_clips in sorted(totals, key=lambda pair: (-pair[1], pair[0]))
    ]
