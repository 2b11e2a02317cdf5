"""The documentation is true: links lead somewhere, commands exist, generated pages are current."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from clipmill.cli.exits import DONE
from clipmill.cli.main import main
from clipmill.dataset.schemas import TABLES, table_schemas
from clipmill.engine.runners.process_changes import CUSTOM
from clipmill.planning.from_spec import plan_of_spec
from clipmill.records import DropCause, VideoReason
from clipmill.spec_file import load_spec, spec_of_fields
from clipmill.specs import CurateSpec
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES, QualityFilterStage
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.storage.video_kinds import VIDEO_SUFFIXES
from clipmill.yaml_file import parse_groups
from tests.support.films.document_film import draw_parts

pytestmark = pytest.mark.integration


ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import stage_facts  # noqa: E402 - lies beside the pages
import write_models  # noqa: E402 - lies beside the pages
import write_spec  # noqa: E402 - lies beside the pages

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
BY_NAME = {str(page.relative_to(ROOT)): page for page in PAGES}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def links(page: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)]+)\)", page.read_text()) if "://" not in link]


LINKS = [(name, link) for name, page in BY_NAME.items() for link in links(page)]
COMMANDS = [
    (name, line)
    for name, page in BY_NAME.items()
    for block in blocks(page, "sh")
    for line in block.splitlines()
]


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_a_link_leads_to_a_file(name: str, link: str) -> None:
    assert (BY_NAME[name].parent / link.split("#")[0]).is_file()


def test_the_site_shows_every_page() -> None:
    assert set(re.findall(r": ([a-z-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)) == {
        page.name for page in DOCS.glob("*.md")
    }


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link).resolve() for link in links(ROOT / "README.md")}
    assert {page for page in PAGES if page.name != "README.md"} <= linked


@pytest.mark.parametrize(("name", "line"), COMMANDS)
def test_a_command_names_what_is_there(name: str, line: str) -> None:
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert targets is not None
    words = line.split()
    if words[0] == "make":
        assert words[1] in targets[1].split()
    for word in words:
        if re.match(r"(workflows|examples)/", word):
            assert (ROOT / word).exists()


@pytest.mark.parametrize("block", [block for page in PAGES for block in blocks(page, "yaml")])
def test_a_spec_shown_is_a_spec(block: str) -> None:
    assert spec_of_fields(parse_groups(block, "the page"), "the page") != CurateSpec()


@pytest.mark.parametrize(
    "spec", [line.split("--spec '")[1].rstrip("'") for _, line in COMMANDS if "--spec '" in line]
)
def test_a_spec_in_a_command_is_one(spec: str) -> None:
    fields = yaml.safe_load(spec)
    assert load_spec(spec if "eps" not in fields else "{}") is not None


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_an_example_is_a_spec(example: Path) -> None:
    assert load_spec(str(example)) != CurateSpec()


@pytest.mark.parametrize("part", write_spec.parts(), ids=lambda part: part["model"])
def test_every_parameter_has_a_meaning(part: write_spec.Part) -> None:
    assert set(write_spec.fields_of(part)) <= set(part["fields"])


def test_every_group_of_the_spec_has_a_section() -> None:
    groups = {part["key"].split(".")[0] for part in write_spec.parts()}
    assert set(CurateSpec.model_fields) <= groups | set(VideoReader.model_fields)


def test_the_spec_page_is_current() -> None:
    assert (DOCS / "spec.md").read_text() == write_spec.page(), "run: python docs/write_spec.py"


def test_the_table_of_models_is_current() -> None:
    assert (DOCS / "models.md").read_text() == write_models.page(), "run: python docs/write_models.py"


def test_every_built_in_stage_has_a_section() -> None:
    assert set(write_spec.stages()) <= {part["model"] for part in write_spec.parts()}


EVERYTHING = {
    "aesthetics": {}, "questions": [{"question": "Is it day?"}], "captions": {}, "enhancement": {},
    "embedding": {"algorithm": "siglip2"},
}  # fmt: skip
"""A spec with every stage on that adds a column."""


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_a_meaning(table: str) -> None:
    plan = plan_of_spec(CurateSpec.model_validate(EVERYTHING), source="films", output="out")
    section = (DOCS / "outputs.md").read_text().split(f"\n## {table}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == table_schemas(plan)[table].names


def reasons() -> set[str]:
    """Why the built-in stages filter clips: by rules, where all of their bounds are set, or by a failure."""
    bounds = {"min": 0.0, "max": 1.0}
    stages = [
        *stage_facts.examples(),
        QualityFilterStage.model_validate(dict.fromkeys(QUALITY_SCORES, bounds)),
    ]
    by_rules = {rule.reason for stage in stages for rule in stage.rules()}
    return {CUSTOM, *by_rules, *(stage.failure_reason for stage in stages if stage.failure_reason)}


@pytest.mark.parametrize("reason", [*VideoReason, *sorted(reasons())], ids=repr)
def test_every_reason_is_explained(reason: str) -> None:
    assert f"`{reason}`" in (DOCS / "curate-your-footage.md").read_text()


@pytest.mark.parametrize("cause", DropCause)
def test_every_cause_of_lost_time_is_explained(cause: str) -> None:
    assert f"`{cause}`" in (DOCS / "outputs.md").read_text()


def test_the_endings_of_videos_are_listed() -> None:
    assert " ".join(VIDEO_SUFFIXES) in (DOCS / "curate-your-footage.md").read_text()


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *, modules: Path) -> None:
    """Runs the Python blocks of a page as one script in a folder."""
    monkeypatch.chdir(folder)
    for place in (modules, folder):
        monkeypatch.syspath_prepend(place)
    name = f"{page.stem}_page"
    (folder / f"{name}.py").write_text("\n".join(blocks(page, "python")))
    try:
        importlib.import_module(name)
    finally:
        sys.modules.pop(name, None)


def test_the_python_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_parts(tmp_path / "films" / "parts.mp4")
    run_page(DOCS / "python.md", tmp_path, monkeypatch, modules=ROOT / "examples")
    assert (tmp_path / "curated" / "report.html").is_file()


def test_the_customisation_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = ROOT / "examples" / "my_stage"
    run_page(DOCS / "customise.md", tmp_path, monkeypatch, modules=package)
    assert "'warmth': 0.99" in capsys.readouterr().out
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(package),
        str(package),
    ]
    path = os.pathsep.join([str(package), str(ROOT)])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert "2 passed" in done.stdout, done.stdout


@pytest.mark.integration
def test_the_customised_stage_runs_from_a_spec_and_its_scores_can_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples" / "my_stage")
    monkeypatch.chdir(tmp_path)
    np.savez("weights.npz", weights=np.array([6.0, 0.0, -6.0]), bias=0.0)
    draw_parts(tmp_path / "films" / "parts.mp4")
    (block,) = blocks(DOCS / "customise.md", "yaml")
    (tmp_path / "warm.yaml").write_text(block)
    assert main(["curate", "films", "curated", "--spec", "warm.yaml", "--set", "preview=null"]) == DONE
    warmth = pq.read_table("curated/tables/clips.parquet")["warmth"]
    assert warmth.null_count == 0
    run_page(DOCS / "thresholds.md", tmp_path, monkeypatch, modules=tmp_path)
    assert "sharpness {0.05:" in capsys.readouterr().out
