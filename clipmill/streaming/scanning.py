"""The scan operator: one pass over a video, its split, its scores, its verdicts; out come chunks of clips."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipmill.errors import (
    CodecChildDied,
    CodecChildTimeout,
    StoreError,
    UnreadableVideo,
)
from clipmill.media.contracts import ScanFacts
from clipmill.media.same_pass import SamePassClips
from clipmill.media.spool import Piece
from clipmill.plan import RunPlan
from clipmill.records import VideoReason, WorkItem
from clipmill.streaming.chunks import empty_task, unscanned_task
from clipmill.streaming.clip_files import keep_clip
from clipmill.streaming.customs import Customs, SourceView
from clipmill.streaming.frame_files import write_video_frames
from clipmill.streaming.makers import Makers
from clipmill.streaming.parcel import Parcel, SplitOutcome
from clipmill.streaming.passes import Done, Passes
from clipmill.streaming.same_pass import IN_THE_PASS
from clipmill.streaming.sampling import scan_plan
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.streaming.unrolling import Unrolling, piece_frames
from clipmill.video import Video

NEEDS_NO_SCAN = frozenset({"encode", "enhance"})
"""What can be made of known spans without looking at the whole video again."""


class Scanner:
    """Takes work items, gives parcels: at least one per video, rejected ones too."""

    name = "scan"

    def __init__(self, plan: RunPlan, makers: Makers, width: int = 1) -> None:
        """``width`` is how many codec processes may work on one long video."""
        self._plan = plan
        self._network = makers.shot_network(plan)
        self._passes = Passes(plan, width=width)
        self._customs = Customs(plan, self.name)
        self._output = plan.writer.output_path if plan.writer else None

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Scan each video. Its failures are values."""
        for parcel in parcels:
            yield from self._one(parcel.item)

    def _one(self, item: WorkItem) -> Iterator[Parcel]:
        watch = Stopwatch(self.name, item.video_id, self._passes)
        if item.clips is not None and item.missing <= NEEDS_NO_SCAN:
            yield Parcel(item, unscanned_task(item, item.clips, self._plan), metrics=(watch.lap(0),))
            return
        self._plan.reader.log().debug("reads %s", described(item))
        video = Unrolling(item, self._plan, network=self._network)
        with tempfile.TemporaryDirectory(prefix="clipmill-scan-") as spool_dir:
            for found in self._found(item, spool_dir):
                if isinstance(found, SplitOutcome):
                    yield self._rejected(item, found, video, watch)
                elif isinstance(found, Piece):
                    for parcel in video.take(found):
                        yield self._measured(parcel, watch)
                else:
                    yield from self._last_parcels(item, video, *found, watch)

    def _found(self, item: WorkItem, spool_dir: str) -> Iterator[Piece | Done | SplitOutcome]:
        """The pieces of a pass and what it counted, or why the video is rejected."""
        frames = piece_frames(self._plan, item, cuts=self._passes.cuts(item))
        plan = replace(scan_plan(self._plan, item.missing), piece_frames=frames)
        uri = item.source.uri
        try:
            yield (yield from self._passes.pieces(item, plan, spool_dir))
        except UnreadableVideo as error:
            yield SplitOutcome(reason=VideoReason(error.reason), message=str(error))
        except StoreError as error:
            yield SplitOutcome(reason=VideoReason.STORE_ERROR, message=str(error))
        except CodecChildDied as error:
            yield SplitOutcome(reason=VideoReason.DECODER_CRASHED, message=f"{uri}: {error}")
        except CodecChildTimeout as error:
            yield SplitOutcome(reason=VideoReason.DECODER_TIMEOUT, message=f"{uri}: {error}")

    def _last_parcels(
        self, item: WorkItem, video: Unrolling, facts: ScanFacts, cut: SamePassClips, watch: Stopwatch
    ) -> Iterator[Parcel]:
        source = SourceView()
        for parcel in video.finish(facts):
            if not parcel.task.data.clip_chunk_index:
                source = self._looked_at_whole(parcel.item, video)
            if parcel.outcome:
                self._log_split(item, parcel.outcome)
            if parcel.outcome and parcel.outcome.reason:
                parcel.task.data.errors["scan"] = parcel.outcome.message
            self._keep(parcel.task.data, cut)
            parcel = self._customs(parcel, source=source)
            yield self._measured(parcel, watch, detail=IN_THE_PASS if cut.clips else cut.gave_up)

    def _looked_at_whole(self, item: WorkItem, video: Unrolling) -> SourceView:
        """What custom stages see of a video that is there as a whole; its frames are written if asked for."""
        if self._plan.thumbnails:
            self._plan.thumbnails.log().debug("%s: %d thumbnails", item.source.uri, video.reel.num_frames)
        if not video.is_whole:
            return SourceView()
        arrays = video.reel.part(0, video.reel.num_frames)
        if self._plan.frames and self._output and "video_frames" in item.missing:
            write_video_frames(arrays, item, self._plan, output=self._output)
        return self._customs.view_of(item, arrays.thumbnails)

    def _log_split(self, item: WorkItem, outcome: SplitOutcome) -> None:
        self._plan.extractor.log().debug(
            "%s: %d shots, %d clips", item.source.uri, len(outcome.shots), len(outcome.clips)
        )

    def _measured(self, parcel: Parcel, watch: Stopwatch, *, detail: str = "") -> Parcel:
        return parcel.measured(watch.lap(parcel.task.data.clip_chunk_index, detail=detail))

    def _keep(self, video: Video, cut: SamePassClips) -> None:
        """Store those of the clips that were cut in the pass."""
        made = {one.clip_id: one for one in cut.clips}
        for clip in video.clips:
            if str(clip.uuid) in made:
                keep_clip(clip, made[str(clip.uuid)], output=self._output)

    def _rejected(self, item: WorkItem, why: SplitOutcome, video: Unrolling, watch: Stopwatch) -> Parcel:
        self._plan.reader.log().debug("rejected, %s: %s", why.reason, why.message)
        task = empty_task(item, error=why.message, before=video.given)
        return self._measured(Parcel(item, task, outcome=why, share=video.share_left), watch)


def described(item: WorkItem) -> str:
    """The facts of a source, in one line."""
    facts = item.facts
    return (
        f"{item.source.uri}: {item.source.size_bytes:,} B, {facts.width_px}x{facts.height_px}, "
        f"{float(facts.framerate):.1f} fps, {facts.duration_s:.1f} s, {facts.bit_rate_k}K, "
        f"{facts.video_codec} {facts.pixel_format}"
    )
