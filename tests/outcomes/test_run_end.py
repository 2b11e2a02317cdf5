"""Ends of runs."""

import pytest

from clipmill.outcomes.run_end import RunEnd, Tally, end_of, merged

LEFT = Tally("content", "decoder_crashed", "retryable", 2)
OVER = Tally("content", "unreadable", "final", 5)


def end(*tallies: Tally, stopped: str = "", num_failed: int = 0) -> RunEnd:
    return end_of(tallies, stopped=stopped, num_failed=num_failed, num_videos=10, max_failed_ratio=0.5)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (end(), "done"),
        (end(OVER), "done"),
        (end(OVER, LEFT), "failures_left"),
        (end(LEFT, num_failed=5), "failures_left"),
        (end(LEFT, num_failed=6), "stopped"),
        (end(stopped="the store is gone"), "stopped"),
    ],
    ids=["nothing failed", "final only", "some left", "half failed", "more than half", "stopped"],
)
def test_kind_of_an_end(found: RunEnd, kind: str) -> None:
    assert found.kind == kind


def test_end_says_what_the_next_run_will_do() -> None:
    assert end(OVER, LEFT).sentence() == "done, but 2 items failed for now: the next run tries them again"
    assert end(LEFT, num_failed=6).sentence() == (
        "stopped: 6 of 10 videos failed, more than limits.max_failed_ratio (0.5) allows; "
        "the results so far are kept, and the next run goes on from there"
    )


def test_tallies_of_tasks_are_added_up() -> None:
    assert merged([LEFT, OVER, LEFT]) == (Tally("content", "decoder_crashed", "retryable", 4), OVER)
