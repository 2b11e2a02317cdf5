"""The one pass over a video in its codec process, tried again where that helps; its arrays as they come."""

import logging
import os
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from threading import Event, Thread

from clipmill.engine.chunk import Mark
from clipmill.engine.scan.first_frames import FirstFrames
from clipmill.engine.scan.segmented_scan import SegmentedPass, WholePassNeeded, skip_frames
from clipmill.engine.scan.single_pass import ENCODE_S_PER_MEGAPIXEL_FRAME, same_pass
from clipmill.engine.scan.span_pass import first_pts_of
from clipmill.engine.work import Work
from clipmill.errors import CodecChildDied, CodecChildTimeout, TransientStoreError
from clipmill.machine import num_cores
from clipmill.media.cut.single_pass import SamePassClips, scan_and_cut
from clipmill.media.decode.backends import is_cpu
from clipmill.media.scan.span_scan import SourceSpan, load_span, scan_spans
from clipmill.media.scan.spool import ScanSegment, drop_piece, load_piece
from clipmill.media.types import WHOLE, ScanArrays, ScanFacts, ScanPlan
from clipmill.outcomes.failures import is_outage
from clipmill.planning.plan import Plan
from clipmill.sandbox.runner import codec_runner
from clipmill.storage.store import is_local

logger = logging.getLogger(__name__)

DECODE_S_PER_MEGAPIXEL_FRAME = 0.25
"""Generous: a slow core decodes a megapixel in about 5 ms; sampling and a shared machine cost more."""

POLL_S = 0.1
"""How often is looked for the next piece; one holds about a minute of video."""

LONG_S = 1200.0
"""Clips of a longer video go on while it is scanned; those that are cut in the pass come at its end."""

MARK_EVERY_S = 1.0

Done = tuple[ScanFacts, SamePassClips]
Found = ScanSegment | Mark


class Passes:
    """Runs passes, one at a time."""

    def __init__(self, plan: Plan, *, width: int = 1) -> None:
        self._plan = plan
        self._width = min(width, num_cores())
        self.child = codec_runner(plan.limits)
        self.first_frames = FirstFrames(plan)
        self._segments_cpu_s = 0.0
        self._seen_s = 0.0
        self.detail = ""

    @property
    def cpu_s(self) -> float:
        """CPU time of the codec processes of all passes that are done."""
        return self.child.cpu_s + self.first_frames.cpu_s + self._segments_cpu_s

    def pieces(self, work: Work, plan: ScanPlan, spool_dir: str) -> Generator[Found, None, Done]:
        """The pieces of one pass, as soon as they are whole, then what the pass counted.

        Between them come marks that say how far a pass is whose pieces come late.

        A pass that is tried again hands out only what was not handed out. The errors are those of ``scan``
        and of ``CodecRunner.run``. A long video is scanned in segments where there are cores for it.
        """
        if not self._in_segments(work, plan):
            return (yield from self._sequential(work, plan, spool_dir))
        segmented = SegmentedPass(work, plan, self._plan.limits, width=self._width)
        try:
            facts = yield from segmented.pieces(spool_dir, timeout_s=self._timeout_s(work, encodes=False))
            return facts, SamePassClips(())
        except WholePassNeeded as reason:
            logger.info("%s is scanned in one pass: %s", work.source.uri, reason)
            if not reason.num_frames:
                return (yield from self._sequential(work, plan, spool_dir))
            return (yield from self._behind(reason.num_frames, work, plan, spool_dir))
        finally:
            self._segments_cpu_s += segmented.cpu_s

    def spans(
        self, work: Work, plan: ScanPlan, spans: Sequence[SourceSpan], spool_dir: str
    ) -> list[ScanArrays]:
        """Returns the arrays of some spans of a video that was split before.

        SpanFault where the video has to be decoded as a whole. The other errors are those of ``pieces``.
        """
        self.child.run(
            scan_spans,
            work.source,
            replace(plan, piece_frames=None),
            spans,
            first_pts_of(work),
            spool_dir,
            limits=self._plan.limits.of_source,
            timeout_s=self._timeout_s(work, encodes=False),
            stall_s=self._plan.limits.decode_stall_s,
        )
        return [load_span(spool_dir, number, span) for number, span in enumerate(spans)]

    def _in_segments(self, work: Work, plan: ScanPlan) -> bool:
        """Whether a video is scanned in segments: its file is read twice, so that it should be near.

        A video that is wanted as a whole comes from one pass: segments come in pieces.
        """
        is_plain = is_cpu(plan.decoder) and not plan.reads_vectors and plan.piece_frames != WHOLE
        has_cores = self._width > 1 and self._plan.limits.isolation == "process"
        return is_plain and has_cores and work.facts.duration_s > LONG_S and is_local(work.source.uri)

    def _behind(
        self, num_frames: int, work: Work, plan: ScanPlan, spool_dir: str
    ) -> Generator[Found, None, Done]:
        """One pass of which the first ``num_frames`` were handed out."""
        pieces = self._sequential(work, replace(plan, piece_frames=WHOLE), spool_dir)
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                return end.value
            yield piece if isinstance(piece, Mark) else skip_frames(piece, num_frames)

    def _sequential(self, work: Work, plan: ScanPlan, spool_dir: str) -> Generator[Found, None, Done]:
        given_up = Event()
        self._seen_s = 0.0
        running = _started(lambda: self._scan(work, plan, spool_dir, given_up))
        try:
            yield from self._as_they_come(running, work, spool_dir)
        finally:
            given_up.set()
            if not running.done():
                self.child.kill()
            wait([running])
        return running.result()

    def cuts(self, work: Work) -> bool:
        """Whether the clips of a video are cut in the pass."""
        is_long = work.facts.duration_s > LONG_S
        return not is_long and same_pass(self._plan, work, out_dir="") is not None

    def _timeout_s(self, work: Work, *, encodes: bool) -> float:
        return self._plan.limits.decode_timeout_s + _expected_s(work, encodes=encodes)

    def _scan(self, work: Work, plan: ScanPlan, spool_dir: str, given_up: Event) -> Done:
        """One pass, again while its process dies or stalls or the store falters, up to the limit."""
        limits = self._plan.limits
        for attempt in range(1, limits.max_attempts + 1):
            try:
                # The last attempt cuts nothing, for an encoder may have crashed.
                return self._scan_once(work, plan, spool_dir, cuts=attempt < limits.max_attempts)
            except (CodecChildDied, CodecChildTimeout, TransientStoreError) as error:
                logger.warning(
                    "%s, attempt %d of %d: %s", work.source.uri, attempt, limits.max_attempts, error
                )
                if attempt == limits.max_attempts or given_up.is_set() or is_outage(error):
                    raise
        raise AssertionError("max_attempts is at least 1")

    def _scan_once(self, work: Work, plan: ScanPlan, spool_dir: str, *, cuts: bool) -> Done:
        """One pass, in which clips are cut where that is asked for and possible."""
        limits = self._plan.limits
        out_dir = os.path.join(spool_dir, "clips")
        wanted = same_pass(self._plan, work, out_dir=out_dir) if cuts and self.cuts(work) else None
        return self.child.run(
            scan_and_cut,
            work.source,
            plan,
            spool_dir,
            wanted,
            limits=limits.of_source,
            timeout_s=self._timeout_s(work, encodes=wanted is not None),
            stall_s=limits.decode_stall_s,
            on_seen=self._saw,
        )

    def _as_they_come(self, running: Future[Done], work: Work, spool_dir: str) -> Generator[Found]:
        number, marked_s = 0, time.monotonic()
        while True:
            was_done = running.done()  # before looking: whatever is whole then is all there will be
            piece = load_piece(spool_dir, number)
            if piece is not None:
                drop_piece(spool_dir, number)  # its maps keep it until they go
                number += 1
                yield piece
            elif was_done:
                return
            else:
                wait([running], timeout=POLL_S)
            if time.monotonic() - marked_s > MARK_EVERY_S:
                marked_s = time.monotonic()
                yield self._mark(work)

    def _saw(self, seen_s: float) -> None:
        self._seen_s = seen_s

    def _mark(self, work: Work) -> Mark:
        share = min(1.0, self._seen_s / max(work.facts.duration_s, self._seen_s, POLL_S))
        return Mark(share, is_cut_in_pass=self.cuts(work))


def _started(scan: Callable[[], Done]) -> Future[Done]:
    """Scan in a thread that ends with the process: an executor's would have its exit wait for the pass."""
    running = Future[Done]()

    def work() -> None:
        try:
            running.set_result(scan())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            running.set_exception(error)

    Thread(target=work, name="clipmill-pass", daemon=True).start()
    return running


def _expected_s(work: Work, *, encodes: bool) -> float:
    megapixels = work.facts.width_px * work.facts.height_px / 1e6
    frames = max(work.facts.num_frames, work.facts.duration_s * float(work.facts.framerate))
    per_frame_s = DECODE_S_PER_MEGAPIXEL_FRAME + (ENCODE_S_PER_MEGAPIXEL_FRAME if encodes else 0.0)
    return megapixels * frames * per_frame_s
