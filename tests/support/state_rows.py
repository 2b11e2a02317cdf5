"""Builders of small states by hand: what a streaming run would have left."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from clipmill import identity
from clipmill.base_columns import DUPLICATES
from clipmill.dataset.collect import Collection
from clipmill.dataset.publish import Guard, PublishOptions, publish
from clipmill.dataset.run_record import RunRecord
from clipmill.outcomes.funnel import Funnel
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan, FrameSpan, SourceFile
from clipmill.specs import CurateSpec
from clipmill.state.part_file import outcome_of
from clipmill.state.schema import INSPECT_STATE, SPLIT_STATE, schema_of
from clipmill.state.store import ResultStore
from tests.support.whole_tables import collect

FPS = 25
Row = dict[str, object]
SPLIT_DEFAULTS: Row = {
    "is_partial": False, "partial_reason": "", "is_vfr": False, "time_base": "1/25", "detector": "content",
    "audio_digest": None,
}  # fmt: skip
SCORES: Row = {
    "sharpness": 5.0, "exposure": 0.5, "colourfulness": 20.0, "blockiness": 1.0, "black_ratio": 0.0,
    "frozen_ratio": 0.0, "letterbox_ratio": 0.0, "text_likeness": 0.0,
}  # fmt: skip


def span(start: int, end: int) -> Row:
    """Frames and times of a half-open run of frames at 25 a second."""
    return {
        "start_frame": start, "end_frame": end, "start_pts": start, "end_pts": end, "start_s": start / FPS,
        "end_s": end / FPS,
    }  # fmt: skip


@dataclass
class Project:
    """A source and an output in which every step is one call; rows go to the real state."""

    folder: Path
    spec: CurateSpec = field(default_factory=CurateSpec)
    sources: list[SourceFile] = field(default_factory=list)
    spans: dict[str, ClipSpan] = field(default_factory=dict)
    _planned: tuple[CurateSpec, Plan] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def output(self) -> str:
        return str(self.folder / "out")

    @property
    def plan(self) -> Plan:
        """The plan of the spec; made anew where the spec is another one."""
        if self._planned is None or self._planned[0] is not self.spec:
            plan = plan_of_spec(self.spec, source=str(self.folder / "films"), output=self.output)
            self._planned = self.spec, plan
        return self._planned[1]

    def put(self, key: str, **row: object) -> None:
        """Put one row of a stage: a result unless it says otherwise."""
        plan = self.plan
        is_split = key == plan.extractor.key
        node = plan.extractor if is_split else plan.by_key[key]
        schema = SPLIT_STATE if is_split else schema_of(node)
        values = {"outcome": "result", **row}
        assert set(values) <= set(schema.names)
        table = pa.Table.from_pylist([values], schema=schema)
        ResultStore(self.output).append(key, node.digest, table, run_id="0")

    def put_windows(self, key: str, clip: str, **values: object) -> None:
        """Put one row for each window of a clip."""
        for window in self.plan.windows_of(self.spans[clip]):
            start, end = window.start_frame, window.end_frame
            row = {"id": identity.window_id(clip, start, end), "clip_id": clip, **values}
            self.put(key, start_frame=start, end_frame=end, **row)

    def find(self, name: str) -> SourceFile:
        """List a source that no run has looked into."""
        uri = str(self.folder / "films" / name)
        source = SourceFile(uri, 1000, identity.source_version(uri, 1000, "1"))
        self.sources.append(source)
        return source

    def inspect(self, name: str, *, video_id: str | None = None, **row: object) -> str:
        """A readable source of 10 s; returns its video id."""
        source = self.find(name)
        facts: Row = {
            "container": "mp4", "video_codec": "h264", "pixel_format": "yuv420p", "width": 640, "height": 360,
            "rotation_deg": 0, "sar": "1", "framerate": "25", "time_base": "1/25", "duration_s": 10.0,
            "num_frames": 250, "bit_rate_k": 800,
        }  # fmt: skip
        video = video_id or f"id-{name}"
        found = {"id": source.source_version, "uri": source.uri, "video_id": video, **facts, **row}
        found = {"outcome": outcome_of(found.get("reason")), **found}
        digest = self.plan.digests()["inspect"]
        ResultStore(self.output).append_records("inspect", digest, [found], schema=INSPECT_STATE, run_id="0")
        return video

    def split(
        self, video: str, clips: list[tuple[int, int]], *, frames: int = 250, **row: object
    ) -> list[str]:
        """One shot over the whole video, cut into ``clips``; returns the clip ids."""
        ids = [identity.clip_id(video, start, end) for start, end in clips]
        rows = [
            {"clip_id": clip, "shot_index": 0, **span(*frames)}
            for clip, frames in zip(ids, clips, strict=True)
        ]
        for clip, (start, end) in zip(ids, clips, strict=True):
            place = FrameSpan(start, end)
            self.spans[clip] = ClipSpan(clip, place, start, end, start / FPS, end / FPS, shot_index=0)
        edges = sorted({0, frames, *(edge for clip in clips for edge in clip)})
        outside = [
            (start, end)
            for start, end in pairwise(edges)
            if not any(first <= start and end <= last for first, last in clips)
        ]
        dropped = [{"start_s": start / FPS, "end_s": end / FPS, "cause": "cropped"} for start, end in outside]
        values: Row = {
            "id": video, "content_digest": f"cd1:{video}", "num_frames": frames, "duration_s": frames / FPS,
            "shots": [span(0, frames)], "clips": rows, "dropped": dropped, **SPLIT_DEFAULTS,
        }  # fmt: skip
        self.put(self.plan.extractor.key, **{**values, **row})
        return ids

    def finish(
        self,
        clip: str,
        *,
        motion: float = 0.1,
        vector: tuple[float, ...] = (1.0, 0.0),
        sound: str = "none",
        but: str = "",
        **scores: float,
    ) -> None:
        """All rows of a clip that the default spec expects, without those of the stage ``but``."""
        rows: dict[str, Row] = {
            "motion": {"motion_global_mean": motion, "motion_per_patch_min_256": motion},
            "quality": {**SCORES, **scores},
            "encode": {
                "clip_uri": f"clips/{clip}.mp4", "clip_digest": "d", "clip_mode": "encode", "mode_reason": "",
                "file_start_s": 0.0, "width": 640, "height": 360, "framerate": 25.0, "num_frames": 100,
                "num_bytes": 5000, "video_codec": "h264", "has_audio": sound != "none", "audio_status": sound,
            },
            "embedding": {"embedding": list(vector), "embedding_algorithm": "perceptual"},
        }  # fmt: skip
        for key, row in rows.items():
            if key != but:
                self.put(key, id=clip, **row)
        if but != "preview":
            self.put_windows("preview", clip, preview_uri=f"previews/{clip}/0_99.webp")

    def curate(
        self, name: str, clips: list[tuple[int, int]] | None = None, *, but: str = "", **row: object
    ) -> list[str]:
        """A video that went through everything, or all ``but`` one stage; returns its clip ids."""
        ids = self.split(self.inspect(name), clips or [(0, 100), (100, 250)], **row)
        for clip in ids:
            self.finish(clip, but=but)
        return ids

    def publish(
        self,
        run_id: str = "r1",
        *,
        duplicates: pa.Table | None = None,
        guard: Guard | None = None,
        **options: bool | int,
    ) -> Funnel:
        """Publish what the state knows; ``options`` as in ``PublishOptions``."""
        times = {"started_at": "2026-01-01T00:00:00Z", "finished_at": f"2026-01-01T00:01:0{run_id[-1]}Z"}
        return publish(
            self.output,
            plan=self.plan,
            sources=self.sources,
            run=RunRecord(run_id, **times),
            duplicates=duplicates,
            options=PublishOptions(**options),
            guard=guard or Guard(),
        )

    def collect(self) -> Collection:
        return collect(self.output, plan=self.plan, sources=self.sources)


def semantic(*pairs: tuple[str, str]) -> pa.Table:
    """The duplicates table of clips that repeat another."""
    rows = [
        {"clip_id": clip, "duplicate_of": other, "group_id": "g", "similarity": 0.99, "scope": "clip"}
        for clip, other in pairs
    ]
    return pa.Table.from_pylist(rows, schema=DUPLICATES)
