"""The clips and windows tables of curated videos, column by column. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from clipmill import arrow
from clipmill.base_columns import SCHEMA_VERSION
from clipmill.dataset.collect import Collection
from clipmill.dataset.rows.stage_columns import clip_errors, digest_column, stage_columns
from clipmill.dataset.rows.verdicts import Verdicts
from clipmill.dataset.rows.video_fates import VideoFate
from clipmill.dataset.rows.video_rows import curated_items
from clipmill.dataset.schemas import clips_schema, windows_schema
from clipmill.state import ids
from clipmill.state.splits import Splits

_PLACE = ("clip_id", "start_s", "end_s", "start_pts", "end_pts", "start_frame", "end_frame")


@dataclass(frozen=True)
class PlacedClips:
    """The clips of the curated videos, by URI and frames: their places among all clips, and their videos."""

    collection: Collection
    verdicts: Verdicts
    videos: Sequence[VideoFate]

    @cached_property
    def curated(self) -> Sequence[VideoFate]:
        """The curated videos."""
        return [video for video in self.videos if video.status == "curated"]

    @cached_property
    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Places ``(M,)`` among all clips, and among the curated videos."""
        return self.collection.splits.clips.places_of(curated_items(self.videos))

    def of_video(self, values: Sequence[object]) -> pa.Array:
        """Returns a text of each curated video for each of its clips."""
        return pa.array(values, pa.string()).take(pa.array(self.places[1]))


def clip_table(placed: PlacedClips) -> pa.Table:
    """Returns the clips as they are before duplicates are marked."""
    collection, verdicts = placed.collection, placed.verdicts
    plan, num_clips = collection.plan, len(collection.clips.ids)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        **{name: collection.splits.clips.rows[name] for name in _PLACE},
        **stage_columns(plan, "clip", verdicts.rows, verdicts.shown, verdicts.stopped),
        **damage_columns(collection.splits),
    }
    columns |= _fates(verdicts)
    columns["encode_digest"] = digest_column(plan, columns, num_clips)
    columns["errors"] = clip_errors(plan, collection, verdicts.shown)
    schema = clips_schema(plan)
    found = {name: columns[name] for name in schema.names if name in columns}
    rows = pa.table(found).take(pa.array(placed.places[0]))
    of_video: dict[str, pa.Array | pa.ChunkedArray] = {
        "video_id": placed.of_video([one.inspection["video_id"] for one in placed.curated if one.inspection]),
        "source_uri": placed.of_video([one.source.uri for one in placed.curated]),
        "time_base": placed.of_video([one.split["time_base"] for one in placed.curated if one.split]),
        "schema_version": pa.array(np.full(len(rows), SCHEMA_VERSION), pa.int32()),
    }
    if known := collection.source_columns:
        of_sources = known.of(of_video["source_uri"])
        of_video |= {name: of_sources[name] for name in known.names}
    return _in_schema(schema, {**{name: rows[name] for name in found}, **of_video}, len(rows))


def damage_columns(splits: Splits) -> dict[str, pa.Array]:
    """Returns the share of each clip's pictures that are damaged or lost, and the time of the first one.

    The time is null for a clip without damage.
    """
    clips, runs = splits.clips, splits.damaged
    starts, ends = (clips.rows[name].to_numpy() for name in ("start_frame", "end_frame"))
    share, first_s = np.zeros(len(starts)), np.full(len(starts), np.nan)
    for item in np.flatnonzero(np.diff(runs.starts)):
        own = runs.rows.slice(runs.starts[item], runs.starts[item + 1] - runs.starts[item])
        frame, patched, lost, at_s = (own[name].to_numpy() for name in own.column_names)
        for clip in range(*clips.starts[item : item + 2]):
            inside = np.minimum(frame + patched, ends[clip]) - np.maximum(frame, starts[clip])
            num_patched = np.clip(inside, 0, None)
            num_lost = np.where((starts[clip] <= frame) & (frame < ends[clip]), lost, 0)
            is_hit = num_patched + num_lost > 0
            if is_hit.any():
                num_all = ends[clip] - starts[clip] + num_lost.sum()
                share[clip] = (num_patched + num_lost).sum() / num_all
                first_s[clip] = max(at_s[is_hit].min(), clips.rows["start_s"][clip].as_py())
    return {"damage": pa.array(share), "damage_start_s": pa.array(first_s, from_pandas=True)}


def _fates(verdicts: Verdicts) -> dict[str, pa.Array]:
    places = sorted(verdicts.rejected)
    num_clips = len(verdicts.waits_for)
    failed = verdicts.has_failed[places] if places else ()
    statuses = pa.array(["failed" if is_failed else "filtered" for is_failed in failed], pa.string())
    reasons = pa.array([verdicts.rejected[place].reason for place in places], pa.string())
    return {
        "status": arrow.placed(statuses, places, num_clips, "kept"),
        "reason": arrow.placed(reasons, places, num_clips, None),
    }


def window_table(placed: PlacedClips) -> pa.Table:
    """Returns the windows. Their times are placed by frame count, so that they are not exact in VFR clips."""
    collection, verdicts = placed.collection, placed.verdicts
    plan, windows, clips = collection.plan, collection.clips.windows, collection.splits.clips.rows
    owners = windows.owners
    shown = {key: flags[owners] for key, flags in verdicts.shown.items()}
    frames = (clips["end_frame"].to_numpy() - clips["start_frame"].to_numpy())[owners]
    start_s = clips["start_s"].to_numpy()[owners]
    length_s = clips["end_s"].to_numpy()[owners] - start_s
    columns: Mapping[str, pa.Array | pa.ChunkedArray] = {
        "clip_id": collection.clips.ids.take(pa.array(owners)),
        "start_frame": pa.array(windows.start_frames),
        "end_frame": pa.array(windows.end_frames),
        "start_s": pa.array(start_s + length_s * windows.start_frames / frames),
        "end_s": pa.array(start_s + length_s * windows.end_frames / frames),
        **stage_columns(plan, "window", verdicts.windows, shown, verdicts.stopped[owners]),
    }
    table = _in_schema(windows_schema(plan), columns, len(owners)).take(pa.array(_windows_of(placed)))
    place = table.schema.get_field_index("window_id")
    frames = (table[name].to_numpy() for name in ("start_frame", "end_frame"))
    window_ids = ids.window_ids(table["clip_id"], *frames)
    return table.set_column(place, table.schema.field(place), window_ids)


def _windows_of(placed: PlacedClips) -> np.ndarray:
    """Places of the windows of the placed clips, in their order."""
    owners, clips = placed.collection.clips.windows.owners, placed.places[0]
    starts = np.searchsorted(owners, clips)
    counts = np.searchsorted(owners, clips, side="right") - starts
    before = np.cumsum(counts) - counts
    return np.arange(counts.sum()) - np.repeat(before - starts, counts)


def _in_schema(
    schema: pa.Schema, columns: Mapping[str, pa.Array | pa.ChunkedArray], num_rows: int
) -> pa.Table:
    arrays = [
        columns[field.name] if field.name in columns else pa.nulls(num_rows, field.type) for field in schema
    ]
    return pa.table(arrays, schema=schema)
