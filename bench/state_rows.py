"""A synthetic state of any size: rows that look like real ones, with ids of their own.

Values are drawn once, for ten thousand clips, and repeat; ids are random. Videos have 40 clips of two
windows. Some clips are rejected by the stage of quality, and have no rows behind it; one video in a hundred
lacks a row.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from clipmill import identity, layout
from clipmill.intake.manifests import put_sources
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import SourceFile
from clipmill.specs import CurateSpec
from clipmill.state import ids, part_file
from clipmill.state.schema import INSPECT_STATE, SPLIT_STATE, schema_of

CLIPS_PER_VIDEO = 40
VIDEOS_PER_PART = 12
VIDEOS_PER_INSPECTION = 1_000
NUM_FRAMES, FPS = 400, 25
NUM_VALUES = 10_000
VECTORS_UP_TO = 1_000_000
"""Embeddings are there up to so many clips; beyond, their rows hold ids only."""
RUN_ID = "20261101T000000"
_WITHOUT = ("reason", "message", "limit", "limit_value", "errors")
"""Endings of columns that say what went wrong: nothing did."""
SPEC = CurateSpec.model_validate({"quality": {"sharpness": {"min": 2.0}}})
_UUID, _HEX, _SOURCE = ids.FORMS


def plan_for(output: str) -> Plan:
    """The plan whose rows are made."""
    return plan_of_spec(SPEC, source="/films", output=output)


@dataclass(frozen=True)
class Synthetic:
    """A state of ``num_clips`` clips under ``output``; ``has_vectors`` fills embeddings and fingerprints."""

    output: str
    num_clips: int
    has_vectors: bool
    videos_per_part: int = VIDEOS_PER_PART

    @property
    def num_videos(self) -> int:
        """Videos of the state."""
        return max(1, self.num_clips // CLIPS_PER_VIDEO)

    def write(self) -> str:
        """Write everything, on two processes; the URI of the listing."""
        with ProcessPoolExecutor(2) as pool:
            for _ in pool.map(self.write_part, range(0, self.num_videos, self.videos_per_part), chunksize=50):
                pass
        self.inspect(self.num_videos)
        return put_sources(self.output, [source_of(index) for index in range(self.num_videos)])

    def inspect(self, num_videos: int, *, first: int = 0) -> None:
        """Write the inspections of videos."""
        digest = plan_for(self.output).digests()["inspect"]
        for start in range(first, num_videos, VIDEOS_PER_INSPECTION):
            rows = _inspections(range(start, min(num_videos, start + VIDEOS_PER_INSPECTION)))
            _put(self.output, "inspect", digest, rows)

    def write_part(self, first: int) -> None:
        """Write one part of every stage, for a few videos."""
        random = np.random.default_rng(first)
        plan = plan_for(self.output)
        videos = list(range(first, min(self.num_videos, first + self.videos_per_part)))
        num = len(videos) * CLIPS_PER_VIDEO
        clips = _Ids(random.integers(0, 256, (num, 16), np.uint8))
        sharpness = random.gamma(4.0, 1.0, num) + 0.3
        passed = np.flatnonzero(sharpness >= 2.0)
        for node in plan.rowed:
            chosen = passed if node.key in ("encode", "embedding") else np.arange(num)
            if node.key == "encode":
                chosen = chosen[random.random(len(chosen)) > 0.0002]  # one video in a hundred lacks a row
            rows = _rows_of(node, clips, chosen, sharpness, random, has_vectors=self.has_vectors)
            _put(self.output, node.key, node.digest, rows)
        split = _splits(videos, clips)
        _put(self.output, plan.extractor.key, plan.extractor.digest, split)


def source_of(index: int) -> SourceFile:
    """The source of a video."""
    uri = f"/films/{index:09d}.mp4"
    return SourceFile(uri, 50_000_000 + index, identity.source_version(uri, 50_000_000 + index, "1"))


def video_id(index: int) -> str:
    """The id of a video."""
    return identity.video_id(index, [b"synthetic"])


@dataclass(frozen=True)
class _Ids:
    raw: np.ndarray

    @property
    def text(self) -> pa.Array:
        return ids.text_of(ids.fixed(self.raw), _UUID)

    def column(self, chosen: np.ndarray) -> pa.Array:
        return pa.ExtensionArray.from_storage(pa.uuid(), ids.fixed(self.raw[chosen]))


def _rows_of(
    node: Node,
    clips: _Ids,
    chosen: np.ndarray,
    sharpness: np.ndarray,
    random: np.random.Generator,
    *,
    has_vectors: bool,
) -> pa.Table:
    is_window = node.stage.grain == "window"
    owner = np.repeat(chosen, 2) if is_window else chosen
    num = len(owner)
    made: dict[str, pa.Array] = {
        "stage_digest": pa.array([node.digest] * num),
        "run_id": pa.array([RUN_ID] * num),
        "outcome": pa.array(["result"] * num),
        "effects": pa.array([""] * num),
        "sharpness": pa.array(sharpness[owner]),
    }
    made["id"] = clips.column(owner)
    if is_window:
        made["clip_id"] = made["id"]
        starts, ends = np.tile([0, 256], num // 2), np.tile([256, NUM_FRAMES], num // 2)
        made["start_frame"], made["end_frame"] = pa.array(starts), pa.array(ends)
        names = zip(clips.text.take(pa.array(owner)).to_pylist(), starts, ends, strict=True)
        made["id"] = ids.encoded(pa.table({"id": [identity.window_id(*one) for one in names]}))["id"]
    fields: list[pa.Field] = []
    for field in schema_of(node):
        if field.name not in made:
            made[field.name] = _values(field, num, random, clips, owner, has_vectors=has_vectors)
        if field.name in ids.ID_COLUMNS:
            field = pa.field(field.name, pa.uuid(), metadata={ids.FORM: _UUID.name.encode()})
        fields.append(field)
    schema = pa.schema(fields)
    return pa.Table.from_arrays([made[name] for name in schema.names], schema=schema)


def _values(
    field: pa.Field,
    num: int,
    random: np.random.Generator,
    clips: _Ids,
    owner: np.ndarray,
    *,
    has_vectors: bool,
) -> pa.Array:
    kind = field.type
    if field.name.endswith(_WITHOUT):
        return pa.nulls(num, kind)
    if pa.types.is_floating(kind):
        return pa.array(np.round(random.choice(_DRAWN, num), 4)).cast(kind)
    if pa.types.is_integer(kind):
        return pa.array(random.integers(0, 5000, num)).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array(random.random(num) < 0.5)
    if pa.types.is_string(kind):
        if field.name.endswith("_uri"):
            return pa.array([f"clips/{one}.mp4" for one in clips.text.take(pa.array(owner)).to_pylist()])
        if field.name.endswith("_digest"):
            return pa.array([random.bytes(32).hex() for _ in range(num)])
        return pa.array(["encode"] * num)
    return _heavy(kind, num, random) if has_vectors else pa.nulls(num, kind)


def _heavy(kind: pa.DataType, num: int, random: np.random.Generator) -> pa.Array:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        values = pa.array(random.random(num * VECTOR_SIZE, np.float32)).cast(kind.value_type)
        return pa.FixedSizeListArray.from_arrays(values, VECTOR_SIZE).cast(kind)
    return pa.array([random.bytes(FINGERPRINT_BYTES) for _ in range(num)], kind)


VECTOR_SIZE, FINGERPRINT_BYTES = 512, 2_048
_DRAWN = np.random.default_rng(0).gamma(4.0, 1.0, NUM_VALUES)


def _splits(videos: list[int], clips: _Ids) -> pa.Table:
    num, num_clips = len(videos), len(videos) * CLIPS_PER_VIDEO
    start = np.tile(np.arange(CLIPS_PER_VIDEO) * NUM_FRAMES, num)
    place = {
        "start_frame": start, "end_frame": start + NUM_FRAMES,
        "start_pts": start, "end_pts": start + NUM_FRAMES,
        "start_s": start / FPS, "end_s": (start + NUM_FRAMES) / FPS,
        "shot_index": np.tile(np.arange(CLIPS_PER_VIDEO), num),
    }  # fmt: skip
    offsets = pa.array(np.arange(num + 1) * CLIPS_PER_VIDEO, pa.int32())
    lists: dict[str, pa.Array] = {}
    for name in ("clips", "shots"):
        kind = SPLIT_STATE.field(name).type
        values = [_of_clips(one, clips, place, num_clips) for one in kind.value_type]
        lists[name] = pa.ListArray.from_arrays(
            offsets, pa.StructArray.from_arrays(values, fields=list(kind.value_type))
        )
    length_s = CLIPS_PER_VIDEO * NUM_FRAMES / FPS
    same: dict[str, object] = {
        "outcome": "result", "run_id": RUN_ID, "is_partial": False, "is_vfr": False, "time_base": "1/25",
        "repaired_times": "", "oddities": "", "detector": "content", "duration_s": length_s,
        "num_frames": CLIPS_PER_VIDEO * NUM_FRAMES,
    }  # fmt: skip
    made = {
        "id": pa.array([video_id(one) for one in videos]),
        "content_digest": pa.array([f"cd1:{one}" for one in videos]),
    }
    made |= lists
    columns = [
        made[one.name] if one.name in made else pa.array([same.get(one.name)] * num, one.type)
        for one in SPLIT_STATE
    ]
    return pa.Table.from_arrays(columns, schema=SPLIT_STATE)


def _of_clips(field: pa.Field, clips: _Ids, place: dict[str, np.ndarray], num_clips: int) -> pa.Array:
    if field.name == "clip_id":
        return clips.text
    if field.name in place:
        return pa.array(place[field.name]).cast(field.type)
    return pa.nulls(num_clips, field.type)


def _inspections(videos: range) -> pa.Table:
    return pa.Table.from_pylist(list(_inspected(videos)), schema=INSPECT_STATE)


def _inspected(videos: range) -> Iterator[dict[str, object]]:
    for index in videos:
        source = source_of(index)
        yield {
            "id": source.source_version, "outcome": "result", "run_id": "0", "uri": source.uri,
            "size_bytes": source.size_bytes, "video_id": video_id(index), "container": "mp4",
            "video_codec": "h264", "pixel_format": "yuv420p", "width": 1280, "height": 720, "rotation_deg": 0,
            "sar": "1", "framerate": "25", "time_base": "1/25", "num_frames": CLIPS_PER_VIDEO * NUM_FRAMES,
            "duration_s": CLIPS_PER_VIDEO * NUM_FRAMES / FPS, "bit_rate_k": 4000,
        }  # fmt: skip


def _put(output: str, key: str, digest: str, rows: pa.Table) -> None:
    folder = Path(layout.join(layout.state_dir(output), key, digest))
    folder.mkdir(parents=True, exist_ok=True)
    name, data = part_file.named_part(RUN_ID, rows)
    (folder / name).write_bytes(data)  # the store would wait for the disk, for tens of thousands of parts
