"""Words that make a reader stop do not stand in pages, messages or comments."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORDS = re.compile(r"\b(nobody|whoever|somebody|anybody|everybody|the documents|told)\b", re.IGNORECASE)
QUOTED = {"clipmill/models/captioning/prompts.py"}
"""A prompt is part of the digest of captions: its words stay."""
FOLDERS = ("clipmill", "tasks", "workflows", "images", "footage", "bench", "examples", "docs")
ENDINGS = {".py", ".md", ".html", ".js", ".yaml"}
FILES = sorted(
    str(path.relative_to(ROOT))
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in ENDINGS and "vendor" not in path.parts
)


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile"])
def test_a_page_is_in_plain_words(page: str) -> None:
    assert not WORDS.findall((ROOT / page).read_text())


def test_all_files_are_in_plain_words() -> None:
    found = {name: WORDS.findall((ROOT / name).read_text()) for name in FILES if name not in QUOTED}
    assert not {name: words for name, words in found.items() if words}
