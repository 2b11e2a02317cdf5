"""Tar files for WebDataset: ``<part>/<bucket>/000000.tar``, and an index for wids beside them.

Members of a sample are adjacent: ``<id>.mp4``, ``.json``, ``.txt``, ``.<model>.npy``. With the buckets of
cosmos-curate the same samples lie in three trees, ``video``, ``metas`` and ``t5_xxl``.
"""

import io
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO

import numpy as np

from clipmill import layout
from clipmill.export.clip_files import Row, named_missing, suffix_of
from clipmill.export.job import FinishJob, Receipt, ShardJob
from clipmill.export.record import Shard
from clipmill.export.sample_rows import ARTIFACT, EMBEDDING
from clipmill.export.tar_file import Member, end_tar, write_tar
from clipmill.storage import store

_TREES = ("video", "metas", "t5_xxl")
_TARS_PER_FOLDER = 1000


class WebDataset:
    """One tar for each shard."""

    def write(self, job: ShardJob) -> Receipt:
        """Writes the tar of a shard, or the three of cosmos."""
        trees = _TREES if job.spec.buckets == "cosmos" else ("",)
        files = {tar_path(job.shard, tree): 0 for tree in trees}
        for path, tree in zip(files, trees, strict=True):
            files[path] = job.write(path, partial(_fill, job, tree))
        return Receipt(files, {"num_samples": job.shard.num_samples})

    def finish(self, job: FinishJob) -> Sequence[str]:
        """Writes an index for wids into each folder of tars."""
        folders: defaultdict[str, list[Mapping[str, object]]] = defaultdict(list)
        for receipt in job.receipts:
            for path, size in receipt.files.items():
                folder, _, name = path.rpartition("/")
                entry = {"url": name, "nsamples": receipt.facts["num_samples"], "filesize": size}
                folders[folder].append(entry)
        for folder, shards in sorted(folders.items()):
            index = {
                "__kind__": "wids-shard-index-v1",
                "wids_version": 1,
                "name": folder,
                "shardlist": sorted(shards, key=lambda one: str(one["url"])),
            }
            job.put(f"{folder}/index.json", (json.dumps(index, indent=1) + "\n").encode())
        return [_reading(job.dest, folder, len(shards)) for folder, shards in sorted(folders.items())]


def tar_path(shard: Shard, tree: str) -> str:
    """Returns the place of a shard's tar, below the destination."""
    if not tree:
        return f"{shard.stem}.tar"
    folder, name = divmod(shard.index, _TARS_PER_FOLDER)
    return f"{shard.part}/{shard.bucket}/{tree}/part_{folder:06d}/{name:06d}.tar"


def _reading(dest: str, folder: str, num_tars: int) -> str:
    return f'webdataset.WebDataset("{dest}/{folder}/{{000000..{num_tars - 1:06d}}}.tar")'


def _fill(job: ShardJob, tree: str, file: BinaryIO) -> None:
    if tree in ("metas", "t5_xxl"):
        for batch in job.rows.to_batches(max_chunksize=256):
            for row in batch.to_pylist():
                write_tar(file, [_meta(row) if tree == "metas" else _text_embedding(row, job)])
    else:
        for row, path in job.samples():
            video = Member(f"{row['sample_id']}{suffix_of(row)}", path=path)
            write_tar(file, [video, *([] if tree else _beside(row, job))])
    end_tar(file)


def _meta(row: Row) -> Member:
    return Member(f"{row['sample_id']}.json", row["meta"].encode())


def _text_embedding(row: Row, job: ShardJob) -> Member:
    name = f"{row['sample_id']}.pickle"
    return Member(name, store.read_bytes(layout.join(job.spec.text_embeddings, name)))


def _beside(row: Row, job: ShardJob) -> Iterator[Member]:
    """Yields the members beside the video."""
    yield _meta(row)
    if row["caption"]:
        yield Member(f"{row['sample_id']}.txt", row["caption"].encode())
    for column, value in row.items():
        if value is None:
            continue
        if column.startswith(EMBEDDING):
            model = column.removeprefix(EMBEDDING).replace(".", "_")
            yield Member(f"{row['sample_id']}.{model}.npy", npy_bytes(value))
        elif column.startswith(ARTIFACT):
            yield artifact_member(row, column, job)


def artifact_member(row: Row, column: str, job: ShardJob) -> Member:
    """Returns the file that another stage made for a clip, as ``<id>.<name>.<suffix>``."""
    name = column.removeprefix(ARTIFACT).removesuffix("_uri")
    suffix = os.path.splitext(row[column])[1]
    uri = layout.join(job.clips.output, row[column])
    with named_missing(uri, job.clips.output):
        data = store.read_bytes(uri)
    return Member(f"{row['sample_id']}.{name}{suffix}", data)


def npy_bytes(vector: Sequence[float]) -> bytes:
    """Returns an ``.npy`` file of float32 ``(D,)``."""
    file = io.BytesIO()
    np.save(file, np.array(vector, np.float32), allow_pickle=False)
    return file.getvalue()
