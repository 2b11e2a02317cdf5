"""A stage alone against the same stage among all others: the same columns and the same bytes of files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipmill.specs import CurateSpec
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, rows
from tests.support.runs.one_codec import one_codec_process

Spec = Mapping[str, object]

SPLITS: dict[str, Spec] = {
    "shorter than a second": {
        "algorithm": "fixed_stride",
        "fixed_stride": {"clip_len_s": 0.4, "clip_stride_s": 0.4, "min_clip_length_s": 0.2},
    },
    "by content": {"content": {"min_length_s": 0.5, "max_length_s": 1.5, "crop_s": 0.1}},
}
"""Some clips of the first have no instant of a grid of one frame a second."""

STAGES: dict[str, Spec] = {
    "motion": {"motion": {"target_fps": 3.0, "separate_camera": True}, "motion_filter": {"score_only": True}},
    "quality": {"quality": {"sample_fps": 2.5}},
    "transcode": {"write": {"upload_clips": True}},
    "embedding": {"embedding": {"target_fps": 4.0}},
    "preview": {"preview": {"target_height": 64}, "windows": {"window_size": 16, "remainder_threshold": 8}},
    "frames": {"frames": {"write": True, "target_fps": [1.5, 7.0], "target_height_px": 48}},
}
OFF: Spec = {
    "motion": None, "motion_filter": None, "quality": None, "embedding": None, "preview": None,
    "write": {"upload_clips": False}, "dedup": None, "windows": {"window_size": 16, "remainder_threshold": 8},
}  # fmt: skip
COLUMNS = {
    "motion": ("motion_", "clips"),
    "quality": ("sharpness", "exposure", "colourfulness", "blockiness", "black_ratio", "frozen_ratio",
                "letterbox_ratio", "text_likeness", "clips"),
    "transcode": ("clip_digest", "num_bytes", "num_frames", "framerate", "has_audio", "clips"),
    "embedding": ("embedding_algorithm", "clips"),
    "preview": ("start_frame", "end_frame", "windows"),
    "frames": ("start_frame", "clips"),
}  # fmt: skip
"""Beginnings of the columns of each stage, and their table last."""


@pytest.fixture(scope="module", params=SPLITS.values(), ids=SPLITS)
def split(request: pytest.FixtureRequest) -> Spec:
    return request.param


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("neighbours")
    draw_film(folder / "harbour.mp4", seed=4, shots=(31, 44, 29))
    return folder


@pytest.fixture(scope="module")
def among_all(source: Path, split: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    fields = {name: value for one in STAGES.values() for name, value in one.items()}
    return _run(source, tmp_path_factory.mktemp("all") / "out", {**OFF, **fields, "split": split})


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_alone_makes_what_it_makes_among_all(
    source: Path, split: Spec, among_all: Path, tmp_path: Path, stage: str
) -> None:
    alone = _run(source, tmp_path / "out", {**OFF, **STAGES[stage], "split": split})
    assert _columns(alone, stage) == _columns(among_all, stage)
    made, expected = _files(alone), _files(among_all)
    assert made == {name: expected[name] for name in made}
    assert {name.partition("/")[0] for name in made} >= _folders(stage)
    for folder in _folders(stage):
        assert _of(folder, made) == _of(folder, expected)


def test_every_clip_has_a_preview(among_all: Path) -> None:
    assert all(row["preview_uri"] for row in rows(among_all, "windows"))
    assert {row["clip_id"] for row in rows(among_all, "windows")} == {
        row["clip_id"] for row in rows(among_all, "clips")
    }


def test_shots_are_the_same_without_any_other_stage(
    source: Path, split: Spec, among_all: Path, tmp_path: Path
) -> None:
    alone = _run(source, tmp_path / "out", {**OFF, "split": split})
    assert rows(alone, "shots") == rows(among_all, "shots")


def _run(source: Path, output: Path, fields: Spec) -> Path:
    with one_codec_process():
        curate_here(source, output, CurateSpec.model_validate(fields))
    return output


def _columns(output: Path, stage: str) -> list[dict[str, object]]:
    *starts, table = COLUMNS[stage]
    found = rows(output, table)
    assert found
    names = [name for name in found[0] if name == "clip_id" or name.startswith(tuple(starts))]
    assert len(names) > 1
    return [{name: row[name] for name in names} for row in found]


def _folders(stage: str) -> set[str]:
    folders = {"transcode": "clips", "preview": "previews", "frames": "frames"}
    return {folders[stage]} if stage in folders else set()


def _files(output: Path) -> dict[str, str]:
    """Relative path -> digest of clips, previews and frames, and of each clip's embedding."""
    found = {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("clips", "previews", "frames")
        for path in sorted((output / folder).rglob("*"))
        if path.is_file()
    }
    for path in sorted(output.glob("*_embd_parquet/*.parquet")):
        for row in pq.read_table(path).to_pylist():
            found[f"embedding/{row['id']}"] = repr((row["embedding"], row.get("sketch")))
    return found


def _of(folder: str, files: Mapping[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name.startswith(f"{folder}/")}
