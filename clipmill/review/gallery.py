"""From rows of the tables to what the page shows of each sampled clip."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from clipmill.review import wording
from clipmill.review.limits import LENGTH
from clipmill.review.measures import MEASURES, measure_values
from clipmill.review.view import ClipView, CopyView, GroupView, ReasonView, RejectionView, ScoreLimit

_TEXT: Callable[[str | None], str] = wording.plain
_SCORE: Callable[[float | None], str] = wording.number

CLIP_FIELDS: tuple[tuple[str, str, str, Callable[..., str]], ...] = (
    ("Place", "Source", "source_uri", _TEXT),
    ("Place", "Start", "start_s", wording.timecode),
    ("Place", "End", "end_s", wording.timecode),
    ("Place", "First frame", "start_frame", wording.count),
    ("Place", "End frame", "end_frame", wording.count),
    ("Place", "Start pts", "start_pts", wording.count),
    ("Place", "End pts", "end_pts", wording.count),
    ("Place", "Time base", "time_base", _TEXT),
    ("Verdict", "Status", "status", _TEXT),
    ("Verdict", "Reason", "reason", lambda text: wording.reason(text or "")),
    ("Verdict", "Duplicate of", "duplicate_of", _TEXT),
    ("Verdict", "Duplicate group", "duplicate_group", _TEXT),
    ("Verdict", "Similarity", "similarity", lambda value: wording.number(value, digits=4)),
    ("Verdict", "Errors", "errors", _TEXT),
    *(("Scores", measure.label, measure.column, _SCORE) for measure in MEASURES[1:]),
    ("Scores", "Motion source", "motion_source", _TEXT),
    ("File", "Clip file", "clip_uri", _TEXT),
    ("File", "Size", "num_bytes", wording.size),
    ("File", "Codec", "video_codec", _TEXT),
    ("File", "Mode", "clip_mode", _TEXT),
    ("File", "Mode reason", "mode_reason", _TEXT),
    ("File", "Width, px", "width", wording.count),
    ("File", "Height, px", "height", wording.count),
    ("File", "Frames a second", "framerate", lambda value: wording.number(value, digits=5)),
    ("File", "Frames", "num_frames", wording.count),
    ("File", "Audio", "has_audio", wording.yes_no),
    ("File", "Starts at", "file_start_s", wording.timecode),
    ("Identity", "Clip id", "clip_id", _TEXT),
    ("Identity", "Video id", "video_id", _TEXT),
    ("Identity", "Embedding", "embedding_algorithm", _TEXT),
    ("Identity", "Clip digest", "clip_digest", _TEXT),
    ("Identity", "Encode digest", "encode_digest", _TEXT),
    ("Captions", "Text match", "text_match", _TEXT),
    ("Captions", "Text match score", "text_match_score", _SCORE),
)
"""What the larger view of a clip lists: heading, label, column of the clips table, and how it is worded."""


def clip_views(clips: pa.Table, windows: pa.Table, *, root: str, output_root: str) -> list[ClipView]:
    """The view of each row of ``clips``, in source order; names are below ``root``."""
    windows = windows.filter(pc.field("clip_id").isin(clips["clip_id"].combine_chunks()))
    previews = first_previews(windows)
    captions = clip_captions(windows)
    scores = {measure.column: measure_values(clips, measure.column).tolist() for measure in MEASURES}
    views = [
        ClipView(
            clip_id=row["clip_id"],
            name=short_name(row["source_uri"], root=root),
            start_s=row["start_s"],
            end_s=row["end_s"],
            status=row["status"] or "",
            reason=row["reason"] or "",
            scores={column: values[index] for column, values in scores.items()},
            details=(
                *(worded(row[column]) for _, _, column, worded in CLIP_FIELDS),
                captions.get(row["clip_id"], wording.DASH),
            ),
            preview_uri=previews.get(row["clip_id"]),
            duplicate_of=row["duplicate_of"],
            group=row["duplicate_group"],
            similarity=row["similarity"],
            link=relative_link(row["clip_uri"], output_root=output_root),
        )
        for index, row in enumerate(clips.to_pylist())
    ]
    return sorted(views, key=lambda view: (view.name, view.start_s, view.end_s, view.clip_id))


def first_previews(windows: pa.Table) -> dict[str, str]:
    """The preview of each clip's first window that has one."""
    rows = windows.select(["clip_id", "start_frame", "preview_uri"]).to_pylist()
    rows = sorted((row for row in rows if row["preview_uri"]), key=lambda row: -(row["start_frame"] or 0))
    return {row["clip_id"]: row["preview_uri"] for row in rows}


def clip_captions(windows: pa.Table) -> dict[str, str]:
    """The captions of each clip's windows in order, the enhanced one where there is one."""
    texts: dict[str, list[str]] = defaultdict(list)
    for row in sorted(windows.to_pylist(), key=lambda row: row["start_frame"] or 0):
        caption = row["enhanced_caption"] or row["caption"]
        if caption:
            texts[row["clip_id"]].append(wording.plain(caption))
    return {clip_id: " / ".join(parts) for clip_id, parts in texts.items()}


def group_views(clips: pa.Table, views: Sequence[ClipView]) -> list[GroupView]:
    """The sampled duplicates beside what they duplicate, largest groups first."""
    by_id = {view.clip_id: view for view in views}
    copies: dict[str, list[ClipView]] = defaultdict(list)
    for view in views:
        if view.status == "duplicate" and view.duplicate_of:
            copies[view.duplicate_of].append(view)
    totals = _copies_of(clips, frozenset(copies))
    groups = [
        GroupView(
            keeper_id,
            by_id.get(keeper_id),
            tuple(sorted(members, key=_least_similar_last)),
            totals[keeper_id],
        )
        for keeper_id, members in copies.items()
    ]
    return sorted(groups, key=lambda group: (group.keeper is None, -group.num_copies, group.keeper_id))


def reason_views(
    clips: pa.Table, views: Sequence[ClipView], limits: Sequence[ScoreLimit]
) -> list[ReasonView]:
    """The sampled filtered clips by reason, most frequent first, each with what it failed."""
    filtered = clips.filter(pc.field("status") == "filtered")
    totals = filtered["reason"].fill_null("").value_counts().to_pylist()
    grouped = [
        (row["values"], row["counts"], [view for view in views if _is_filtered_by(view, row["values"])])
        for row in sorted(totals, key=lambda row: (-row["counts"], row["values"]))
    ]
    return [
        ReasonView(reason, num_clips, tuple(members), tuple(failed(view, limits) for view in members))
        for reason, num_clips, members in grouped
    ]


def failed(view: ClipView, limits: Sequence[ScoreLimit]) -> tuple[str, ...]:
    """Each active threshold that a clip is on the wrong side of, in words."""
    labels = {measure.column: measure.label for measure in MEASURES}
    lines: list[str] = []
    for limit in limits:
        value = view.scores.get(limit.score)
        if value is None or not limit.is_active or limit.score == LENGTH:
            continue
        if limit.min is not None and value < limit.min:
            lines.append(f"{labels[limit.score]} {wording.number(value)}, under {wording.exact(limit.min)}")
        if limit.max is not None and value > limit.max:
            lines.append(f"{labels[limit.score]} {wording.number(value)}, over {wording.exact(limit.max)}")
    return tuple(lines)


def copy_views(videos: pa.Table, *, root: str, max_rows: int) -> tuple[list[CopyView], int]:
    """Source files that are copies of others, and how many there are in all."""
    copies = videos.filter(pc.field("status") == "duplicate")
    shown = copies.sort_by("uri").slice(0, max_rows).to_pylist()
    originals = _original_names(videos, [row["duplicate_of"] for row in shown], root=root)
    views = [
        CopyView(
            name=short_name(row["uri"], root=root),
            duplicate_of=originals.get(row["duplicate_of"], wording.plain(row["duplicate_of"])),
            size=wording.size(row["size_bytes"]),
            duration=wording.length(row["duration_s"]),
        )
        for row in shown
    ]
    return views, copies.num_rows


def rejection_views(rejections: pa.Table, rows: Sequence[int], *, root: str) -> list[RejectionView]:
    """The sampled rows of the rejections table, by file."""
    views = [
        RejectionView(
            name=short_name(row["uri"], root=root),
            clip_id=row["clip_id"] or "",
            stage=wording.plain(row["stage"]),
            reason=row["reason"] or "",
            message=wording.plain(row["message"]),
        )
        for row in rejections.take(pa.array(rows, pa.int64())).to_pylist()
    ]
    return sorted(
        views, key=lambda view: (view.clip_id != "", view.name, view.clip_id, view.stage, view.reason)
    )


def common_root(uris: Sequence[str]) -> str:
    """The longest folder that all ``uris`` lie under, with its slash; empty where there is none."""
    if not uris:
        return ""
    first, last = min(uris), max(uris)
    shared = next(
        (i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first)
    )
    return first[: first.rfind("/", 0, shared) + 1]


def short_name(uri: str | None, *, root: str) -> str:
    """``uri`` as the page names it: below ``root``."""
    return wording.plain((uri or "").removeprefix(root), max_chars=240)


def relative_link(uri: str | None, *, output_root: str) -> str:
    """A link from the report to a file of the same output; empty for a file that lies elsewhere.

    Only paths below the output are linked, so that no URI of the data can become a script or leave the page.
    """
    root = output_root.rstrip("/") + "/"
    if not uri or not output_root or not uri.startswith(root):
        return ""
    return "./" + quote(uri[len(root) :])


def _copies_of(clips: pa.Table, keepers: frozenset[str]) -> Mapping[str, int]:
    wanted = clips.filter(pc.field("duplicate_of").isin(pa.array(sorted(keepers), pa.string())))
    return {row["values"]: row["counts"] for row in wanted["duplicate_of"].value_counts().to_pylist()}


def _original_names(videos: pa.Table, ids: Sequence[str | None], *, root: str) -> dict[str | None, str]:
    """Names of the videos that ``ids`` stand for; copies are skipped: a renamed one has the same id."""
    originals = videos.filter(pc.field("status") != "duplicate")
    wanted = originals.filter(pc.field("video_id").isin(pa.array(ids, pa.string())))
    named = {row["video_id"]: short_name(row["uri"], root=root) for row in wanted.to_pylist()}
    return {**{uri: short_name(uri, root=root) for uri in ids}, **named}


def _is_filtered_by(view: ClipView, reason: str) -> bool:
    return view.status == "filtered" and view.reason == reason


def _least_similar_last(view: ClipView) -> tuple[float, str]:
    return (-(view.similarity or 0.0), view.clip_id)
