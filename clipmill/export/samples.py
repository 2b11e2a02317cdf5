"""Which samples a snapshot has: clips and windows become rows of a plan, or are left out. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from clipmill.export.sample_rows import EMBEDDING, MP4, Columns, Cut, Row, Sample, row_of
from clipmill.export.shape.frame_rules import Run, frames_of_run, frames_on_grid, runs
from clipmill.export.shape.sizes import cosmos_bucket, parse_size, size_of
from clipmill.export.snapshot_rows import ClipRange, Part
from clipmill.export.spec import ExportSpec
from clipmill.export.spool import ORDER, order_of


@dataclass
class Tally:
    """Samples that were left out, by reason, and clips seen so far."""

    skipped: Counter[str] = field(default_factory=Counter[str])
    num_clips: int = 0


@dataclass(frozen=True)
class Wanted:
    """What an export asks for. ``texts`` are the samples with a text embedding; None takes any."""

    spec: ExportSpec
    columns: Columns
    texts: Collection[str] | None = None


@dataclass(frozen=True)
class _Unit:
    """A clip, or one of its windows, before its frames are chosen; ``span`` None where they are unknown."""

    name: str
    windows: Sequence[Row]
    span: tuple[int, int] | None


def samples(found: ClipRange, wanted: Wanted, tally: Tally) -> pa.Table:
    """Returns the samples of a range of clips; ``tally`` counts what is left out, and why."""
    windows: defaultdict[str, list[Row]] = defaultdict(list)
    if found.windows is not None:
        for row in found.windows.to_pylist():
            windows[row["clip_id"]].append(row)
    vectors = {name: _places(table) for name, table in found.embeddings.items()}
    rows: list[dict[str, Any]] = []
    for clip in found.clips.to_pylist():
        tally.num_clips += 1
        own = sorted(windows[clip["clip_id"]], key=lambda row: row["start_frame"])
        has_vectors = all(clip["clip_id"] in vectors.get(name, ()) for name in wanted.columns.embeddings)
        reason = _clip_lacks(clip, _part(found.parts, clip["clip_id"]), wanted.spec, has_vectors=has_vectors)
        if reason:
            tally.skipped[reason] += 1
            continue
        part = _part(found.parts, clip["clip_id"])[0]
        for sample in _of_clip(clip, own, part, wanted):
            if isinstance(sample, str):
                tally.skipped[sample] += 1
            else:
                rows.append(row_of(sample, wanted.spec, wanted.columns))
    table = pa.Table.from_pylist(rows, schema=wanted.columns.schema)
    order = order_of([row["sample_id"] for row in rows], wanted.spec.seed)
    table = table.set_column(table.column_names.index(ORDER), ORDER, pa.array(order, pa.uint64()))
    return _with_embeddings(table, found, vectors)  # those that no clip of the range has stay null


def _places(table: pa.Table) -> Mapping[str, int]:
    return {name: index for index, name in enumerate(table["id"].to_pylist())}


def _with_embeddings(table: pa.Table, found: ClipRange, vectors: Mapping[str, Mapping[str, int]]) -> pa.Table:
    clips = table["clip_id"].to_pylist()
    for name, places in vectors.items():
        rows = pa.array([places.get(clip) for clip in clips], pa.int64())
        vector = found.embeddings[name]["embedding"].combine_chunks().take(rows)
        place = table.column_names.index(EMBEDDING + name)
        table = table.set_column(place, EMBEDDING + name, vector.cast(table.schema.field(place).type))
    return table


def _part(parts: Mapping[str, Part] | None, clip_id: str) -> Part:
    """An output that was never split is all train."""
    return ("train", "") if parts is None else parts.get(clip_id, ("", "no_part"))


def _clip_lacks(clip: Row, part: Part, spec: ExportSpec, *, has_vectors: bool) -> str:
    """Why nothing of a clip is exported; empty where nothing is in the way."""
    if part[0] in ("", "held_out"):
        return f"held_out:{part[1]}" if part[0] else part[1]
    if not clip.get("clip_uri"):
        return "no_file"
    if spec.format == "cosmos" and not (spec.materialize or clip["clip_uri"].endswith(MP4)):
        return "not_mp4"
    if "audio" in spec.needs and not clip.get("has_audio"):
        return "no_audio"
    return "no_embedding" if "embedding" in spec.needs and not has_vectors else ""


def _of_clip(clip: Row, windows: Sequence[Row], part: str, wanted: Wanted) -> Iterator[Sample | str]:
    """Yields the samples of one clip, or for each that is left out the reason."""
    shape = _shape(clip, wanted.spec)
    if shape is None:
        yield "too_small"
        return
    for unit in _units(clip, windows, wanted.spec):
        caption = _caption(clip, unit.windows, wanted.columns)
        if "caption" in wanted.spec.needs and not caption:
            yield "no_caption"
            continue
        cuts = list(_cuts(clip, unit.span, wanted.spec))
        for index, cut in enumerate(cuts):
            if isinstance(cut, str):
                yield cut
                continue
            name = f"{unit.name}_{index}" if wanted.spec.at == "chunks" else unit.name
            bucket = _bucket(clip, cut, shape, wanted.spec)
            if bucket is None:
                yield "no_bucket"
            elif wanted.texts is not None and name not in wanted.texts:
                yield "no_text_embedding"
            else:
                yield Sample(name, clip, unit.windows, cut, shape, part, bucket, caption)


def _units(clip: Row, windows: Sequence[Row], spec: ExportSpec) -> Iterator[_Unit]:
    if not windows or not spec.prefers_windows or (spec.unit == "auto" and len(windows) == 1):
        yield _Unit(clip["clip_id"], windows, (0, clip["num_frames"]))
        return
    has_all_frames = clip["num_frames"] == clip["end_frame"] - clip["start_frame"]
    for row in windows:
        yield _Unit(
            row["window_id"], [row], (row["start_frame"], row["end_frame"]) if has_all_frames else None
        )


def _shape(clip: Row, spec: ExportSpec) -> tuple[int, int] | None:
    return size_of(
        (clip["width"], clip["height"]),
        wanted=parse_size(spec.size) if spec.size else None,
        multiple=spec.multiple,
        fit=spec.fit,
        upscale=spec.upscale,
    )


def _caption(clip: Row, windows: Sequence[Row], columns: Columns) -> str:
    """The text of a clip is that of its first window."""
    row = clip if not columns.caption_of_window else windows[0] if windows else {}
    return str(row.get(columns.caption) or "")


def _cuts(clip: Row, span: tuple[int, int] | None, spec: ExportSpec) -> Iterator[Cut | str]:
    """Yields the runs of frames of a sample, or one word that says why there is none."""
    if span is None:
        yield "frames_differ"
        return
    start, length = span[0], span[1] - span[0]
    available = frames_on_grid(length, clip["framerate"], spec.fps)
    if available is None:
        yield "slower_than_fps"
        return
    rule = spec.frame_rule
    found = runs(available, rule, spec.at) if rule else [Run(0, available)]
    if not found or not available:
        yield "too_few_frames"
        return
    offset = round(start / clip["framerate"] * spec.fps) if spec.fps else start
    for run in found:
        first, last = frames_of_run(run, length, clip["framerate"], spec.fps)
        yield Cut(start + first, start + last, run.num_frames, offset + run.first)


def _bucket(clip: Row, cut: Cut, shape: tuple[int, int], spec: ExportSpec) -> str | None:
    if spec.buckets == "cosmos":
        return cosmos_bucket(shape, cut.num_frames / (spec.fps or clip["framerate"]))
    frames = f"x{cut.num_frames}" if spec.frames else ""
    return f"{shape[0]}x{shape[1]}{frames}" if spec.buckets == "size" else "all"
