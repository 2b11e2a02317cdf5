"""The cut operator: the spans that passed become files, decoded again from the keyframe before each.

What the scan has cut on the way (``clipmill.streaming.same_pass``) is left as it is.
"""

import tempfile
from collections.abc import Iterator, Sequence

from clipmill.errors import ClipmillError
from clipmill.media.contracts import CutClip
from clipmill.media.cut import cut_clips
from clipmill.media.runner import codec_runner
from clipmill.plan import RunPlan
from clipmill.records import ClipReason, ClipSpan, WorkItem
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.streaming.clip_files import ENCODE_S_PER_MEGAPIXEL_FRAME, keep_clip
from clipmill.streaming.customs import Customs
from clipmill.streaming.operators import reject_clip
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.video import Clip

SECOND_PASS = "second pass over kept spans"


class Cutter:
    """Cuts, stores and describes the clips of a parcel. A clip that cannot be cut fails alone.

    Without an ``output`` the clips stay in ``Clip.buffer``.
    """

    name = "cut"

    def __init__(self, plan: RunPlan, output: str | None) -> None:
        self._plan = plan
        self._output = output
        self._child = codec_runner(plan.limits)
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Cut each parcel's clips, if their files are missing."""
        for parcel in parcels:
            watch = Stopwatch(self.name, parcel.item.video_id, self._child)
            num_cut = 0
            if self._plan.transcode and parcel.item.missing & {"encode", "encode_filtered"}:
                num_cut = self._cut(parcel, self._plan.transcode)
            detail = SECOND_PASS if num_cut else ""
            yield self._customs(parcel).measured(watch.lap(parcel.task.data.clip_chunk_index, detail=detail))

    def _cut(self, parcel: Parcel, spec: ClipTranscodingStage) -> int:
        """Cut what was not cut while the video was scanned; how many clips that were."""
        video = parcel.task.data
        wanted = {clip.place.clip_id: clip for clip in video.clips if clip.place and not clip.file}
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
                return len(places) + len(video.filtered_clips)
            return len(places)

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
        keep_clip(clip, cut, output=self._output, filtered=filtered)
        if self._plan.transcode:
            self._plan.transcode.log().debug(
                "%s: %s, %d bytes %s", clip.uuid, cut.clip_mode, cut.num_bytes, cut.mode_reason
            )

    def _store_filtered(
        self, item: WorkItem, clips: Sequence[Clip], spec: ClipTranscodingStage, out_dir: str
    ) -> None:
        wanted = {clip.place.clip_id: clip for clip in clips if clip.place}
        places = [clip.place for clip in wanted.values() if clip.place]
        for cut in self._cut_all(item, places, spec, out_dir):
            if cut.path:
                self._store(wanted[cut.clip_id], cut, filtered=True)
