"""Rows of the videos and shots tables. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa

from clipmill.dataset.collect import Collection
from clipmill.dataset.rows.stage_columns import stage_columns
from clipmill.dataset.rows.video_fates import VideoFate
from clipmill.dataset.schemas import SHOTS, VIDEOS, videos_schema
from clipmill.outcomes.run_end import Tally
from clipmill.planning.judgement import FINAL, RETRYABLE, AlignedRows
from clipmill.state.splits import Row, Splits

_INSPECTED = (
    "video_id", "duration_s", "num_frames", "width", "height", "rotation_deg", "sar", "video_codec",
    "pixel_format", "audio_codec", "bit_rate_k",
)  # fmt: skip
_SCANNED = ("content_digest", "audio_digest", "is_partial", "partial_reason", "is_vfr")


def curated_items(videos: Sequence[VideoFate]) -> np.ndarray:
    """Returns the items of the curated videos, in their order."""
    return np.array([video.item for video in videos if video.status == "curated"], np.int64)


def video_table(collection: Collection, videos: Sequence[VideoFate]) -> pa.Table:
    """Returns one row for each source, with the columns of stages of whole videos and what the user knows."""
    splits, known = collection.splits, collection.source_columns
    dropped_s = _dropped_by_item(splits)
    table = pa.Table.from_pylist([dict(_video_row(one, splits, dropped_s)) for one in videos], schema=VIDEOS)
    is_curated = np.array([video.status == "curated" for video in videos], bool)
    made = _made_of_videos(collection, is_curated)
    schema = videos_schema(collection.plan)
    columns = {name: table[name] for name in table.column_names} | made
    fields = [one for one in schema if one.name in columns]
    table = pa.table([columns[one.name] for one in fields], schema=pa.schema(fields))
    return known.beside(table, key="uri") if known else table


def _made_of_videos(collection: Collection, is_curated: np.ndarray) -> dict[str, pa.Array]:
    """The columns of stages of whole videos, for the curated ones, and what these stages failed on."""
    plan = collection.plan
    shown = {key: is_curated for key in collection.video_rows}
    found = stage_columns(plan, "video", _aligned(collection), shown, np.zeros(len(is_curated), bool))
    texts: list[dict[str, str]] = [{} for _ in is_curated]
    for key, rows in collection.video_rows.items():
        for text, message, is_shown in zip(texts, rows["message"].to_pylist(), is_curated, strict=True):
            if message and is_shown:
                text[key] = message
    return {**found, "errors": pa.array([json.dumps(text, sort_keys=True) for text in texts], pa.string())}


def _aligned(collection: Collection) -> AlignedRows:
    nodes = [collection.plan.by_key[key] for key in collection.video_rows]
    nothing = pa.nulls(len(collection.sources))
    return AlignedRows.of_places(nodes, collection.video_rows, nothing)


def failed_stages_of_videos(collection: Collection, videos: Sequence[VideoFate]) -> Iterator[Tally]:
    """Yields the curated videos that have no result of a stage of whole videos, one by one."""
    for key, rows in collection.video_rows.items():
        for video, row in zip(videos, rows.select(["reason", "outcome"]).to_pylist(), strict=True):
            if video.status == "curated" and row["outcome"] in (FINAL, RETRYABLE):
                yield Tally(key, str(row["reason"]), row["outcome"], 1)


def _video_row(fate: VideoFate, splits: Splits, dropped_s: np.ndarray) -> Row:
    """One source. Length and number of frames are the scan's where there was one, else the header's word.

    ``duplicate_of`` is a URI: a renamed copy has the same ``video_id`` as its keeper.
    """
    inspection, split = fate.inspection or {}, fate.split or {}
    return {
        "source_version": fate.source.source_version,
        "uri": fate.source.uri,
        "size_bytes": fate.source.size_bytes,
        "status": fate.status,
        "reason": fate.reason,
        "message": fate.message or None,
        "duplicate_of": fate.duplicate.duplicate_of if fate.duplicate else None,
        **{name: inspection.get(name) for name in _INSPECTED},
        **_framerate(inspection),
        **{name: split.get(name) for name in _SCANNED},
        "oddities": _oddities(split) if split.get("content_digest") else None,
        **{name: split[name] for name in ("duration_s", "num_frames") if split.get(name) is not None},
        **(_counts(fate.item, splits, dropped_s) if fate.status == "curated" else {}),
    }


def _oddities(split: Row) -> str:
    """What was unusual and what was done with it, times first; empty for an ordinary video."""
    return "; ".join(str(split[name]) for name in ("repaired_times", "oddities") if split.get(name))


def _framerate(inspection: Row) -> Row:
    if inspection.get("framerate") is None:
        return {}
    rate = Fraction(str(inspection["framerate"]))
    return {"framerate_num": rate.numerator, "framerate_den": rate.denominator}


def _counts(item: int, splits: Splits, dropped_s: np.ndarray) -> Row:
    shots, clips = splits.shots.of(item), splits.clips.of(item)
    return {
        "num_shots": shots.stop - shots.start,
        "num_clips": clips.stop - clips.start,
        "dropped_s": float(dropped_s[item]),
    }


def shot_table(videos: Sequence[VideoFate], splits: Splits) -> pa.Table:
    """Returns the shots of the curated videos, in order."""
    curated = [video for video in videos if video.status == "curated"]
    items = curated_items(videos)
    places, owners = splits.shots.places_of(items)
    found = splits.shots.rows.take(pa.array(places))
    owner = pa.array(owners)
    video_ids = pa.array([video.inspection["video_id"] for video in curated if video.inspection], pa.string())
    detectors = pa.array([video.split["detector"] for video in curated if video.split], pa.string())
    index = places - splits.shots.starts[items][owners]
    columns = {
        "video_id": video_ids.take(owner),
        "shot_index": pa.array(index, pa.int32()),
        "detector": detectors.take(owner),
    }
    arrays = [columns[name] if name in columns else found[name] for name in SHOTS.names]
    return pa.table(arrays, schema=SHOTS)


def _seconds(dropped: pa.Table) -> np.ndarray:
    return dropped["end_s"].to_numpy() - dropped["start_s"].to_numpy()


def _dropped_by_item(splits: Splits) -> np.ndarray:
    """Seconds ``(N,)`` of each video that are in no clip."""
    lists = splits.dropped
    owners = np.repeat(np.arange(len(lists.starts) - 1), np.diff(lists.starts))
    return np.bincount(owners, weights=_seconds(lists.rows), minlength=len(lists.starts) - 1)


def dropped_by_cause(videos: Sequence[VideoFate], splits: Splits) -> Mapping[str, float]:
    """Returns the seconds of the curated videos that are in no clip, by cause."""
    places, _ = splits.dropped.places_of(curated_items(videos))
    dropped = splits.dropped.rows.take(pa.array(places))
    causes = dropped["cause"].combine_chunks().dictionary_encode()
    seconds = np.bincount(causes.indices.to_numpy(), weights=_seconds(dropped))
    return dict(sorted(zip(causes.dictionary.to_pylist(), seconds.tolist(), strict=True)))
