"""The report as text: what it counts, what it samples, what it escapes, how large it gets."""

import re
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clipmill.curation import publication
from clipmill.dataset.snapshots.record import current_snapshot
from clipmill.outcomes.summary import Step
from clipmill.report import plots, sample, words
from clipmill.report.measures import CLIP_LENGTH, Measure, plan_measures
from clipmill.report.page import build_page
from clipmill.report.plan_records import ScoreLimit
from clipmill.report.previews import data_uri_length, inline_previews
from clipmill.report.render import render_report, write_report
from clipmill.report.sections.distributions import draw_distributions
from clipmill.report.view import ReportTables
from tests.support.published import clip_row, publish_by_hand, window_row
from tests.support.rendered_report import OPTIONS, render, summary
from tests.support.report_tables import REJECTED, SCHEMAS, DrawnRun, drawn_run, table

MEASURES = plan_measures(OPTIONS.view)
SHARE = Measure("exposure", "Exposure", "exposure", "", bounds=(0.0, 1.0))
MAGNITUDES = Measure("flow", "Flow", "flow", "", is_log=True)


@pytest.fixture(scope="module")
def run() -> DrawnRun:
    return drawn_run()


@pytest.fixture(scope="module")
def page(run: DrawnRun) -> str:
    return render(run)


def empty_tables() -> ReportTables:
    return ReportTables(**{name: schema.empty_table() for name, schema in SCHEMAS.items()})


def steps_by_kind(steps: tuple[Step, ...]) -> dict[str, int]:
    return {step.kind: step.num_items for step in steps}


# The funnel


def test_funnel_counts_videos_by_status(run: DrawnRun) -> None:
    funnel = summary(run.tables)
    assert steps_by_kind(funnel.videos) == {
        "found": 15, "rejected": 4, "failed": 0, "duplicate": 2, "pending": 1, "curated": 8,
    }  # fmt: skip


def test_funnel_counts_clips_by_reason(run: DrawnRun) -> None:
    filtered = summary(run.tables).clips[1]
    reasons = run.tables.clips["reason"].drop_null().to_pylist()
    assert {part.label: part.num_items for part in filtered.parts} == {
        reason: reasons.count(reason) for reason in reasons
    }


def test_every_second_of_source_is_somewhere(run: DrawnRun) -> None:
    funnel = summary(run.tables)
    assert sum(step.seconds or 0 for step in funnel.time) == pytest.approx(funnel.source_s)
    assert funnel.is_conserved


def test_a_lost_clip_is_noticed(run: DrawnRun) -> None:
    tables = replace(run.tables, clips=run.tables.clips.slice(2))
    funnel = summary(tables)
    assert funnel.unaccounted_s > funnel.tolerance_s
    assert not funnel.is_conserved
    assert "do not add up" in render(replace(run, tables=tables))


def test_time_that_two_clips_hold_counts_once() -> None:
    videos = [{"uri": "/s/a.mp4", "status": "curated", "duration_s": 10.0, "dropped_s": 0.0}]
    spans = [(0.0, 6.0), (4.0, 10.0), (5.0, 6.0)]
    clips = [
        {"clip_id": str(start), "source_uri": "/s/a.mp4", "start_s": start, "end_s": end, "status": "kept"}
        for start, end in spans
    ]
    funnel = summary(replace(empty_tables(), videos=table("videos", videos), clips=table("clips", clips)))
    assert (funnel.overlap_s, funnel.unaccounted_s) == (3.0, 0.0)
    assert funnel.is_conserved


def test_open_bounds_are_no_threshold(run: DrawnRun) -> None:
    drawn = draw_distributions(run.tables.clips, MEASURES, limits=[ScoreLimit("black_ratio")])
    assert drawn.all_zero == ("Black ratio",)


# The sample


def test_quotas_add_up_and_reach_every_stratum() -> None:
    given = sample.quotas({"kept": 100_000, "filtered/black": 1, "duplicate": 40, "gone": 0}, size=300)
    assert given == {"kept": 259, "filtered/black": 1, "duplicate": 40, "gone": 0}


@pytest.mark.parametrize("size", [0, 1, 2, 7, 300])
def test_quotas_never_exceed_what_is_asked_for_or_there(size: int) -> None:
    sizes = {"a": 3, "b": 1, "c": 9}
    given = sample.quotas(sizes, size=size)
    assert sum(given.values()) == min(size, 13)
    assert all(given[name] <= sizes[name] for name in sizes)


def test_sample_does_not_depend_on_row_order(run: DrawnRun) -> None:
    clips = run.tables.clips
    turned = clips.take(pa.array(list(range(clips.num_rows))[::-1]))

    def chosen(rows: pa.Table) -> set[str]:
        return set(rows["clip_id"].take(pa.array(sample.sample_clips(rows, size=20, seed=1))).to_pylist())

    assert chosen(clips) == chosen(turned)


def test_sample_follows_its_seed(run: DrawnRun) -> None:
    assert sample.sample_clips(run.tables.clips, size=20, seed=1) != sample.sample_clips(
        run.tables.clips, size=20, seed=2
    )


def test_sample_holds_every_stratum(run: DrawnRun) -> None:
    strata = sample.clip_strata(run.tables.clips)
    chosen = sample.sample_clips(run.tables.clips, size=12, seed=0)
    assert len(chosen) == 12
    assert {strata[row] for row in chosen} == set(strata)


def test_sampled_duplicates_bring_what_they_duplicate(run: DrawnRun) -> None:
    ids = run.tables.clips["clip_id"].to_pylist()
    duplicate_of = run.tables.clips["duplicate_of"].to_pylist()
    chosen = sample.sample_clips(run.tables.clips, size=30, seed=0)
    wanted = {duplicate_of[row] for row in chosen if duplicate_of[row]}
    assert wanted
    assert wanted <= {ids[row] for row in chosen}


def test_a_beginning_of_in_turn_holds_every_stratum() -> None:
    strata = ["a", "a", "a", "b", "c"]
    assert {strata[row] for row in sample.in_turn(strata)[:3]} == {"a", "b", "c"}


def test_page_states_what_part_it_shows(run: DrawnRun) -> None:
    page = render(run, replace(OPTIONS, max_clips=20, max_rejections=3))
    assert re.search(r"Showing 20 of 64 clips .*sample.*\s+and 3 of 4 rejected files", page)
    assert page.count('class="cm-card"') == 20


# Plots


def test_histogram_counts_every_value() -> None:
    values = np.array([2.0, 2.0, 5.0, 9.99, 10.0])
    svg = plots.histogram_svg({"kept": values}, CLIP_LENGTH)
    assert sum(int(num) for num in re.findall(r": (\d+) kept", svg)) == values.size


def test_histogram_marks_its_threshold_at_its_place() -> None:
    limit = ScoreLimit("exposure", min=0.25)
    svg = plots.histogram_svg({"kept": np.array([0.5])}, SHARE, [limit])
    assert f'<g class="cm-limit"><line x1="{10 + 340 * 0.25:.2f}"' in svg
    assert "min 0.25" in svg


def test_threshold_that_only_scores_is_marked_as_such() -> None:
    limit = ScoreLimit("m", min=0.001, is_active=False)
    svg = plots.histogram_svg({"kept": np.ones(3)}, MAGNITUDES, [limit])
    assert "cm-limit-idle" in svg


def test_thresholds_of_two_stages_on_one_score_are_both_drawn(run: DrawnRun) -> None:
    limits = [ScoreLimit("sharpness", min=3.0), ScoreLimit("sharpness", max=7.5, is_active=False)]
    drawn = draw_distributions(run.tables.clips, MEASURES, limits=limits)
    plot = next(plot for plot in drawn.plots if plot.measure.column == "sharpness")
    assert "min 3" in plot.svg
    assert "max 7.5" in plot.svg
    assert plot.summary.endswith("score only")


@pytest.mark.parametrize(
    "values",
    [[0.0], [0.0, 0.0], [1e-9, 5.0], [-3.0, 4.0], [7.0] * 4, [1e9]],
    ids=["zero", "zeros", "wide", "negative", "constant", "huge"],
)
@pytest.mark.parametrize("measure", [CLIP_LENGTH, MAGNITUDES, SHARE], ids=["linear", "log", "share"])
def test_histogram_draws_any_finite_values(values: list[float], measure: Measure) -> None:
    svg = plots.histogram_svg({"kept": np.array(values)}, measure)
    assert "nan" not in svg
    assert "inf" not in svg


def test_values_that_are_missing_are_counted_not_drawn(run: DrawnRun) -> None:
    drawn = draw_distributions(run.tables.clips, MEASURES, limits=OPTIONS.view.limits)
    motion = next(plot for plot in drawn.plots if plot.measure.column == "motion_global_mean")
    assert "8 without a value" in motion.summary
    assert drawn.without_data == ("Motion camera mean", "Motion object mean", "Aesthetic score")


# Sections


def test_rejections_are_listed_with_their_messages(page: str) -> None:
    for _, reason, message in REJECTED:
        assert words.reason(reason) in page
        assert message.split("</")[0] in page


def test_filtered_clips_say_why(run: DrawnRun) -> None:
    groups = {group.reason: group for group in build_page(run.tables, options=OPTIONS).filtered}
    assert all("is below 0.00098" in clip.message for clip in groups["low_motion"].clips)


def test_filtered_clips_are_not_among_the_rejected_files(run: DrawnRun) -> None:
    page = build_page(run.tables, options=OPTIONS)
    assert page.num_rejections == len(REJECTED) == len(page.rejections)


def test_duplicates_stand_beside_what_they_duplicate(run: DrawnRun) -> None:
    groups = build_page(run.tables, options=OPTIONS).groups
    assert sum(len(group.copies) for group in groups) == 11
    assert all(group.keeper is not None and group.keeper.status == "kept" for group in groups)


def test_a_duplicate_says_what_the_kept_clip_has_over_it(run: DrawnRun) -> None:
    page = build_page(run.tables, options=OPTIONS)
    clips = {row["clip_id"]: row for row in run.tables.clips.to_pylist()}
    assert page.pairs.keys() == {clip.clip_id for clip in page.clips if clip.status == "duplicate"}
    for clip_id, pair in page.pairs.items():
        kept, copy = clips[pair.keeper_id], clips[clip_id]
        assert (kept["status"], pair.because) == ("kept", "sharper")
        shown = {label: values for label, *values in pair.rows}
        assert shown["Picture"] == ["1280 x 720, h264"] * 2
        assert shown["File"] == [words.size(row["num_bytes"]) for row in (kept, copy)]
        assert shown["Bit rate"] == ["1.68 Mb/s"] * 2
        assert shown["Sharpness"] == [words.number(row["sharpness"], digits=4) for row in (kept, copy)]


def test_copied_files_name_their_original(run: DrawnRun) -> None:
    copies = build_page(run.tables, options=OPTIONS).copies
    assert [copy.duplicate_of for copy in copies] == ["harbour/morning fog.mp4"] * 2


def test_partial_files_are_unusual(run: DrawnRun) -> None:
    page = build_page(run.tables, options=OPTIONS)
    assert page.num_odd == summary(run.tables).num_partial == len(page.oddities)
    assert all(view.oddities.startswith("partial: ") for view in page.oddities)


def test_an_empty_run_is_a_page(run: DrawnRun) -> None:
    page = render_report(empty_tables(), options=OPTIONS, read_bytes=run.read_bytes)
    assert all(
        text in page for text in ("no clip to measure.", "no clip to show.", "Every file could be read.")
    )
    assert "Click a bar" not in page


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    assert not re.search(r'(src|href)="(?!data:|#|\./)', page)
    assert "http" not in re.sub(r"data:image[^\"]*", "", page)


def test_same_tables_give_the_same_bytes(run: DrawnRun, page: str) -> None:
    assert render(run) == page


def test_row_order_does_not_change_the_page(run: DrawnRun, page: str) -> None:
    def turned(rows: pa.Table) -> pa.Table:
        return rows.take(pa.array(list(range(rows.num_rows))[::-1], pa.int64()))

    tables = ReportTables(**{name: turned(getattr(run.tables, name)) for name in SCHEMAS})
    assert render(replace(run, tables=tables)) == page


# Previews


def test_previews_of_sampled_clips_only_are_read(run: DrawnRun) -> None:
    asked: list[str] = []
    lock = threading.Lock()

    def read_bytes(uri: str) -> bytes:
        with lock:
            asked.append(uri)
        return run.read_bytes(uri)

    render_report(run.tables, options=replace(OPTIONS, max_clips=10), read_bytes=read_bytes)
    assert 0 < len(asked) <= 10


def test_page_stays_under_its_bound_by_leaving_previews_out(run: DrawnRun, page: str) -> None:
    bare = render(run, replace(OPTIONS, max_clips=64, max_bytes=len(page.encode()) - 60_000))
    assert len(bare.encode()) <= len(page.encode()) - 60_000
    num_inlined = bare.count('src="data:image/webp')
    assert 0 < num_inlined < page.count('src="data:image/webp')
    assert re.search(rf"{num_inlined} previews inside this page, \d+ left out to stay under", bare)


def test_page_without_room_has_no_previews(run: DrawnRun) -> None:
    without = len(render(replace(run, files={})).encode())
    page = render(run, replace(OPTIONS, max_bytes=without + 4096))
    assert "data:image/webp" not in page
    assert len(page.encode()) <= without + 4096


def test_page_that_can_not_fit_says_so(run: DrawnRun) -> None:
    with pytest.raises(ValueError, match="bytes without previews"):
        render(run, replace(OPTIONS, max_bytes=1000))


def test_three_hundred_large_previews_stay_under_25_mb(run: DrawnRun) -> None:
    large = b"RIFF\x00\x00\x00\x00WEBP" + bytes(150_000)
    many = drawn_run(clips_per_video=40, preview_px=16)
    page = render_report(many.tables, options=OPTIONS, read_bytes=lambda _: large)
    assert 24_000_000 < len(page.encode()) <= 25_000_000
    assert page.count('class="cm-card"') == 300


def test_a_preview_that_cannot_be_read_is_counted(page: str) -> None:
    assert "62 previews inside this page, 1 that could not be read" in page


def test_bytes_that_are_no_webp_are_not_inlined() -> None:
    inlined = inline_previews([("a", "x")], read_bytes=lambda _: b"<svg onload=alert(1)>", max_bytes=1000)
    assert (dict(inlined.data_uris), inlined.num_unreadable) == ({}, 1)


def test_data_uri_length_is_exact() -> None:
    data = b"RIFF\x00\x00\x00\x00WEBP" + bytes(89)
    inlined = inline_previews([("a", "x")], read_bytes=lambda _: data, max_bytes=1000)
    assert len(inlined.data_uris["a"]) == data_uri_length(len(data))


def test_report_is_written_once(run: DrawnRun, tmp_path_factory: pytest.TempPathFactory) -> None:
    output = tmp_path_factory.mktemp("out")
    path = write_report(str(output), run.tables, options=OPTIONS)
    first = (output / "report.html").stat().st_mtime_ns
    write_report(str(output), run.tables, options=OPTIONS)
    assert path.endswith("report.html")
    assert (output / "report.html").stat().st_mtime_ns == first


def test_of_a_large_snapshot_a_sample_and_all_rare_clips_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever batches of rows end."""
    kinds = {0: {"status": "filtered", "reason": "dark"}, 1: {"status": "filtered", "reason": "still"}}
    clips = [clip_row(index, video=index // 4, **kinds.get(index % 50, kinds[1])) for index in range(150)]
    kept = [clip_row(index, video=index // 4) for index in range(150, 300)]
    windows = [window_row(clip, 0, 48, "a dog") for clip in (*clips, *kept)]
    rejections = [{"uri": "/films/0.mp4", "clip_id": clip["clip_id"]} for clip in clips]
    publish_by_hand(
        str(tmp_path), [*clips, *kept], {}, windows=windows, rejections=rejections, duplicates=[],
        videos=[{"uri": "/films/0.mp4"}],
    )  # fmt: skip
    monkeypatch.setattr(publication, "CLIPS_AT_ONCE", 40)
    found = publication.report_tables(str(tmp_path), current_snapshot(str(tmp_path)), max_clips=60)
    reasons = Counter(found.clips["reason"].to_pylist())
    assert reasons["dark"] == 3
    assert 0 < reasons["still"] < 147
    assert 0 < reasons[None] < 150
    assert found.counts
    assert found.counts.numbers == {("filtered", "dark"): 3, ("filtered", "still"): 147, ("kept", ""): 150}
    assert found.windows["clip_id"].to_pylist() == found.clips["clip_id"].to_pylist()
