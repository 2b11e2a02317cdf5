"""The cut operator: only the spans that passed become files, decoded again from the keyframe before each."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from clipmill import identity, layout
from clipmill.errors import ClipmillError
from clipmill.media.child import CodecChild
from clipmill.media.contracts import CutClip
from clipmill.media.cut import cut_clips
from clipmill.plan import RunPlan
from clipmill.records import ClipReason, ClipSpan, WorkItem
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.storage import store
from clipmill.streaming.customs import Customs
from clipmill.streaming.operators import reject_clip
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.video import Clip

ENCODE_S_PER_MEGAPIXEL_FRAME = 2.0
"""Generous: x264's slow presets on a shared core stay below."""


class Cutter:
    """Cuts, stores and describes the clips of a parcel. A clip that cannot be cut fails alone.

    Without an ``output`` the clips stay in ``Clip.buffer``.
    """

    name = "cut"

    def __init__(self, plan: RunPlan, output: str | None) -> None:
        self._plan = plan
        self._output = output
        self._child = CodecChild(memory_limit_bytes=plan.limits.max_child_bytes)
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Cut each parcel's clips, if their files are missing."""
        for parcel in parcels:
            watch = Stopwatch(self.name, parcel.item.video_id, self._child)
            if self._plan.transcode and parcel.item.missing & {"encode", "encode_filtered"}:
                self._cut(parcel, self._plan.transcode)
            yield self._customs(parcel).measured(
                watch.lap(parcel.task.data.clip_chunk_index, detail="second pass over kept spans")
            )

    def _cut(self, parcel: Parcel, spec: ClipTranscodingStage) -> None:
        video = parcel.task.data
        wanted = {clip.place.clip_id: clip for clip in video.clips if clip.place}
        with tempfile.TemporaryDirectory(prefix="clipmill-cut-") as out_dir:
            places = [clip.place for clip in wanted.values() if clip.place]
            for cut in self._cut_all(parcel.item, places, spec, out_dir):
                clip = wanted[cut.clip_id]
                if cut.path:
                    self._store(clip, cut)
                else:
                    reject_clip(video, clip, ClipReason.ENCODE_FAILED, stage="encode", message=cut.message)
            if "encode_filtered" in parcel.item.missing:
                self._store_filtered(parcel.item, video.filtered_clips, spec, out_dir)

    def _cut_all(
        self, item: WorkItem, places: list[ClipSpan], spec: ClipTranscodingStage, out_dir: str
    ) -> list[CutClip]:
        """All clips in one child call; when that dies, clip by clip, so that one cannot cost the others."""
        if not places:
            return []
        try:
            return self._cut_in_child(item, places, spec, out_dir)
        except ClipmillError as error:
            if len(places) > 1:
                return [cut for place in places for cut in self._cut_all(item, [place], spec, out_dir)]
            return [CutClip(places[0].clip_id, path="", message=f"{item.source.uri}: {error}")]

    def _cut_in_child(
        self, item: WorkItem, places: list[ClipSpan], spec: ClipTranscodingStage, out_dir: str
    ) -> list[CutClip]:
        limits = self._plan.limits
        megapixels = item.facts.width_px * item.facts.height_px / 1e6
        frames = sum(place.frames.num_frames for place in places)
        return self._child.run(
            cut_clips,
            item.source.uri,
            places,
            spec,
            out_dir=out_dir,
            min_length_s=self._min_length_s,
            repaired_times=item.repaired_times,
            timeout_s=limits.decode_timeout_s + megapixels * frames * ENCODE_S_PER_MEGAPIXEL_FRAME,
            stall_s=limits.decode_stall_s,
        )

    @property
    def _min_length_s(self) -> float:
        extractor = self._plan.extractor
        if isinstance(extractor, FixedStrideExtractorStage):
            return extractor.min_clip_length_s
        return extractor.min_length_s or 0.0

    def _store(self, clip: Clip, cut: CutClip, *, filtered: bool = False) -> None:
        suffix = cut.path[cut.path.rindex(".") :]
        relative = layout.clip_path("", cut.clip_id, filtered=filtered, suffix=suffix).lstrip("/")
        data = Path(cut.path).read_bytes()
        clip.file_digest = identity.bytes_digest(data)
        clip.file = replace(cut, path=relative)
        if self._plan.transcode:
            self._plan.transcode.log().debug(
                "%s: %s, %d bytes %s", clip.uuid, cut.clip_mode, cut.num_bytes, cut.mode_reason
            )
        if self._output is None:
            clip.buffer = data
        else:
            store.put_file(layout.join(self._output, relative), cut.path)

    def _store_filtered(
        self, item: WorkItem, clips: Sequence[Clip], spec: ClipTranscodingStage, out_dir: str
    ) -> None:
        wanted = {clip.place.clip_id: clip for clip in clips if clip.place}
        places = [clip.place for clip in wanted.values() if clip.place]
        for cut in self._cut_all(item, places, spec, out_dir):
            if cut.path:
                self._store(wanted[cut.clip_id], cut, filtered=True)
