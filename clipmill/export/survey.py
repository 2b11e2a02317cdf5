"""What an export of a snapshot would hold, and what it leaves out: the samples by part and bucket."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa
import pyarrow.types as pt

from clipmill import arrow
from clipmill.errors import SourceError, SpecError
from clipmill.export.record import Shard
from clipmill.export.sample_rows import Columns
from clipmill.export.samples import Tally, Wanted, samples
from clipmill.export.snapshot_rows import SnapshotRows, snapshot_rows
from clipmill.export.spec import ExportSpec
from clipmill.stages.columns import CAPTION, ENHANCED_CAPTION
from clipmill.stages.fault_words import known_or_nearest
from clipmill.storage import store

_TEXT_ROLES = (ENHANCED_CAPTION, CAPTION)
"""Roles of columns of text that are taken where the user names none, best first."""

Place = tuple[str, str]
"""Part and bucket."""


@dataclass
class Amounts:
    """What a bucket holds."""

    num_samples: int = 0
    num_bytes: int = 0
    num_frames: int = 0
    seconds: float = 0.0
    num_shards: int = 0

    def add(self, more: "Amounts | Shard") -> None:
        """Adds what a table or a shard holds."""
        self.num_samples += more.num_samples
        self.num_bytes += more.num_bytes
        self.num_frames += more.num_frames
        self.seconds += more.seconds


@dataclass
class Survey:
    """What an export would hold, by part and bucket, and what it leaves out by reason."""

    snapshot_id: str
    num_clips: int = 0
    amounts: dict[Place, Amounts] = field(default_factory=dict[Place, Amounts])
    skipped: Counter[str] = field(default_factory=Counter[str])
    num_gone: int = 0

    @property
    def num_samples(self) -> int:
        """Samples of all buckets."""
        return sum(one.num_samples for one in self.amounts.values())


@dataclass(frozen=True)
class SampleSource:
    """Samples of a snapshot: its rows, what is wanted of them, and those that a destination has already."""

    rows: SnapshotRows
    wanted: Wanted
    known: pa.Array

    def tables(self, survey: Survey) -> Iterator[tuple[Place, pa.Table]]:
        """Yields new samples by part and bucket; ``survey`` counts all of them."""
        tally = Tally(survey.skipped)
        num_known = 0
        for found in self.rows.ranges(self.wanted.spec.seed):
            table = samples(found, self.wanted, tally)
            is_known = arrow.flags(arrow.is_in(table["sample_id"], self.known))
            num_known += int(is_known.sum())
            table = table.filter(pa.array(~is_known))
            yield from _by_place(table, survey)
        survey.num_clips = tally.num_clips
        survey.num_gone = len(self.known) - num_known


def survey_export(output: str, spec: ExportSpec) -> Survey:
    """Returns what an export of ``output`` would hold; nothing is written."""
    source = sample_source(output, spec, known=pa.array([], pa.string()))
    survey = Survey(source.rows.snapshot.snapshot_id)
    for _ in source.tables(survey):
        pass
    return checked(survey, output)


def sample_source(output: str, spec: ExportSpec, *, known: pa.Array) -> SampleSource:
    """Returns the samples of an output that are not ``known``. SpecError for what the output lacks."""
    rows = snapshot_rows(output, spec.snapshot, spec.embeddings, spec.metadata)
    return SampleSource(rows, Wanted(spec, _columns(rows, spec), _texts(spec)), known)


def _texts(spec: ExportSpec) -> frozenset[str] | None:
    """The samples that have a text embedding. SpecError for a folder without any."""
    if not spec.text_embeddings:
        return None
    files = store.find(spec.text_embeddings, (".pickle",))
    if not files:
        raise SpecError(f"{spec.text_embeddings} holds no text embeddings: <sample id>.pickle each")
    return frozenset(file.uri.rpartition("/")[2].removesuffix(".pickle") for file in files)


def _columns(rows: SnapshotRows, spec: ExportSpec) -> Columns:
    """Where the snapshot has what is asked for. SpecError names a column that it lacks."""
    of_windows = rows.window_columns
    kinds = {**rows.clip_columns, **of_windows}
    files = _files(rows) or list(kinds)  # manifests of version 0.1 name none
    if missing := [name for name in spec.artifacts if name not in files]:
        raise SpecError(f"no table has a column {missing[0]} of files; there are {', '.join(_files(rows))}")
    if spec.caption and spec.caption not in kinds:
        known = known_or_nearest(spec.caption, kinds)
        raise SpecError(f"no table has a column {spec.caption}{known}")
    kind = kinds.get(spec.caption, pa.string())
    if not _is_text(kind):
        raise SpecError(f"column {spec.caption} holds {kind}, which is no text")
    if "embedding" in spec.needs and not rows.embeddings:
        raise SpecError("the output has no embeddings: require embedding cannot be met")
    caption = spec.caption or next((name for name in _texts_of(rows) if name in kinds), "")
    if "caption" in spec.needs and not caption:
        raise SpecError(
            f"{spec.format} needs text and the output has no captions: name a column by --caption"
        )
    return Columns(caption, caption in of_windows, rows.vector_types, spec.artifacts)


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pt.is_string, pt.is_large_string, pt.is_integer, pt.is_floating))


def _texts_of(rows: SnapshotRows) -> Iterator[str]:
    """Yields the columns of texts, the enhanced ones first, as the manifest names them."""
    stages = cast("Mapping[str, Mapping[str, Any]]", rows.snapshot.manifest["stages"])
    for role in _TEXT_ROLES:
        yield from (texts[role] for stage in stages.values() if role in (texts := stage.get("texts", {})))
    yield from _TEXT_ROLES  # manifests of version 0.1 name none: the built-in columns are called like roles


def _files(rows: SnapshotRows) -> list[str]:
    return [one["column"] for one in rows.snapshot.manifest.get("files", ())]


def _by_place(table: pa.Table, survey: Survey) -> Iterator[tuple[Place, pa.Table]]:
    names = list(zip(table["part"].to_pylist(), table["bucket"].to_pylist(), strict=True))
    rows: dict[Place, list[int]] = {}
    for row, place in enumerate(names):
        rows.setdefault(place, []).append(row)
    for place, own in rows.items():
        part = table.take(pa.array(own))
        survey.amounts.setdefault(place, Amounts()).add(amounts_of(part))
        yield place, part


def amounts_of(table: pa.Table) -> Amounts:
    """Returns what a table of samples holds."""
    frames = table["num_frames"].to_numpy()
    rates = arrow.coalesce(table["fps"], table["framerate"]).to_numpy(zero_copy_only=False)
    return Amounts(
        len(table), int(table["num_bytes"].to_numpy().sum()), int(frames.sum()), float((frames / rates).sum())
    )


def checked(survey: Survey, output: str) -> Survey:
    """Returns the survey. SourceError for an export without a sample, with what stood in the way."""
    if survey.num_samples:
        return survey
    if not survey.num_clips:
        raise SourceError(f"{output} has no kept clip in snapshot {survey.snapshot_id}")
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in survey.skipped.most_common())
    raise SourceError(f"no sample of {output} fits: all were left out ({reasons})")
