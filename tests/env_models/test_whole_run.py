"""Shots, scores, embeddings, captions and duplicates by learned models, from films to the report."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipmill.specs import CurateSpec
from tests.support.checkpoints.store_of_models import fill, full_spec
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import Row, curate_here, environment, rows, run_python
from tests.support.runs.one_codec import one_codec_process

MODELS = [
    ("transnetv2", "transnetv2"), ("aesthetic", "clip"), ("aesthetic", "laion-aesthetic"),
    ("question", "qwen"), ("embedding", "siglip2"), ("caption", "qwen"), ("enhancement", "qwen_lm"),
]  # fmt: skip
"""Stages and their models, in the order of a run."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two shots, and a worn copy of it."""
    folder = tmp_path_factory.mktemp("films")
    film = draw_film(folder / "harbour.mp4", seed=1)
    shutil.copy(film, folder / "renamed.mp4")
    return folder


@pytest.fixture(scope="module")
def output(source: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the inline run leaves."""
    folder = tmp_path_factory.mktemp("out")
    with one_codec_process():
        curate_here(source, folder, CurateSpec.model_validate(full_spec(store)))
    return folder


def manifest(output: Path) -> Row:
    return json.loads((output / "manifest.json").read_text())


def test_the_network_finds_the_cut(output: Path) -> None:
    shots = rows(output, "shots")
    assert {shot["detector"] for shot in shots} == {"transnetv2"}
    assert [(shot["start_frame"], shot["end_frame"]) for shot in shots][-1][1] == 156
    assert len(shots) == 2


def test_every_clip_is_scored_and_embedded(output: Path) -> None:
    clips = rows(output, "clips")
    assert clips
    assert all(clip["aesthetic_score"] is not None for clip in clips)
    assert {clip["embedding_algorithm"] for clip in clips} == {"siglip2"}
    assert {clip["text_match"] for clip in clips} <= {"a harbour", "a market"}
    assert all(0 < clip["text_match_score"] <= 1 for clip in clips)
    embedded = pq.read_table(output / "siglip2_embd_parquet")
    assert sorted(embedded["id"].to_pylist()) == sorted(clip["clip_id"] for clip in clips)


def test_every_window_is_captioned_and_worked_over(output: Path) -> None:
    windows = rows(output, "windows")
    assert {window["status"] for window in windows} <= {"success", "truncated"}
    assert all(window["caption"] for window in windows)
    assert {window["enhanced_status"] for window in windows} <= {"success", "truncated"}
    assert all(0 < window["output_tokens"] <= 6 for window in windows)


def test_questions_have_answers(output: Path) -> None:
    digest = manifest(output)["stage_digests"]["question"]
    [part] = (output / "state" / "question" / digest).rglob("*.parquet")
    table = pq.read_table(part)
    ids = sorted(map(str, table["id"].to_pylist()))
    assert ids == sorted(clip["clip_id"] for clip in rows(output, "clips"))
    assert table["answer_text"].null_count == 0
    assert {clip["answer"] for clip in rows(output, "clips")} <= {"yes", "no", None}


def test_the_manifest_names_models_revisions_and_digests(output: Path) -> None:
    models = manifest(output)["models"]
    assert [(model["stage"], model["name"]) for model in models] == MODELS
    assert all(model["revision"] and len(model["digest"]) == 64 for model in models)


def test_the_report_shows_captions(output: Path) -> None:
    page = (output / "report.html").read_text()
    assert page.count('class="cm-caption"') == len(rows(output, "clips"))
    assert "<caption>Windows" in page
    assert len(rows(output, "windows")) > 0


def test_a_second_run_asks_no_model(output: Path, source: Path, store: Path) -> None:
    before = sorted((output / "state").rglob("*.parquet"))
    curate_here(source, output, CurateSpec.model_validate(full_spec(store)))
    assert sorted((output / "state").rglob("*.parquet")) == before


def test_missing_weights_end_the_run_before_any_work(source: Path, store: Path, tmp_path: Path) -> None:
    spec = json.dumps({"embedding": {"algorithm": "clip", "model_dir": str(tmp_path / "nowhere")}})
    offline = environment(HF_HUB_OFFLINE="1")
    arguments = ["--source", str(source), "--output", str(tmp_path / "out"), "--spec", spec]
    ended = run_python("-m", "workflows.curate", *arguments, env=offline)
    assert ended.returncode != 0
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("clipmill: ")]
    assert "model clip" in line
    assert not (tmp_path / "out" / "state").exists()


@pytest.mark.timeout(600)
def test_the_workflow_on_ray_publishes_the_same(
    output: Path, source: Path, store: Path, tmp_path: Path
) -> None:
    """``workflows.curate`` as people run it: Flyte's tasks in this machine's processes, the core on Ray."""
    arguments = ["--source", str(source), "--output", str(tmp_path), "--spec", json.dumps(full_spec(store))]
    ended = run_python("-m", "workflows.curate", *arguments, timeout_s=580)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]
    for table in ("clips", "windows"):
        statuses = [Counter(str(row["status"]) for row in rows(place, table)) for place in (output, tmp_path)]
        assert statuses[0] == statuses[1]
    ids = [sorted(str(row["window_id"]) for row in rows(place, "windows")) for place in (output, tmp_path)]
    assert ids[0] == ids[1]
