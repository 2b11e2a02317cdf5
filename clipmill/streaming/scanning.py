"""The scan operator: one pass over a video, its split, its scores, its verdicts; out come chunks of clips."""

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipmill.errors import (
    CodecChildDied,
    CodecChildTimeout,
    StoreError,
    TransientStoreError,
    UnreadableVideo,
)
from clipmill.media.child import CodecChild
from clipmill.media.contracts import ScanFacts
from clipmill.media.same_pass import SamePassClips, scan_and_cut
from clipmill.media.scan import load_arrays
from clipmill.plan import RunPlan
from clipmill.records import VideoReason, WorkItem
from clipmill.streaming.chunks import chunks_of, empty_task, unscanned_task
from clipmill.streaming.clip_files import ENCODE_S_PER_MEGAPIXEL_FRAME, keep_clip
from clipmill.streaming.customs import Customs
from clipmill.streaming.frame_files import write_video_frames
from clipmill.streaming.makers import Makers
from clipmill.streaming.parcel import Parcel, SplitOutcome
from clipmill.streaming.same_pass import IN_THE_PASS, same_pass
from clipmill.streaming.sampling import scan_plan
from clipmill.streaming.splitting import split_video
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.video import Video

logger = logging.getLogger(__name__)

DECODE_S_PER_MEGAPIXEL_FRAME = 0.25
"""Generous: a slow core decodes a megapixel in about 5 ms; sampling and a shared machine cost more."""

NEEDS_NO_SCAN = frozenset({"encode", "enhance"})
"""What can be made of known spans without looking at the whole video again."""


class Scanner:
    """Takes work items, gives parcels: at least one per video, rejected ones too."""

    name = "scan"

    def __init__(self, plan: RunPlan, makers: Makers) -> None:
        self._plan = plan
        self._network = makers.shot_network(plan)
        self._child = CodecChild(memory_limit_bytes=plan.limits.max_child_bytes)
        self._customs = Customs(plan, self.name)
        self._output = plan.writer.output_path if plan.writer else None

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Scan each video. Its failures are values."""
        for parcel in parcels:
            yield from self._one(parcel.item)

    def _one(self, item: WorkItem) -> Iterator[Parcel]:
        watch = Stopwatch(self.name, item.video_id, self._child)
        if item.clips is not None and item.missing <= NEEDS_NO_SCAN:
            yield Parcel(item, unscanned_task(item, item.clips, self._plan), metrics=(watch.lap(0),))
            return
        self._plan.reader.log().debug("reads %s", described(item))
        with tempfile.TemporaryDirectory(prefix="clipmill-scan-") as spool_dir:
            try:
                facts, cut = self._scan(item, spool_dir)
            except UnreadableVideo as error:
                yield self._rejected(item, VideoReason(error.reason), str(error), watch)
            except StoreError as error:
                yield self._rejected(item, VideoReason.STORE_ERROR, str(error), watch)
            except CodecChildDied as error:
                yield self._rejected(item, VideoReason.DECODER_CRASHED, f"{item.source.uri}: {error}", watch)
            except CodecChildTimeout as error:
                yield self._rejected(item, VideoReason.DECODER_TIMEOUT, f"{item.source.uri}: {error}", watch)
            else:
                yield from self._parcels(item, facts, cut, spool_dir, watch)

    def _scan(self, item: WorkItem, spool_dir: str) -> tuple[ScanFacts, SamePassClips]:
        """One pass, again while its process dies or stalls or the store falters, up to the limit."""
        limits = self._plan.limits
        for attempt in range(1, limits.max_attempts + 1):
            try:
                return self._scan_once(item, spool_dir)
            except (CodecChildDied, CodecChildTimeout, TransientStoreError) as error:
                logger.warning(
                    "%s, attempt %d of %d: %s", item.source.uri, attempt, limits.max_attempts, error
                )
                if attempt == limits.max_attempts:
                    raise
        raise AssertionError("max_attempts is at least 1")

    def _scan_once(self, item: WorkItem, spool_dir: str) -> tuple[ScanFacts, SamePassClips]:
        """One pass, in which clips are cut where that is possible."""
        limits = self._plan.limits
        wanted = same_pass(self._plan, item, out_dir=os.path.join(spool_dir, "clips"))
        return self._child.run(
            scan_and_cut,
            item.source.uri,
            scan_plan(self._plan, item.missing),
            spool_dir,
            wanted,
            limits=limits,
            timeout_s=limits.decode_timeout_s + _expected_s(item, encodes=wanted is not None),
            stall_s=limits.decode_stall_s,
        )

    def _parcels(
        self, item: WorkItem, facts: ScanFacts, cut: SamePassClips, spool_dir: str, watch: Stopwatch
    ) -> Iterator[Parcel]:
        arrays = load_arrays(spool_dir)
        item = replace(item, repaired_times=facts.repaired_times)
        if self._plan.thumbnails:
            self._plan.thumbnails.log().debug("%s: %d thumbnails", item.source.uri, len(arrays.thumbnails))
        if self._plan.frames and self._plan.writer and "video_frames" in item.missing:
            write_video_frames(arrays, item, self._plan, output=self._plan.writer.output_path)
        outcome = None
        spans = item.clips
        if spans is None:
            extractor, network = self._plan.extractor, self._network
            outcome = split_video(item.video_id, facts, arrays, extractor, network=network)
            if outcome.reason:
                outcome = replace(outcome, message=f"{item.source.uri}: {outcome.message}")
            spans = outcome.clips
            self._plan.extractor.log().debug(
                "%s: %d shots, %d clips", item.source.uri, len(outcome.shots), len(spans)
            )
        source = self._customs.view_of(item, arrays.thumbnails)
        for chunk_index, task in enumerate(chunks_of(item, spans, arrays, self._plan)):
            if outcome and outcome.reason:
                task.data.errors["scan"] = outcome.message
            self._keep(task.data, cut)
            parcel = Parcel(item, task, outcome=outcome if chunk_index == 0 else None)
            parcel = self._customs(parcel, source=source)
            yield parcel.measured(watch.lap(chunk_index, detail=IN_THE_PASS if cut.clips else cut.gave_up))

    def _keep(self, video: Video, cut: SamePassClips) -> None:
        """Store those of the clips that were cut in the pass."""
        made = {one.clip_id: one for one in cut.clips}
        for clip in video.clips:
            if str(clip.uuid) in made:
                keep_clip(clip, made[str(clip.uuid)], output=self._output)

    def _rejected(self, item: WorkItem, reason: VideoReason, message: str, watch: Stopwatch) -> Parcel:
        self._plan.reader.log().debug("rejected, %s: %s", reason, message)
        outcome = SplitOutcome(reason=reason, message=message)
        return Parcel(item, empty_task(item, error=message), outcome=outcome, metrics=(watch.lap(0),))


def described(item: WorkItem) -> str:
    """The facts of a source, in one line."""
    facts = item.facts
    return (
        f"{item.source.uri}: {item.source.size_bytes:,} B, {facts.width_px}x{facts.height_px}, "
        f"{float(facts.framerate):.1f} fps, {facts.duration_s:.1f} s, {facts.bit_rate_k}K, "
        f"{facts.video_codec} {facts.pixel_format}"
    )


def _expected_s(item: WorkItem, *, encodes: bool) -> float:
    megapixels = item.facts.width_px * item.facts.height_px / 1e6
    frames = max(item.facts.num_frames, item.facts.duration_s * float(item.facts.framerate))
    per_frame_s = DECODE_S_PER_MEGAPIXEL_FRAME + (ENCODE_S_PER_MEGAPIXEL_FRAME if encodes else 0.0)
    return megapixels * frames * per_frame_s
