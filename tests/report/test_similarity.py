"""The report's evidence for a threshold."""

import re

import pytest

from clipmill.report.render import render_report
from clipmill.report.sections.similarity import draw_similarity
from clipmill.report.view import ReportOptions, SimilarityCounts
from tests.support.report_tables import drawn_run


def counts(**by_thousandth: int) -> SimilarityCounts:
    found = [0] * 1001
    for name, number in by_thousandth.items():
        found[int(name[1:])] = number
    return SimilarityCounts(0.9, tuple(found))


def test_each_threshold_counts_what_reaches_it_and_those_that_change_nothing_are_left_out() -> None:
    view = draw_similarity(counts(b1000=2, b990=3, b900=5, b899=7, b500=11))
    assert view is not None
    assert {row.eps: row.num_clips for row in view.rows} == {"0.01": 5, "0.1": 10, "0.15": 17}
    assert view.num_clips == 28


def test_the_threshold_in_use_is_marked() -> None:
    view = draw_similarity(SimilarityCounts(0.88, (0,) * 1000 + (1,)))
    assert view is not None
    assert [row.eps for row in view.rows if row.is_chosen] == ["0.12"]
    assert "min 0.88" in view.svg


@pytest.mark.parametrize("nothing", [None, SimilarityCounts(0.9, (0,) * 1001)], ids=["off", "no clip"])
def test_without_counts_there_is_nothing_to_draw(nothing: SimilarityCounts | None) -> None:
    assert draw_similarity(nothing) is None


def test_the_page_shows_what_other_thresholds_would_come_to() -> None:
    run = drawn_run()
    options = ReportOptions(similarity=counts(b1000=2, b950=1234))
    page = render_report(run.tables, options=options, read_bytes=run.read_bytes)
    section = page.split('id="cm-duplicates"')[1].split("</section>")[0]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", section.split("<tbody>")[1].split("</tbody>")[0])
    assert cells[cells.index("0.1 (in use)") :][:3] == ["0.1 (in use)", "0.9", "1,236"]
