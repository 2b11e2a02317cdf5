"""What comes from files and names is shown as text, never as markup; numbers as a person reads them."""

import json
import re

import pytest

from clipmill.report import names, words
from tests.support.rendered_report import embedded, render
from tests.support.report_tables import ODD_NAME, drawn_run


@pytest.fixture(scope="module")
def page() -> str:
    return render(drawn_run())


def test_names_are_escaped_in_markup(page: str) -> None:
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_embedded_json_cannot_end_its_element(page: str) -> None:
    sources = [str(clip["details"]) for clip in embedded(page)["clips"]]
    assert any(ODD_NAME in source for source in sources)
    assert page.count("</script") == 2


def test_script_json_escapes_what_html_and_javascript_would_read() -> None:
    text = words.script_json({"a": "</script><!--\u2028\u2029&"})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {"a": "</script><!--\u2028\u2029&"}


def test_control_and_direction_characters_are_not_passed_on() -> None:
    assert words.plain("\u202egnp.mp4\x00\x1b") == "\ufffdgnp.mp4\ufffd\ufffd"


def test_long_text_is_cut() -> None:
    assert words.plain("x" * 5000, max_chars=10) == "xxxxxxxxxx…"


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("clips/a b#.mp4", "./clips/a%20b%23.mp4"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("/data/outside/clips/a.mp4", ""),
        ("clips/../../a.mp4", ""),
        ("https://example.org/a.mp4", ""),
        (None, ""),
    ],
    ids=["own file", "script", "absolute", "above", "elsewhere", "none"],
)
def test_only_files_of_the_output_are_linked(uri: str | None, link: str) -> None:
    assert names.relative_link(uri) == link


def test_what_is_missing_is_a_dash(page: str) -> None:
    assert not re.search(
        r"\b(nan|NaN|None|null)\b", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    )
    clip = next(clip for clip in embedded(page)["clips"] if "night_drive" in str(clip["details"]))
    assert (clip["scores"][1], clip["shown"][1]) == (None, words.DASH)
    assert (clip["scores"][2], clip["shown"][2]) == (None, words.DASH)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0069512, "0.00695"),
        (1234.5, "1,234"),
        (0.0, "0"),
        (1.5e-5, "1.50e-5"),
        (None, "\u2013"),
        (float("nan"), "\u2013"),
    ],
    ids=["small", "large", "zero", "tiny", "none", "nan"],
)
def test_number(value: float | None, shown: str) -> None:
    assert words.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (7.7, "7.70 s"),
        (59.7, "1 min 00 s"),
        (725, "12 min 05 s"),
        (11400, "3 h 10 min"),
        (4334400, "1,204 h"),
    ],
)
def test_length(seconds: float, shown: str) -> None:
    assert words.length(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(12.4, "0:12.40"), (59.999, "1:00.00"), (3723.4, "1:02:03.40")]
)
def test_timecode(seconds: float, shown: str) -> None:
    assert words.timecode(seconds) == shown


def test_names_are_below_the_common_folder() -> None:
    assert names.common_root(["/a/b/one.mp4", "/a/b/ones/two.mp4", "/a/bc.mp4"]) == "/a/"
    assert names.common_root(["/a/b/one.mp4"]) == "/a/b/"
    assert names.common_root(["/a/b/one.mp4", "/a/b/one.mp4.mkv"]) == "/a/b/"
    assert names.common_root([]) == ""
