"""From rows of the tables to what the page shows of each sampled clip."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.review import wording
from clipmill.review.fields import CLIP_FIELDS
from clipmill.review.measures import MEASURES, measure_values
from clipmill.review.naming import relative_link, short_name
from clipmill.review.view import ClipView, ReasonView, ReportTables

CARD_CHARS = 160


def clip_views(tables: ReportTables, rows: Sequence[int], *, root: str, output_root: str) -> list[ClipView]:
    """The view of each of the sampled ``rows`` of the clips table, in source order, named below ``root``."""
    clips = tables.clips.take(pa.array(rows, pa.int64()))
    of_sample = pc.field("clip_id").isin(clips["clip_id"].combine_chunks())
    windows = tables.windows.filter(of_sample)
    previews, captions = first_previews(windows), clip_captions(windows)
    messages = rejection_messages(tables.rejections.filter(of_sample))
    scores = {measure.column: measure_values(clips, measure.column).tolist() for measure in MEASURES}
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
                *(worded(row[column]) for _, _, column, worded in CLIP_FIELDS),
                messages.get(row["clip_id"], wording.DASH),
                captions.get(row["clip_id"], wording.DASH),
            ),
            preview_uri=previews.get(row["clip_id"]),
            duplicate_of=row["duplicate_of"],
            similarity=row["similarity"],
            link=relative_link(row["clip_uri"], output_root=output_root),
            caption=shortened(captions.get(row["clip_id"], "")),
            text_match=_match(row),
        )
        for index, row in enumerate(clips.to_pylist())
    ]
    return sorted(views, key=lambda view: (view.name, view.start_s, view.end_s, view.clip_id))


def shortened(caption: str) -> str:
    """As much of a caption as a card shows; the larger view has all of it."""
    return caption if len(caption) <= CARD_CHARS else caption[:CARD_CHARS].rsplit(" ", 1)[0] + "…"


def _match(row: Mapping[str, object]) -> str:
    if row["text_match"] is None:
        return ""
    score = wording.number(cast("float | None", row["text_match_score"]))
    return f"{wording.plain(str(row['text_match']))} {score}"


def first_previews(windows: pa.Table) -> dict[str, str]:
    """The preview of each clip's first window that has one."""
    rows = windows.select(["clip_id", "start_frame", "preview_uri"]).to_pylist()
    rows = sorted((row for row in rows if row["preview_uri"]), key=lambda row: -(row["start_frame"] or 0))
    return {row["clip_id"]: row["preview_uri"] for row in rows}


def clip_captions(windows: pa.Table) -> dict[str, str]:
    """The captions of each clip's windows in order, the enhanced one where there is one."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(windows.to_pylist(), key=lambda row: row["start_frame"] or 0):
        caption = row["enhanced_caption"] or row["caption"]
        if caption:
            texts[row["clip_id"]].append(wording.plain(caption))
    return {clip_id: " / ".join(parts) for clip_id, parts in texts.items()}


def rejection_messages(rejections: pa.Table) -> dict[str, str]:
    """What was said about each clip that was filtered."""
    rows = rejections.sort_by([("clip_id", "ascending"), ("stage", "descending")]).to_pylist()
    return {row["clip_id"]: wording.plain(row["message"]) for row in rows if row["message"]}


def reason_views(clips: pa.Table, views: Sequence[ClipView]) -> list[ReasonView]:
    """The sampled filtered clips by reason, the reason of most clips first."""
    filtered = clips.filter(pc.field("status") == "filtered")
    totals = filtered["reason"].fill_null("").value_counts().to_pylist()
    members: defaultdict[str, list[ClipView]] = defaultdict(list)
    for view in views:
        if view.status == "filtered":
            members[view.reason].append(view)
    return [
        ReasonView(row["values"], row["counts"], tuple(members[row["values"]]))
        for row in sorted(totals, key=lambda row: (-row["counts"], row["values"]))
    ]
