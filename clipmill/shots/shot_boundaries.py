"""From cuts to the shots between them, in the order in which detectors find them."""

from collections.abc import Iterator

from clipmill.records import Cuts, FrameSpan, Shot


class ShotBoundaries:
    """Collects cuts and closes shots.

    Frames of a gradual transition belong to no shot, and a hard cut inside one vanishes. Transitions that
    overlap or touch are one. ``start_frame`` is where the shot that is not closed starts.
    """

    def __init__(self) -> None:
        self.start_frame = 0
        self._pending: list[tuple[int, int]] = []  # end of a shot, start of the next
        self._closed: list[FrameSpan] = []
        self._transitions: list[FrameSpan] = []

    def add(self, cuts: Cuts) -> None:
        """Takes cuts that became final."""
        self._pending += [(cut, cut) for cut in cuts.hard]
        self._pending += [(span.start_frame, span.end_frame) for span in cuts.gradual]

    def close_before(self, final_frame: int) -> Iterator[FrameSpan]:
        """Yields the shots that end below ``final_frame``; all cuts below it were added."""
        due = sorted(cut for cut in self._pending if cut[0] < final_frame)
        self._pending = [cut for cut in self._pending if cut[0] >= final_frame]
        for end, start in due:
            if start > end:
                self._add_transition(end, start)
            if end > self.start_frame:
                self._closed.append(FrameSpan(self.start_frame, end))
                yield self._closed[-1]
            self.start_frame = max(start, self.start_frame)

    def close_last(self, num_frames: int) -> Iterator[FrameSpan]:
        """Yields the shots that are left in a video of ``num_frames``; cuts outside it are ignored."""
        yield from self.close_before(num_frames)
        if self.start_frame < num_frames:
            self._closed.append(FrameSpan(self.start_frame, num_frames))
            yield self._closed[-1]

    def shots(self, num_frames: int) -> tuple[Shot, ...]:
        """Returns all shots of a video of ``num_frames``, with the transitions that touch them."""
        inside = [FrameSpan(span.start_frame, min(span.end_frame, num_frames)) for span in self._transitions]
        before = {span.end_frame: span for span in inside}
        after = {span.start_frame: span for span in inside}
        return tuple(
            Shot(shot, before.get(shot.start_frame), after.get(shot.end_frame)) for shot in self._closed
        )

    def _add_transition(self, start: int, end: int) -> None:
        last = self._transitions[-1] if self._transitions else None
        if last is not None and start <= last.end_frame:
            self._transitions[-1] = FrameSpan(last.start_frame, max(end, last.end_frame))
        else:
            self._transitions.append(FrameSpan(start, end))
