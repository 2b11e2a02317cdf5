"""The summary: every number once, shares of the whole, and what the next run will do, in 80 columns."""

from dataclasses import replace

import pytest

from clipmill.outcomes.funnel import Count, Funnel
from clipmill.outcomes.run_end import RunEnd, Tally
from clipmill.outcomes.summary import next_run, summary_of
from clipmill.report.summary_text import WIDTH, summary_lines

LEFT = Tally("describer", "endpoint_error", "retryable", 2)
FINAL = Tally("preview", "unreadable", "final", 1)
FUNNEL = Funnel(
    found=Count(8, 100.0, 1),
    curated=Count(5, 80.0),
    rejected={"not_a_video": Count(1, 0.0, 1)},
    failed={"store_error": Count(1, 10.0)},
    pending=Count(1, 10.0),
    clips=Count(4, 70.0),
    kept=Count(3, 50.0),
    filtered={"low_motion": Count(1, 20.0)},
    dropped_s={"cropped": 10.0},
    num_partial=1,
    sound={"copied": Count(2, 30.0), "lost": Count(1, 20.0)},
    captions={"describer": {"error": 1, "success": 3}},
    failures=(LEFT, FINAL),
)


def test_a_line_for_each_step_with_its_share() -> None:
    lines = summary_lines(summary_of(FUNNEL, RunEnd("done")))
    assert max(map(len, lines)) <= WIDTH
    assert [" ".join(line.split()) for line in lines] == [
        "videos 8 ≥ 1 min 40 s",
        "rejected 1 12.5 %",
        "not_a_video 1 12.5 %",
        "failed 1 12.5 % 10.0 s",
        "store_error 1 12.5 % 10.0 s",
        "pending 1 12.5 % 10.0 s",
        "curated 5 62.5 % 1 min 20 s",
        "partial 1 12.5 %",
        "clips 4 1 min 10 s",
        "filtered 1 25.0 % 20.0 s",
        "low_motion 1 25.0 % 20.0 s",
        "kept 3 75.0 % 50.0 s",
        "seconds 1 min 40 s",
        "kept clips 50.0 % 50.0 s",
        "filtered clips 20.0 % 20.0 s",
        "in no clip, cropped 10.0 % 10.0 s",
        "failed files 10.0 % 10.0 s",
        "pending files 10.0 % 10.0 s",
        "sound of the kept clips 3 50.0 s",
        "copied 2 66.7 % 30.0 s",
        "lost 1 33.3 % 20.0 s",
        "windows, describer 4",
        "success 3 75.0 %",
        "error 1 25.0 %",
        "failures 3",
        "describer, endpoint_error, tried again 2 66.7 %",
        "preview, unreadable, final 1 33.3 %",
        "next run: tries 2 failed items again and works on 1 video that waits",
    ]


def test_items_and_seconds_add_up() -> None:
    assert summary_of(FUNNEL, RunEnd()).is_conserved
    assert not summary_of(Funnel(found=Count(2, 20.0), curated=Count(1, 20.0)), RunEnd()).is_conserved


@pytest.mark.parametrize(
    ("funnel", "end", "said"),
    [
        (Funnel(), RunEnd(), "has nothing left to do, unless videos or the spec change"),
        (Funnel(pending=Count(2)), RunEnd(), "works on 2 videos that wait"),
        (FUNNEL, RunEnd("stopped", (LEFT,), "the store is gone\nat line 3"), "the store is gone"),
    ],
    ids=["all done", "videos wait", "stopped"],
)
def test_what_the_next_run_will_do(funnel: Funnel, end: RunEnd, said: str) -> None:
    assert next_run(funnel, end).endswith(said)


def test_long_names_and_causes_stay_within_the_width() -> None:
    stage = Tally("a_stage_of_ones_own_with_a_name_that_goes_on", "a_reason_that_goes_on", "retryable", 1)
    end = RunEnd("stopped", (), "the store of the sources does not answer, " * 5)
    lines = summary_lines(summary_of(replace(FUNNEL, failures=(stage,)), end))
    assert max(map(len, lines)) <= WIDTH
    assert any("…" in line for line in lines)
