"""The summary of a run as text: at most 80 columns wide, for a terminal, a log and a deck."""

import textwrap
from collections.abc import Iterator

from clipmill.outcomes.summary import Step, Steps, Summary
from clipmill.report import words

WIDTH = 80
_LABEL, _ITEMS, _SHARE, _LENGTH = 44, 12, 9, 15


def summary_lines(summary: Summary) -> list[str]:
    """Returns the lines, section by section; steps of no item are left out."""
    return [
        *_section("videos", summary.videos),
        *_section("clips", summary.clips),
        *_time(summary),
        *_section("sound of the kept clips", summary.sound),
        *(line for key, steps in summary.captions.items() for line in _section(f"windows, {key}", steps)),
        *_section("failures", summary.failures),
        *_wrapped(f"next run: {summary.next_run}"),
    ]


def _section(title: str, steps: Steps) -> Iterator[str]:
    """The whole as the title's line, then each step with its share of the items."""
    if not steps:
        return
    whole, *rest = steps
    yield _line(title, words.count(whole.num_items), "", _length(whole))
    for step in rest:
        if step.num_items or step.kind in ("kept", "curated"):
            yield _of_whole(step, whole, indent=2)
            yield from (_of_whole(part, whole, indent=4) for part in step.parts)


def _of_whole(step: Step, whole: Step, *, indent: int) -> str:
    share = words.percent(step.num_items, whole.num_items)
    return _line(" " * indent + step.label, words.count(step.num_items), share, _length(step))


def _time(summary: Summary) -> Iterator[str]:
    """Each second of the sources, with its share of all of them."""
    if not summary.time:
        return
    whole_s = summary.source_s + summary.overlap_s
    yield _line("seconds", "", "", words.length(whole_s))
    for step in summary.time:
        share = words.percent(step.seconds or 0.0, whole_s)
        yield _line(f"  {step.label}", "", share, words.length(step.seconds))


def _length(step: Step) -> str:
    """The seconds of a step; nothing where a step has none of its own."""
    if step.seconds is None:
        return ""
    return f"{'≥ ' if step.num_unknown else ''}{words.length(step.seconds)}"


def _line(label: str, items: str, share: str, length: str) -> str:
    shown = label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"
    return f"{shown:<{_LABEL}}{items:>{_ITEMS}}{share:>{_SHARE}}{length:>{_LENGTH}}".rstrip()


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")
