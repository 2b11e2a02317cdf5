"""Which runs count against an item, and which limits are larger now."""

from dataclasses import dataclass

import pytest

from clipmill.limits import LimitsSpec
from clipmill.outcomes.patience import counted_runs, is_raised


@dataclass(frozen=True)
class Try:
    run_id: str
    reason: str = "decoder_crashed"


@pytest.mark.parametrize(
    ("tries", "counted"),
    [
        ([Try("1"), Try("2"), Try("2")], {"1", "2"}),
        ([Try("1"), Try("bad")], {"1"}),
        ([Try("1"), Try("stopped")], {"1"}),
        ([Try("1", "store_unavailable"), Try("2", "endpoint_error"), Try("3", "worker_lost")], {"3"}),
    ],
    ids=["different runs", "nothing succeeded", "run that stopped", "services"],
)
def test_runs_that_count_against_an_item(tries: list[Try], counted: set[str]) -> None:
    good = {"1", "2", "3", "stopped"}
    assert counted_runs(tries, good_runs=good, stopped_runs={"stopped"}) == counted


@pytest.mark.parametrize(
    ("limit", "value", "raised"),
    [
        ("decode_timeout_s", 5.0, True),
        ("decode_timeout_s", 60.0, False),
        ("decode_timeout_s", 90.0, False),
        ("max_child_bytes", float(1 << 30), True),
        (None, None, False),
        ("no_such_limit", 1.0, False),
    ],
)
def test_a_limit_is_raised_when_it_is_larger_now(
    limit: str | None, value: float | None, raised: bool
) -> None:
    assert is_raised(limit, value, LimitsSpec()) == raised
