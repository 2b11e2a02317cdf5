"""A whole run, as ``Pipeline.run`` does it, and what each operator took of it with its codec processes."""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Literal
from unittest import mock

import av
import pyarrow as pa

from bench.films import with_keys_every
from bench.process_meter import cpu_s, timed
from bench.scan_parts import decode_s
from clipmill.engine import run
from clipmill.engine.chunk import Chunk
from clipmill.engine.run import run_graph
from clipmill.engine.work import Work
from clipmill.machine import ClusterSize
from clipmill.pipeline import Pipeline
from clipmill.planning.plan import Plan
from clipmill.specs import SplitSpec
from clipmill.stages.base import Column, Grain, Rule, Stage, StageContext, Worker
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.motion_filter import MotionFilterStage, MotionVectorDecodeStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.stages.video.preview.preview import PreviewStage


@dataclass(frozen=True)
class RunKind:
    """Which run is measured."""

    encoder: Literal["copy", "smart", "libx264"]
    has_previews: bool
    split: Literal["content", "fixed_stride"] = "content"
    key_every_s: float | None = None
    """Only over films that have a key picture that often."""
    drops_every: int = 0
    """One clip in so many is rejected by a filter, before it would be cut; 0 for none."""

    @property
    def name(self) -> str:
        """As the table has it."""
        name = f"{self.encoder}, previews {'on' if self.has_previews else 'off'}, {self.split}"
        if self.drops_every:
            name += f", one clip in {self.drops_every} rejected"
        return f"{name}, key every {self.key_every_s:g} s" if self.key_every_s else name

    def films(self, films: Sequence[str]) -> list[str]:
        """Those of ``films`` that it is measured on."""
        return with_keys_every(self.key_every_s, films) if self.key_every_s else list(films)


@dataclass(frozen=True)
class Kept:
    """The span of a clip that no filter rejected, in seconds, and whether it was copied."""

    film: str
    start_s: float
    end_s: float
    is_copied: bool

    @property
    def length_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class RunCost:
    """One run in a fresh process, in CPU seconds but for the wall clock.

    ``video_s`` is the length of the films, ``decode_s`` bare decode of them, the mean of before and after.
    ``start_up_s`` is what the process took until a first run on tiny films was done, ``fixed_s`` what a
    second such run took; ``run_s`` is without it.
    """

    video_s: float
    decode_s: float
    start_up_s: float
    fixed_s: float
    run_s: float
    wall_s: float
    kept: tuple[Kept, ...]
    operators: dict[str, float]

    @property
    def kept_s(self) -> float:
        """Seconds of video in the clips."""
        return sum(clip.length_s for clip in self.kept)

    @property
    def copied_s(self) -> float:
        """Seconds of video in those clips that were not encoded."""
        return sum(clip.length_s for clip in self.kept if clip.is_copied)


def run_cost(kind: RunKind, films: Sequence[str], tiny: Sequence[str]) -> RunCost:
    """Measure one run; for a process of its own."""
    logging.getLogger("clipmill").setLevel(logging.ERROR)  # small films make previews warn
    if not any(_run(kind, tiny)):
        raise RuntimeError(f"a run over {tiny} gave no clip: what it costs says nothing")
    start_up_s = cpu_s()
    with timed() as fixed:
        _run(kind, tiny)
    before_s = decode_s(films)
    meter: defaultdict[str, float] = defaultdict(float)
    with timed() as taken, mock.patch.object(run, "run_graph", partial(_noted, meter)):
        kept = _run(kind, films)
    return RunCost(
        video_s=sum(map(_video_s, films)),
        decode_s=(before_s + decode_s(films)) / 2,
        start_up_s=start_up_s,
        fixed_s=fixed[0],
        run_s=taken[0] - fixed[0],
        wall_s=taken[1],
        kept=kept,
        operators=dict(meter),
    )


def _run(kind: RunKind, films: Sequence[str]) -> tuple[Kept, ...]:
    """Run over the films; the spans of the clips that they gave."""
    with TemporaryDirectory() as folder:
        tasks = pipeline(kind, films, Path(folder)).run()
    return tuple(
        Kept(clip.source_video, *clip.span, is_copied=clip.file is not None and clip.file.clip_mode == "copy")
        for task in tasks
        for clip in task.data.clips
    )


def _video_s(film: str) -> float:
    with av.open(film) as container:
        return (container.duration or 0) / av.time_base


class DropEvery(Stage):
    """A filter that rejects every so many-th clip, whatever it shows."""

    name: ClassVar[str] = "drop_every"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (Column("is_its_turn", pa.bool_(), "true for a rejected clip"),)

    every: int = 3

    def rules(self) -> tuple[Rule, ...]:
        """See ``Stage``."""
        return (Rule("is_its_turn", "its_turn", equals=(True,)),)

    def open(self, context: StageContext) -> Worker:
        """Returns a worker that counts."""
        del context
        numbers = count(1)
        return lambda batch: {"is_its_turn": [next(numbers) % self.every == 0 for _ in batch.items]}


def pipeline(kind: RunKind, films: Sequence[str], folder: Path) -> Pipeline:
    """NeMo Curator's stages over a list of films, with results below ``folder``."""
    listed = folder / "films.json"
    listed.write_text(json.dumps(list(films)))
    root = os.path.commonpath([os.path.dirname(film) for film in films])
    stages: list[object] = [
        VideoReader(input_video_path=root, input_list_json_path=str(listed)),
        SplitSpec(algorithm=kind.split).extractor,
        MotionVectorDecodeStage(),
        MotionFilterStage(score_only=True),
        QualityFilterStage(),
        *([DropEvery(every=kind.drops_every)] if kind.drops_every else []),
        ClipTranscodingStage(encoder=kind.encoder),
        PerceptualEmbeddingStage(),
        *([PreviewStage()] if kind.has_previews else []),
        ClipWriterStage(
            output_path=str(folder / "curated"),
            input_path=root,
            upload_clips=True,
            dry_run=False,
            generate_embeddings=True,
            generate_previews=kind.has_previews,
            generate_captions=False,
        ),
    ]
    return Pipeline(kind.name, stages=stages)


def _noted(
    meter: defaultdict[str, float],
    items: Sequence[Work],
    plan: Plan,
    *,
    engine: run.Engine,
    known: Mapping[str, Mapping[str, pa.Table]],
    notes_uri: str,
    grows_to: ClusterSize | None,
) -> Iterator[Chunk]:
    """A run whose laps, each measured in its worker with its codec process, are added up by operator."""
    for chunk in run_graph(items, plan, engine=engine, known=known, notes_uri=notes_uri, grows_to=grows_to):
        for lap in chunk.metrics:
            meter[lap.operator] += lap.cpu_s
        yield chunk
