"""Samples as tables: parquet that Hugging Face ``datasets`` reads, with a dataset card, and Lance."""

import importlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from clipmill import layout
from clipmill.errors import SpecError
from clipmill.export.clip_files import Row, suffix_of
from clipmill.export.job import FinishJob, Receipt, ShardJob
from clipmill.export.sample_rows import EMBEDDING
from clipmill.storage import store

_GROUP_BYTES = 64 << 20
"""Videos in memory at once, and of a group of rows."""
_LANCE = "data.lance"

_FACTS = pa.schema(
    [
        ("sample_id", pa.string()), ("clip_id", pa.string()), ("part", pa.string()), ("bucket", pa.string()),
        ("caption", pa.string()), ("start_frame", pa.int64()), ("end_frame", pa.int64()),
        ("num_frames", pa.int64()), ("fps", pa.float64()), ("width", pa.int64()), ("height", pa.int64()),
        ("metadata", pa.string()),
    ]
)  # fmt: skip
_FUNNEL = {
    "found": "videos found",
    "duplicate_videos": "videos that are copies",
    "curated": "videos curated",
    "clips": "clips found",
    "duplicate_clips": "clips that are copies",
    "kept": "clips kept",
}
"""Counts of the funnel that the dataset card shows, and how it names them."""
_BYTES_AND_PATH = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _vectors(rows: pa.Table) -> Sequence[pa.Field]:
    """The embeddings of a plan."""
    found = (field for field in rows.schema if field.name.startswith(EMBEDDING))
    return [pa.field("embedding_" + one.name.removeprefix(EMBEDDING), one.type) for one in found]


def _facts(row: Row) -> dict[str, Any]:
    """The values of a row beside its video."""
    vectors = {
        "embedding_" + name.removeprefix(EMBEDDING): value
        for name, value in row.items()
        if name.startswith(EMBEDDING)
    }
    return {
        **{name: row[name] for name in _FACTS.names if name not in ("metadata", "fps")},
        "fps": row["fps"] or row["framerate"],
        "caption": row["caption"] or None,
        "metadata": row["meta"],
        **vectors,
    }


def _groups(job: ShardJob, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yields the rows of a shard with their videos, some 64 MB at a time."""
    rows: list[dict[str, Any]] = []
    size = 0
    for row, video, num_bytes in _videos(job, schema):
        rows.append({**_facts(row), "video": video})
        size += num_bytes
        if size >= _GROUP_BYTES:
            yield pa.Table.from_pylist(rows, schema=schema)
            rows, size = [], 0
    if rows:
        yield pa.Table.from_pylist(rows, schema=schema)


def _videos(job: ShardJob, schema: pa.Schema) -> Iterator[tuple[Row, object, int]]:
    """Yields each row with its video in the type of the schema: bytes, bytes with a path, or a URI."""
    if job.spec.videos == "uri":
        for batch in job.rows.to_batches():
            for row in batch.to_pylist():
                yield row, layout.join(job.clips.output, row["clip_uri"]), 0
        return
    is_struct = pa.types.is_struct(schema.field("video").type)
    for row, path in job.samples():
        with open(path, "rb") as file:
            data = file.read()
        name = f"{row['sample_id']}{suffix_of(row)}"
        yield row, {"bytes": data, "path": name} if is_struct else data, len(data)


class HuggingFace:
    """``data/<part>-<bucket>-<n>.parquet`` and ``README.md``, the dataset card."""

    def write(self, job: ShardJob) -> Receipt:
        """Writes the parquet of a shard."""
        schema = _hf_schema(job)
        path = f"data/{job.shard.part}-{job.shard.bucket}-{job.shard.index:05d}.parquet"

        def fill(file: BinaryIO) -> None:
            with pq.ParquetWriter(file, schema, version="2.6", compression="zstd") as writer:
                for table in _groups(job, schema):
                    writer.write_table(table)

        licences = Counter(_licence(row) for row in job.rows.select(["meta"]).to_pylist())
        return Receipt({path: job.write(path, fill)}, {"licences": dict(sorted(licences.items()))})

    def finish(self, job: FinishJob) -> Sequence[str]:
        """Writes the dataset card."""
        job.put("README.md", _card(job).encode())
        return [f'datasets.load_dataset("{job.dest}")']


def _hf_schema(job: ShardJob) -> pa.Schema:
    is_uri = job.spec.videos == "uri"
    schema = pa.schema(
        [*_FACTS, pa.field("video", pa.string() if is_uri else _BYTES_AND_PATH), *_vectors(job.rows)]
    )
    features = {field.name: _feature(field) for field in schema}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _feature(field: pa.Field) -> Mapping[str, object]:
    """How ``datasets`` names a column's type."""
    kind = field.type
    if field.name == "video" and pa.types.is_struct(kind):
        return {"_type": "Video"}
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        length = kind.list_size if pa.types.is_fixed_size_list(kind) else -1
        return {"feature": {"dtype": "float32", "_type": "Value"}, "length": length, "_type": "List"}
    names = {pa.string(): "string", pa.int64(): "int64", pa.float64(): "float64"}
    return {"dtype": names[kind], "_type": "Value"}


def _licence(row: Row) -> str:
    clip = json.loads(row["meta"])["clip"]
    return str(clip.get("source.licence") or clip.get("source.license") or "not stated")


def _card(job: FinishJob) -> str:
    """The dataset card: how it was made, what it holds, licences, models."""
    parts = sorted(job.by_part())
    licences = Counter[str]()
    for receipt in job.receipts:
        licences.update(receipt.facts["licences"])
    funnel = cast("Mapping[str, Any]", job.snapshot.manifest["funnel"])
    counts = [(label, funnel[name]["items"]) for name, label in _FUNNEL.items() if name in funnel]
    models = [
        f"| {one['stage']} | {one['name']} | {one['licence'] or 'unknown'} |"
        for one in job.snapshot.manifest.get("models", ())
    ]
    return _CARD.format(
        files="\n".join(f'      - split: {part}\n        path: "data/{part}-*"' for part in parts),
        snapshot=job.snapshot.snapshot_id,
        samples="\n".join(_bucket_rows(job)),
        funnel=_count_rows(counts),
        licences=_count_rows(sorted(licences.items())),
        models="\n".join(models) or "| none | | |",
        skipped=_count_rows(job.plan.generations[-1].skipped.items()) or "| none | |",
    )


def _count_rows(counts: Iterable[tuple[str, int]]) -> str:
    return "\n".join(f"| {_cell(name)} | {count:,} |" for name, count in counts)


def _cell(text: str) -> str:
    """A text that ends neither its cell nor its row."""
    return " ".join(text.split()).replace("|", r"\|")


def _bucket_rows(job: FinishJob) -> Iterator[str]:
    for part, bucket in sorted({(shard.part, shard.bucket) for shard in job.plan.shards}):
        own = [shard for shard in job.plan.shards if (shard.part, shard.bucket) == (part, bucket)]
        samples, frames = (sum(getattr(one, n) for one in own) for n in ("num_samples", "num_frames"))
        hours = sum(one.seconds for one in own) / 3600
        yield f"| {part} | {bucket} | {samples:,} | {hours:.2f} | {frames:,} |"


_CARD = """\
---
configs:
  - config_name: default
    data_files:
{files}
task_categories:
  - text-to-video
---

# Video clips

Exported from snapshot `{snapshot}` of a clipmill output.

| part | bucket | samples | hours | frames |
|---|---|---|---|---|
{samples}

## How it was made

| step | number |
|---|---|
{funnel}

| left out of this export | number |
|---|---|
{skipped}

## Licences of the sources

| licence | samples |
|---|---|
{licences}

## Models

| stage | model | licence |
|---|---|---|
{models}
"""


class Lance:
    """One Lance dataset, ``data.lance``: each shard is a fragment, and the last step commits all of them."""

    def __init__(self) -> None:
        os.environ.setdefault("LANCE_LOG", "error")  # it warns of each new dataset that it is new
        try:
            self._lance: Any = importlib.import_module("lance")
        except ImportError as error:
            raise SpecError("lance is not installed: pip install 'clipmill[lance]'") from error

    def write(self, job: ShardJob) -> Receipt:
        """Writes the fragment of a shard."""
        schema = _lance_schema(job)
        reader = pa.RecordBatchReader.from_batches(
            schema, (batch for table in _groups(job, schema) for batch in table.to_batches())
        )
        fragments = self._lance.fragment.write_fragments(reader, _lance_uri(job.dest), schema=schema)
        return Receipt({}, {"fragments": [one.to_json() for one in fragments], "schema": _as_text(schema)})

    def finish(self, job: FinishJob) -> Sequence[str]:
        """Commits the fragments as the dataset's newest version."""
        uri = _lance_uri(job.dest)
        schema = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(job.receipts[0].facts["schema"])))
        known = [text for receipt in job.receipts for text in receipt.facts["fragments"]]
        fragments = [self._lance.FragmentMetadata.from_json(json.dumps(_parsed(one))) for one in known]
        operation = self._lance.LanceOperation.Overwrite(schema, fragments)
        self._lance.LanceDataset.commit(uri, operation)
        return [f'lance.dataset("{uri}")']


def _parsed(fragment: object) -> object:
    return json.loads(fragment) if isinstance(fragment, str) else fragment


def _as_text(schema: pa.Schema) -> str:
    return schema.serialize().to_pybytes().hex()


def _lance_uri(dest: str) -> str:
    return layout.join(store.normalise(dest), _LANCE)


def _lance_schema(job: ShardJob) -> pa.Schema:
    """The video comes last: fields behind a blob have other numbers in a fragment than in the dataset."""
    is_uri = job.spec.videos == "uri"
    blob = pa.field("video", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    return pa.schema([*_FACTS, *_vectors(job.rows), pa.field("video", pa.string()) if is_uri else blob])
