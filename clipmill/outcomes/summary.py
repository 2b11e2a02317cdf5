"""The summary of a run, as the command, the report and the deck show it. Pure.

Every number comes from the funnel of the snapshot and from the end of the run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from clipmill.outcomes.funnel import Count, Counts, Funnel
from clipmill.outcomes.run_end import RunEnd


@dataclass(frozen=True)
class Step:
    """One line. ``seconds`` is None where no length is known; ``num_unknown`` items have none.

    ``kind`` is ``found``, a status of videos, clips or captions, or a cause of dropped time; ``num_items`` is
    0 for time that is no item. ``parts`` divide the step by reason.
    """

    kind: str
    label: str
    num_items: int
    seconds: float | None = None
    num_unknown: int = 0
    parts: tuple["Step", ...] = ()


ROUNDING_S = 1e-3
NOTHING_LEFT = "has nothing left to do, unless videos or the spec change"
Steps = tuple[Step, ...]
"""The whole first, then what it is made of."""


@dataclass(frozen=True)
class Summary:
    """What became of everything that was found.

    ``time`` adds up to ``source_s`` and ``overlap_s`` (the seconds that more than one clip holds), but for
    ``unaccounted_s``; up to ``tolerance_s`` of it is the rounding of cuts to frames. ``captions`` has steps
    for each stage that captions windows. ``failures`` are items of the output without a result by stage and
    reason, whichever run failed on them.
    """

    videos: Steps
    clips: Steps
    time: Steps
    sound: Steps
    captions: Mapping[str, Steps]
    failures: Steps
    next_run: str
    source_s: float
    overlap_s: float
    unaccounted_s: float
    tolerance_s: float
    num_partial: int

    @property
    def is_conserved(self) -> bool:
        """True if items and seconds add up."""
        return all(_adds_up(steps) for steps in (self.videos, self.clips)) and (
            abs(self.unaccounted_s) <= self.tolerance_s
        )


def summary_of(funnel: Funnel, end: RunEnd) -> Summary:
    """Returns the summary of a snapshot and of the run that made it."""
    videos, clips = _videos(funnel), _clips(funnel)
    time = tuple(step for step in _time(funnel, videos, clips) if step.seconds)
    source_s = funnel.found.seconds
    return Summary(
        videos=videos,
        clips=clips,
        time=time,
        sound=_by_status(funnel.sound),
        captions={
            key: _captions({status: Count(num, num_unknown=num) for status, num in counts.items()})
            for key, counts in funnel.captions.items()
            if counts
        },
        failures=_failures(funnel),
        next_run=next_run(funnel, end),
        source_s=source_s,
        overlap_s=funnel.overlap_s,
        unaccounted_s=source_s + funnel.overlap_s - sum(step.seconds or 0.0 for step in time),
        tolerance_s=funnel.tolerance_s + ROUNDING_S,
        num_partial=funnel.num_partial,
    )


def next_run(funnel: Funnel, end: RunEnd) -> str:
    """Returns in a sentence what the next run with the same output will do."""
    stopped = f"; this one stopped: {end.stopped.partition(chr(10))[0]}" if end.kind == "stopped" else ""
    num_left = sum(one.num_items for one in funnel.failures if one.is_left)
    plans = [
        *([f"tries {_items(num_left, 'failed item')} again"] if num_left else []),
        *([_waiting(funnel.pending.items)] if funnel.pending.items else []),
    ]
    if plans:
        return " and ".join(plans) + stopped
    return f"goes on from here{stopped}" if stopped else NOTHING_LEFT


def _items(num: int, noun: str) -> str:
    return f"{num:,} {noun}" if num == 1 else f"{num:,} {noun}s"


def _waiting(num: int) -> str:
    return f"works on {_items(num, 'video')} that {'waits' if num == 1 else 'wait'}"


def _videos(funnel: Funnel) -> Steps:
    partial = Step("partial", "partial", funnel.num_partial)
    curated = _step("curated", funnel.curated)
    return (
        _step("found", funnel.found),
        _with_reasons("rejected", funnel.rejected),
        _with_reasons("failed", funnel.failed),
        _step("duplicate", funnel.duplicate_videos),
        _step("pending", funnel.pending),
        replace(curated, parts=(partial,)) if funnel.num_partial else curated,
    )


def _clips(funnel: Funnel) -> Steps:
    return (
        _step("found", funnel.clips),
        _with_reasons("filtered", funnel.filtered),
        _with_reasons("failed", funnel.failed_clips),
        _step("duplicate", funnel.duplicate_clips),
        _step("kept", funnel.kept),
    )


def _time(funnel: Funnel, videos: Steps, clips: Steps) -> Iterator[Step]:
    """Where each second is: in clips, in no clip, or in files that were not cut."""
    yield from (replace(step, label=f"{step.kind} clips", parts=()) for step in reversed(clips[1:]))
    for cause, seconds in sorted(funnel.dropped_s.items()):
        yield Step(f"dropped {cause}", f"in no clip, {cause}", 0, seconds)
    not_cut = (step for step in videos[1:] if step.kind != "curated")
    yield from (replace(step, label=f"{step.kind} files", parts=()) for step in not_cut)


def _failures(funnel: Funnel) -> Steps:
    """Those that are tried again first."""
    if not funnel.failures:
        return ()
    return (
        Step("found", "found", sum(one.num_items for one in funnel.failures)),
        *(
            Step(
                one.outcome,
                f"{one.stage}, {one.reason}, {'tried again' if one.is_left else 'final'}",
                one.num_items,
            )
            for one in sorted(funnel.failures, key=lambda one: not one.is_left)
        ),
    )


def _step(kind: str, count: Count, *, label: str = "", parts: Steps = ()) -> Step:
    is_known = count.num_unknown < count.items or not count.items
    seconds = count.seconds if is_known else None
    return Step(kind, label or kind, count.items, seconds, count.num_unknown, parts)


def _with_reasons(kind: str, counts: Counts) -> Step:
    by_number = sorted(counts.items(), key=lambda pair: (-pair[1].items, pair[0]))
    parts = tuple(_step(kind, count, label=reason) for reason, count in by_number)
    return _step(kind, sum(counts.values(), start=Count()), parts=parts)


def _by_status(counts: Counts) -> Steps:
    """The whole and each status, the most frequent first; empty without any item."""
    if not counts:
        return ()
    by_number = sorted(counts.items(), key=lambda pair: (-pair[1].items, pair[0]))
    whole = _step("found", sum(counts.values(), start=Count()))
    return (whole, *(_step(status, count) for status, count in by_number))


def _captions(counts: Counts) -> Steps:
    """Windows by status; those of clips that repeat others are calls that were saved."""
    saved = "calls saved: the clip is a duplicate"
    steps = _by_status(counts)
    return tuple(replace(step, label=saved) if step.kind == "duplicate" else step for step in steps)


def _adds_up(steps: Steps) -> bool:
    return not steps or steps[0].num_items == sum(step.num_items for step in steps[1:])
