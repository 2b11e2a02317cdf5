"""Folders of videos for trainers that read files: LTX, musubi-tuner, diffusion-pipe and Cosmos-Predict2.

What each expects was read in its own sources; docs/export.md names them with dates.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from shlex import quote
from typing import Any

from clipmill.export.clip_files import suffix_of
from clipmill.export.job import FinishJob, Receipt, ShardJob
from clipmill.storage import store

_SIDE_PX = 32
"""diffusion-pipe rounds sizes to it."""


@dataclass(frozen=True)
class Placed:
    """A sample that was written: its video below the part's folder, and what lists of samples need."""

    video: str
    caption: str
    num_frames: int
    rate: float
    width: int
    height: int


@dataclass(frozen=True)
class Folders:
    """Videos in a folder for each part, and beside them what one trainer reads.

    ``texts`` is where each video has a file with its text, by sample id; empty without. ``finished`` writes
    the lists and configurations, and returns lines that tell how they are read.
    """

    finished: Callable[[FinishJob], Sequence[str]]
    texts: str = ""

    def write(self, job: ShardJob) -> Receipt:
        """Writes the videos of a shard, and their texts; the receipt lists the samples in their order."""
        files: dict[str, int] = {}
        placed: list[Mapping[str, Any]] = []
        for row, path in job.samples():
            name = f"videos/{row['sample_id']}{suffix_of(row)}"
            files[f"{job.shard.part}/{name}"] = job.put(f"{job.shard.part}/{name}", path)
            if self.texts and row["caption"]:
                text = f"{job.shard.part}/{self.texts.format(row['sample_id'])}"
                files[text] = job.put(text, row["caption"].encode())
            rate = row["framerate"] if row["is_whole"] or row["fps"] is None else row["fps"]
            own = Placed(name, row["caption"], row["num_frames"], rate, row["width"], row["height"])
            placed.append(asdict(own))
        return Receipt(files, {"samples": placed})

    def finish(self, job: FinishJob) -> Sequence[str]:
        """Writes what names the videos of each part."""
        return self.finished(job)


def _samples(job: FinishJob) -> Iterator[tuple[str, list[Placed]]]:
    """Yields each part with its samples in order."""
    for part, shards in sorted(job.by_part().items()):
        yield part, [Placed(**one) for _, receipt in shards for one in receipt.facts["samples"]]


def _json_lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _root(job: FinishJob, part: str) -> str:
    """The folder of a part, as its trainer finds it: a remote export is copied, and read from its folder."""
    return f"{job.dest}/{part}" if store.is_local(job.dest) else "."


def _quoted(text: str) -> str:
    """A text as TOML has it: JSON's escapes are among its own."""
    return json.dumps(text, ensure_ascii=False)


def ltx(job: FinishJob) -> Sequence[str]:
    """Writes the list of each part; returns the resolution buckets of its samples.

    ``dataset.jsonl`` with ``video`` and ``caption``; paths are relative to that file.
    """
    lines: list[str] = []
    for part, samples in _samples(job):
        rows = [{"video": one.video, "caption": one.caption} for one in samples]
        job.put(f"{part}/dataset.jsonl", _json_lines(rows))
        buckets = Counter((one.width, one.height, one.num_frames) for one in samples)
        names = ";".join("x".join(map(str, bucket)) for bucket, _ in buckets.most_common())
        lines.append(f'{quote(f"{job.dest}/{part}/dataset.jsonl")} --resolution-buckets "{names}"')
    return lines


def musubi(job: FinishJob) -> Sequence[str]:
    """Writes ``dataset.toml`` of each part, and a JSONL with ``video_path`` and ``caption`` for each rate.

    musubi-tuner opens ``video_path`` as it stands, so that it is the whole path.
    """
    rule = job.plan.spec.frame_rule
    for part, samples in _samples(job):
        root = _root(job, part)
        tables = [_MUSUBI_GENERAL.format(*_common_size(samples))]
        for rate in sorted({one.rate for one in samples}):
            own = [one for one in samples if one.rate == rate]
            name = f"fps_{_number(rate)}"
            rows = [{"video_path": f"{root}/{one.video}", "caption": one.caption} for one in own]
            job.put(f"{part}/{name}.jsonl", _json_lines(rows))
            lengths = _lengths(own, has_counts=rule is not None and bool(rule.counts))
            file, cache = _quoted(f"{root}/{name}.jsonl"), _quoted(f"{root}/cache_{name}")
            tables.append(_MUSUBI_DATASET.format(file, cache, _number(rate), lengths))
        job.put(f"{part}/dataset.toml", "\n".join(tables).encode())
    return [f"--dataset_config {quote(f'{job.dest}/{part}/dataset.toml')}" for part in sorted(job.by_part())]


def _lengths(samples: Sequence[Placed], *, has_counts: bool) -> str:
    """Which frames musubi-tuner takes: the listed numbers, or as many as 4n+1 allows."""
    counts = sorted({one.num_frames for one in samples})
    if has_counts:
        return f'frame_extraction = "head"\ntarget_frames = {counts}'
    return f'frame_extraction = "full"\nmax_frames = {counts[-1]}'


_MUSUBI_GENERAL = """\
[general]
resolution = [{}, {}]
batch_size = 1
enable_bucket = true
bucket_no_upscale = true
"""
_MUSUBI_DATASET = """\
[[datasets]]
video_jsonl_file = {}
cache_directory = {}
source_fps = {}
{}
"""


def _number(rate: float) -> str:
    """A decimal number: musubi-tuner takes no whole one."""
    return str(round(float(rate), 3))


def _common_size(samples: Sequence[Placed]) -> tuple[int, int]:
    """The size that most samples have; of equals the larger."""
    counts = Counter((one.width, one.height) for one in samples)
    return max(counts, key=lambda size: (counts[size], size))


def diffusion_pipe(job: FinishJob) -> Sequence[str]:
    """Writes the configuration of each part.

    A folder of videos with texts of the same names, and ``dataset.toml``.
    """
    lines: list[str] = []
    for part, samples in _samples(job):
        lines.append(f"dataset = {_quoted(f'{job.dest}/{part}/dataset.toml')}")
        ratios = [one.width / one.height for one in samples]
        side = min(math.isqrt(one.width * one.height) for one in samples) // _SIDE_PX * _SIDE_PX
        frames = sorted({1, *(one.num_frames for one in samples)})
        config = _DIFFUSION_PIPE.format(
            side=max(side, _SIDE_PX), least=min(ratios), most=max(ratios), frames=frames,
            videos=_quoted(f"{_root(job, part)}/videos"),
        )  # fmt: skip
        job.put(f"{part}/dataset.toml", config.encode())
    return lines


_DIFFUSION_PIPE = """\
resolutions = [{side}]
enable_ar_bucket = true
min_ar = {least:.3f}
max_ar = {most:.3f}
num_ar_buckets = 7
frame_buckets = {frames}
skip_empty_caption = false

[[directory]]
path = {videos}
num_repeats = 1
"""


def cosmos(job: FinishJob) -> Sequence[str]:
    """Returns how the text embeddings of each part are made.

    ``videos/`` and ``metas/``: a text of the same name for each video.
    """
    return [
        f"python -m scripts.get_t5_embeddings --dataset_path {quote(f'{job.dest}/{part}')}"
        for part in sorted(job.by_part())
    ]
