"""The documented JSON of one clip, ``metas/v0/<uuid>.json``. Pure."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import cast

from clipmill.snapshot.assemble import Tables
from clipmill.snapshot.collect import Row

_FILE_KEYS = ("width", "height", "framerate", "num_frames", "video_codec", "num_bytes")


def as_json(value: object) -> bytes:
    """The documents' form: four spaces, keys in the order given."""
    return (json.dumps(value, indent=4, ensure_ascii=False) + "\n").encode()


def clip_files(tables: Tables, *, caption_variant: str = "") -> dict[str, bytes]:
    """File name -> content, for clips that passed and filtered ones alike.

    ``caption_variant`` is what captions are named after.
    """
    videos = {row["uri"]: row for row in tables.videos.to_pylist()}
    windows: defaultdict[str, list[Row]] = defaultdict(list)
    for window in tables.windows.to_pylist():
        windows[window["clip_id"]].append(window)
    return {
        f"{clip['clip_id']}.json": as_json(
            clip_json(
                clip, videos[clip["source_uri"]], windows[clip["clip_id"]], caption_variant=caption_variant
            )
        )
        for clip in tables.clips.to_pylist()
    }


def clip_json(
    clip: Row, video: Row, windows: list[Row], *, caption_variant: str = ""
) -> Mapping[str, object]:
    """``valid`` says that the clip passed all filters. ``errors`` lists the stages that had one.

    Windows have inclusive ends here, and only here; sizes of the source are as coded.
    """
    content: dict[str, object] = {
        "span_uuid": clip["clip_id"],
        "source_video": clip["source_uri"],
        "duration_span": [clip["start_s"], clip["end_s"]],
        "width_source": video["width"],
        "height_source": video["height"],
        "framerate_source": framerate(video),
        "clip_location": clip["clip_uri"],
    }
    if clip["clip_uri"] is not None:
        content |= {key: clip[key] for key in _FILE_KEYS}
    if clip["motion_global_mean"] is not None:
        content["motion_score"] = _motion(clip)
    if clip["aesthetic_score"] is not None:
        content["aesthetic_score"] = clip["aesthetic_score"]
    if errors := sorted(json.loads(str(clip["errors"]))):
        content["errors"] = errors
    if clip["text_match"] is not None:
        content[f"{_family(clip)}_text_match"] = [clip["text_match"], clip["text_match_score"]]
    if clip["answers"] is not None:
        content["answers"] = json.loads(str(clip["answers"]))
    content["windows"] = [_window(window, caption_variant) for window in windows]
    content["valid"] = clip["status"] != "filtered"
    return content


def _motion(clip: Row) -> Mapping[str, object]:
    """The documents' two scores, and the parts of camera and objects where they were told apart."""
    keys = ["global_mean", "per_patch_min_256"]
    if clip["motion_camera_mean"] is not None:
        keys += ["camera_mean", "object_mean"]
    return {key: clip[f"motion_{key}"] for key in keys}


def _window(window: Row, variant: str) -> Row:
    """Frames, and captions under the names of the documents where there are any."""
    place: dict[str, object] = {
        "start_frame": window["start_frame"],
        "end_frame": cast(int, window["end_frame"]) - 1,
    }
    if window["caption"] is not None:
        place[f"{variant}_caption"] = window["caption"]
    if window["enhanced_caption"] is not None:
        place[f"{variant}_enhanced_caption"] = window["enhanced_caption"]
    return place


def _family(clip: Row) -> str:
    """How the documents call the family of an embedding: ``cosmos_embed1``, ``intern_video_2``."""
    algorithm = str(clip["embedding_algorithm"])
    named = {"cosmos-embed1": "cosmos_embed1", "internvideo2": "intern_video_2"}
    return next((name for family, name in named.items() if algorithm.startswith(family)), algorithm)


def framerate(video: Row) -> float | None:
    """Frames a second of a row of the videos table."""
    if video["framerate_num"] is None:
        return None
    return cast(int, video["framerate_num"]) / cast(int, video["framerate_den"])
