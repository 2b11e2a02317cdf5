"""The documented JSON of one clip, ``metas/v0/<uuid>.json``. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import cast

from clipmill.base_columns import RESERVED_JSON
from clipmill.dataset.assemble import Tables
from clipmill.errors import StageBroken, foreign, said_by
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.base import Stage
from clipmill.state.splits import Row
from clipmill.storage.source_columns import PREFIX, plain_value

Content = dict[str, object]
"""A JSON object."""
_ROWS_AT_ONCE = 10_000


def as_json(value: object) -> bytes:
    """Returns the documented form: four spaces, keys in the order of ``value``."""
    return (json.dumps(value, indent=4, ensure_ascii=False, default=plain_value) + "\n").encode()


def clip_files(tables: Tables, plan: Plan) -> Iterator[tuple[str, bytes]]:
    """Yields (file name, content) for clips that passed and filtered ones alike."""
    videos = {row["uri"]: row for row in tables.videos.to_pylist()}
    windows: defaultdict[str, list[Row]] = defaultdict(list)
    for window in tables.windows.to_pylist():
        windows[window["clip_id"]].append(window)
    for batch in tables.clips.to_batches(max_chunksize=_ROWS_AT_ONCE):
        for clip in batch.to_pylist():
            content = clip_json(clip, videos[clip["source_uri"]], windows[clip["clip_id"]], plan)
            yield f"{clip['clip_id']}.json", as_json(content)


def clip_json(clip: Row, video: Row, windows: list[Row], plan: Plan) -> Mapping[str, object]:
    """Returns the JSON of a clip.

    ``valid`` says that the clip passed all filters. ``errors`` lists the stages that had one.
    ``clip_location`` is relative to the output. Windows have inclusive ends here, and only here; sizes of the
    source are as coded.
    """
    content: Content = {
        "span_uuid": clip["clip_id"],
        "source_video": clip["source_uri"],
        "duration_span": [clip["start_s"], clip["end_s"]],
        "width_source": video["width"],
        "height_source": video["height"],
        "framerate_source": framerate(video),
        "clip_location": None,
    }
    _add_stages(content, clip, plan, "clip")
    content |= source_json(clip)
    if errors := sorted(json.loads(str(clip["errors"]))):
        content["errors"] = errors
    content["windows"] = [_window(window, plan) for window in windows]
    content["valid"] = has_passed(clip)
    return content


def source_json(row: Row) -> Content:
    """Returns what the user knows of the source of a row, under ``source``; nothing of one without values."""
    values = {
        name.removeprefix(PREFIX): plain_value(value)
        for name, value in row.items()
        if name.startswith(PREFIX)
    }
    known = {name: value for name, value in values.items() if value is not None}
    return {"source": known} if known else {}


def has_passed(clip: Row) -> bool:
    """Returns True if no stage rejected a clip or failed on it."""
    return clip["status"] not in ("filtered", "failed")


def _window(window: Row, plan: Plan) -> Content:
    content: Content = {
        "start_frame": window["start_frame"],
        "end_frame": cast(int, window["end_frame"]) - 1,
    }
    _add_stages(content, window, plan, "window")
    return content


def _add_stages(content: Content, row: Row, plan: Plan, grain: str) -> None:
    for node in plan.nodes:
        if node.stage.grain == grain and node.runs_for != "rejected" and plan.documents(node.stage):
            own = dict(_own(node, row))
            for path, value in _values(node, own):
                _put(content, path, value)
            content.update(_documented(node, own))


def _documented(node: Node, own: Row) -> Mapping[str, object]:
    """What a stage adds to the JSON. StageBroken where its code fails or gives what JSON cannot hold."""
    if type(node.stage).documented is Stage.documented:
        return {}
    try:
        more = node.stage.documented(own)
        json.dumps(more)
    except foreign() as error:
        raise StageBroken(node.key, f"documented() raised {said_by(error)}") from error
    if taken := sorted(more.keys() & RESERVED_JSON[node.stage.grain]):
        raise StageBroken(node.key, f"documented() gives {taken[0]}, which is not its own")
    return more


def _own(node: Node, row: Row) -> Iterator[tuple[str, object]]:
    """The values of a node's columns by their bare names."""
    for name, column in node.published_columns():
        if name in row:
            yield column.name, row[name]


def _values(node: Node, own: Row) -> Iterator[tuple[list[str], object]]:
    for column in node.stage.writes:
        if column.json and own.get(column.name) is not None:
            prefix = [] if node.key == node.stage.name or "{" in column.json else [node.key]
            path = [*prefix, *(part.format_map(_Fields(node)) for part in column.json.split("."))]
            yield path, own[column.name]


class _Fields(dict[str, object]):
    """The parameters of a stage, which a path may name."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.stage.model_dump())


def _put(content: Content, path: list[str], value: object) -> None:
    *parents, last = path
    for name in parents:
        content = cast(Content, content.setdefault(name, {}))
    content[last] = value


def framerate(video: Row) -> float | None:
    """Returns the frames a second of a row of the videos table."""
    if video["framerate_num"] is None:
        return None
    return cast(int, video["framerate_num"]) / cast(int, video["framerate_den"])
