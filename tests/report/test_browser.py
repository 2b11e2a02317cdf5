"""The report in a real browser: it draws, filters, sorts and opens, and asks the network for nothing."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template

import av
import numpy as np
import pytest
import yaml
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    sync_playwright,
)

from clipmill.report.plan_records import ThresholdPlace
from clipmill.report.render import render_report
from clipmill.report.view import ReportTables
from clipmill.specs import CurateSpec
from tests.support.rendered_report import OPTIONS
from tests.support.report_tables import ODD_NAME, SCHEMAS, drawn_run

pytestmark = [pytest.mark.integration, pytest.mark.browser]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
DECK = Template(
    "<!doctype html><html><body><div class='active' style='padding:2rem'>$BODY</div></body></html>"
)


@dataclass
class Watched:
    """A page of the browser, and what it complained about or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def on_request(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.requests.append(request.url)

    def names(self) -> list[str]:
        """Names of the cards that are shown, in their order."""
        return self.page.locator(".cm-card:visible .cm-name").all_text_contents()

    def scores(self, measure: int) -> list[float | None]:
        """A measure of the cards that are shown, in their order."""
        return self.page.evaluate(
            """(measure) => {
              const data = JSON.parse(document.querySelector("#cm-data").textContent);
              const cards = [...document.querySelectorAll(".cm-card")].filter((card) => !card.hidden);
              return cards.map((card) => data.clips[Number(card.dataset.row)].scores[measure]);
            }""",
            measure,
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None and os.environ.get("CLIPMILL_REQUIRE_BROWSER") == "1":
        pytest.fail(f"CLIPMILL_REQUIRE_BROWSER is set, and none of {', '.join(BROWSERS)} is on PATH")
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = drawn_run()
    places = (ThresholdPlace("sharpness", "quality.sharpness.min", score_only="quality.score_only"),)
    view = replace(OPTIONS.view, places=places)
    options = replace(OPTIONS, facts=(("Source", "<b>bold</b>"),), view=view)
    texts = [f"A ferry of line {row} arrives." for row in range(run.tables.windows.num_rows)]
    column = run.tables.windows.schema.get_field_index("text")
    run = replace(
        run, tables=replace(run.tables, windows=run.tables.windows.set_column(column, "text", [texts]))
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(run.tables, options=options, read_bytes=run.read_bytes), encoding="utf-8")
    return path


def opened(context: BrowserContext, path: Path) -> Watched:
    watched = Watched(context.new_page())
    watched.page.on("console", watched.on_console)
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("dialog", lambda dialog: watched.complaints.append(f"dialog: {dialog.message}"))
    watched.page.on("request", watched.on_request)
    watched.page.goto(path.as_uri())
    watched.page.wait_for_selector(".cm-ready")
    return watched


@pytest.fixture(scope="module")
def wide_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def wide(wide_context: BrowserContext, report: Path) -> Iterator[Watched]:
    watched = opened(wide_context, report)
    yield watched
    watched.page.close()
    assert watched.complaints == []


@pytest.fixture(scope="module")
def sorted_page(wide_context: BrowserContext, report: Path) -> Iterator[Watched]:
    watched = opened(wide_context, report)
    yield watched
    watched.page.close()
    assert watched.complaints == []


def width_overflow(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_nothing_is_asked_from_the_network(wide: Watched, report: Path) -> None:
    assert wide.requests == [report.as_uri()]


def test_a_page_without_clips_opens_without_complaint(wide_context: BrowserContext, tmp_path: Path) -> None:
    tables = ReportTables(**{name: schema.empty_table() for name, schema in SCHEMAS.items()})
    path = tmp_path / "report.html"
    path.write_text(render_report(tables, options=OPTIONS, read_bytes=lambda uri: b""), encoding="utf-8")
    empty = opened(wide_context, path)
    assert (empty.complaints, empty.page.locator(".cm-tools:visible").count()) == ([], 0)


def test_previews_are_shown(wide: Watched) -> None:
    wide.page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    widths = wide.page.evaluate(
        "[...document.querySelectorAll('.cm-gallery img')].map((i) => i.naturalWidth)"
    )
    assert len(widths) == 62
    assert set(widths) == {160}


def test_every_picture_has_a_text(wide: Watched) -> None:
    assert wide.page.locator("img:not([alt]), img[alt=''], svg:not([aria-label])").count() == 0


def test_markup_in_names_is_text(wide: Watched) -> None:
    assert ODD_NAME in wide.names()
    assert wide.page.locator(".cm-facts dd").first.text_content() == "<b>bold</b>"
    assert wide.page.locator("script").count() == 2


def test_status_filter_changes_the_list(wide: Watched) -> None:
    wide.page.get_by_role("radio", name="Filtered").check()
    statuses = wide.page.locator(".cm-card:visible").evaluate_all(
        "(cards) => cards.map((c) => c.dataset.status)"
    )
    assert statuses == ["filtered"] * 6
    assert wide.page.locator("#cm-shown").text_content() == "6 of 64 clips"


def test_reason_filter_changes_the_list(wide: Watched) -> None:
    wide.page.locator("#cm-reason").select_option("low_motion")
    reasons = wide.page.locator(".cm-card:visible").evaluate_all(
        "(cards) => cards.map((c) => c.dataset.reason)"
    )
    assert reasons == ["low_motion"] * 3


def test_search_finds_names_as_plain_text(wide: Watched) -> None:
    wide.page.locator("#cm-search").fill("<SCRIPT>")
    assert wide.names() == [ODD_NAME] * 8


def test_search_without_a_match_can_be_undone(wide: Watched) -> None:
    wide.page.locator("#cm-search").fill("no such film")
    assert wide.names() == []
    wide.page.locator("#cm-reset").click()
    assert len(wide.names()) == 64


def draw_webm(path: Path) -> None:
    """A second of VP9, which every browser plays; browsers look at the bytes, not at the name."""
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream("libvpx-vp9", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * shade, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def slider(page: Page, measure: int, side: str) -> Locator:
    return page.locator(f".cm-slider input[data-measure='{measure}'][data-side='{side}']")


def test_a_slider_says_what_a_threshold_takes_and_a_spec_sets_it(wide: Watched) -> None:
    counts = wide.page.evaluate("JSON.parse(document.querySelector('#cm-data').textContent).whatIf")
    measure, found = next((int(index), one) for index, one in counts.items() if one["place"]["min"])
    assert wide.page.locator("#cm-spec").is_hidden()
    slider(wide.page, measure, "min").fill("2")
    said = wide.page.locator(f"[data-lost='{measure}']").text_content()
    assert said is not None
    assert said.startswith(f"takes {found['below'][2]} of {found['num_clips']} kept clips, ")
    written = yaml.safe_load(wide.page.locator("#cm-spec-text").text_content() or "")
    assert written == {"quality": {"sharpness": {"min": found["values"][2]}, "score_only": False}}
    assert CurateSpec.model_validate(written).quality
    copy = wide.page.get_by_role("button", name="Copy as spec")
    wide.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy.click()
    wide.page.get_by_role("button", name="Copied").wait_for()
    assert yaml.safe_load(wide.page.evaluate("navigator.clipboard.readText()")) == written
    slider(wide.page, measure, "min").press("ArrowRight")
    assert copy.is_visible()  # the new spec is not copied yet
    wide.page.locator("#cm-spec-reset").click()
    assert wide.page.locator("#cm-spec").is_hidden()
    assert wide.page.locator(f"[data-lost='{measure}']").text_content() == ""


def test_a_slider_without_a_parameter_says_so(wide: Watched) -> None:
    slider(wide.page, 0, "min").press("ArrowRight")
    note = wide.page.locator("#cm-spec-note").text_content()
    measures = wide.page.evaluate("JSON.parse(document.querySelector('#cm-data').textContent).measures")
    assert note == f"No parameter that only rejects sets: {measures[0].lower()} (min)."
    assert wide.page.get_by_role("button", name="Copy as spec").is_hidden()


def test_a_click_on_a_bar_shows_its_clips(wide: Watched) -> None:
    bar = wide.page.locator("[data-plot='1'] .cm-bin").first
    bar.click()
    low, high = (float(bar.get_attribute(f"data-{end}") or "nan") for end in ("low", "high"))
    shown = [score for score in wide.scores(1) if score is not None]
    assert shown
    assert all(low <= score <= high for score in shown)
    wide.page.locator("#cm-range").click()
    assert len(wide.names()) == 64


def test_bars_work_by_keyboard_with_one_tab_stop_for_each_plot(wide: Watched) -> None:
    assert wide.page.locator(".cm-bin[tabindex='0']").count() == wide.page.locator("[data-plot] svg").count()
    bins = wide.page.locator("[data-plot='1'] .cm-bin")
    bins.first.focus()
    wide.page.keyboard.press("ArrowRight")
    wide.page.keyboard.press("Enter")
    low, high = (float(bins.nth(1).get_attribute(f"data-{end}") or "nan") for end in ("low", "high"))
    shown = [score for score in wide.scores(1) if score is not None]
    assert 0 < len(shown) < 64
    assert all(low <= score <= high for score in shown)


def test_captions_are_searched_and_stand_above_the_picture(wide: Watched) -> None:
    caption = wide.page.locator(".cm-card .cm-caption").first.text_content()
    assert caption
    wide.page.locator("#cm-search").fill(caption.upper())
    card = wide.page.locator(".cm-card:visible .cm-open").first
    card.click()
    assert caption in (wide.page.locator("#cm-dialog-caption").text_content() or "")
    assert wide.page.locator("#cm-dialog-details details").count() > 0


def test_a_clip_plays_where_its_file_lies_beside_the_page(browser: Browser, tmp_path: Path) -> None:
    run = drawn_run()
    (tmp_path / "report.html").write_text(
        render_report(run.tables, options=OPTIONS, read_bytes=run.read_bytes), encoding="utf-8"
    )
    context = browser.new_context()
    watched = opened(context, tmp_path / "report.html")
    watched.page.locator(".cm-card .cm-open").first.click()
    link = watched.page.locator("#cm-dialog-link a").get_attribute("href")
    assert link is not None
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    draw_webm(tmp_path / link)
    watched.page.get_by_role("button", name="Play the clip").click()
    watched.page.wait_for_selector("#cm-dialog-frame video")
    assert watched.complaints == []
    context.close()


@pytest.mark.parametrize("measure", range(10))
def test_sorting_orders_by_each_measure_with_missing_ones_last(sorted_page: Watched, measure: int) -> None:
    sorted_page.page.locator("#cm-sort").select_option(str(measure))
    ascending = sorted_page.scores(measure)
    known = [score for score in ascending if score is not None]
    assert known == sorted(known)
    assert ascending == known + [None] * (len(ascending) - len(known))
    sorted_page.page.locator("#cm-order").click()
    assert sorted_page.scores(measure)[: len(known)] == sorted(known, reverse=True)
    sorted_page.page.locator("#cm-order").click()


def test_sorting_by_source_and_time_comes_back(wide: Watched) -> None:
    before = wide.names()
    wide.page.locator("#cm-sort").select_option("0")
    wide.page.locator("#cm-sort").select_option("")
    assert wide.names() == before


def test_click_opens_the_clip_with_its_metadata(wide: Watched) -> None:
    card = wide.page.locator(".cm-card").first
    card.locator("button").click()
    dialog = wide.page.locator("#cm-dialog")
    assert dialog.is_visible()
    assert ODD_NAME in (dialog.locator("h2").text_content() or "")
    assert "Colourfulness" in dialog.inner_text()
    assert dialog.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 160
    assert (dialog.locator("a").get_attribute("href") or "").startswith("./clips/")


def test_the_larger_view_works_by_keyboard(wide: Watched) -> None:
    wide.page.locator(".cm-card button").first.focus()
    wide.page.keyboard.press("Enter")
    heading = wide.page.locator("#cm-dialog-name")
    first = heading.text_content()
    wide.page.keyboard.press("ArrowRight")
    assert heading.text_content() != first
    wide.page.keyboard.press("ArrowLeft")
    assert heading.text_content() == first
    wide.page.keyboard.press("Escape")
    assert not wide.page.locator("#cm-dialog").is_visible()


def test_duplicates_show_both_pictures(wide: Watched) -> None:
    pairs = wide.page.locator(".cm-pair")
    assert pairs.count() == 7
    assert all(pairs.nth(index).locator("img").count() >= 2 for index in range(pairs.count()))


def test_a_duplicate_opens_beside_the_clip_that_was_kept(wide: Watched) -> None:
    wide.page.locator(".cm-copies [data-open]").first.click()
    pair = wide.page.locator("#cm-dialog-pair")
    assert "The other one was kept: sharper" in pair.inner_text()
    assert pair.locator("img").count() == 2
    assert {"Picture", "Bit rate", "Sharpness"} <= set(pair.locator("th:first-child").all_inner_texts())
    pair.locator("[data-open]").first.click()
    assert not pair.is_visible()
    assert "kept" in wide.page.locator("#cm-dialog-verdict").inner_text()
    wide.page.keyboard.press("Escape")


def test_previews_can_be_paused(wide: Watched) -> None:
    wide.page.locator("#cm-play").click()
    wide.page.wait_for_function("document.querySelectorAll('.cm-gallery canvas').length === 62")
    assert wide.page.locator(".cm-gallery img:visible").count() == 0
    wide.page.locator("#cm-play").click()
    assert wide.page.locator(".cm-gallery img:visible").count() == 62


def test_previews_stand_still_where_motion_is_unwanted(browser: Browser, report: Path) -> None:
    with browser.new_context(reduced_motion="reduce") as context:
        watched = opened(context, report)
        watched.page.wait_for_function("document.querySelectorAll('.cm-gallery canvas').length === 62")
        assert watched.page.locator(".cm-gallery img:visible").count() == 0
        assert watched.complaints == []


def test_dark_page_is_dark(browser: Browser, report: Path) -> None:
    with browser.new_context(color_scheme="dark") as context:
        watched = opened(context, report)
        background = watched.page.locator(".cm").evaluate("(root) => getComputedStyle(root).backgroundColor")
        assert background == "rgb(20, 21, 23)"
        assert width_overflow(watched.page) == 0
        assert len(watched.page.screenshot()) > 10_000


@pytest.mark.parametrize("width_px", [320, 390, 768])
def test_narrow_page_does_not_scroll_sideways(browser: Browser, report: Path, width_px: int) -> None:
    with browser.new_context(viewport={"width": width_px, "height": 844}) as context:
        watched = opened(context, report)
        assert width_overflow(watched.page) == 0
        watched.page.locator(".cm-card button").first.click()
        box = watched.page.locator("#cm-dialog").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width_px
        assert watched.complaints == []


def test_page_works_inside_another_page(wide_context: BrowserContext, report: Path, tmp_path: Path) -> None:
    deck = tmp_path / "deck.html"
    deck.write_text(DECK.substitute(BODY=report.read_text(encoding="utf-8")), encoding="utf-8")
    watched = opened(wide_context, deck)
    watched.page.get_by_role("radio", name="Duplicate").check()
    assert len(watched.names()) == 11
    assert width_overflow(watched.page) == 0
    assert watched.complaints == []
    watched.page.close()
