"""Publishing in ranges gives what publishing at once gives, however small the ranges are."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill import identity, layout
from clipmill.dataset.exports import embeddings
from clipmill.dataset.exports.embeddings import embedders, export_clips, export_embeddings, id_ranges
from clipmill.dataset.schemas import TABLES
from clipmill.dataset.snapshots.record import current_snapshot, read_table
from clipmill.outcomes.funnel import Count
from clipmill.specs import CurateSpec
from tests.support.runs.curation import files
from tests.support.state_rows import Project, semantic

pytestmark = pytest.mark.integration

NAMES = [f"{number}.mp4" for number in range(8)]
CLIPS = [(0, 100), (100, 250)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Videos of every kind; the copies of a video and of a clip are far from what they repeat."""
    project = Project(tmp_path_factory.mktemp("ranges"), CurateSpec.model_validate({"motion_filter": {}}))
    for name in NAMES[:5]:
        for clip, sound in zip(project.split(project.inspect(name), CLIPS), ("copied", "lost"), strict=True):
            project.finish(clip, sound=sound)
    low, high = project.split(project.inspect("5.mp4"), CLIPS)
    project.finish(low, motion=0.0)
    project.finish(high)
    project.inspect("6.mp4", video_id="id-0.mp4")
    project.inspect("7.mp4", reason="unreadable", message="7.mp4: truncated")
    return project


def duplicates(project: Project) -> pa.Table:
    """Of the last clip and the first; of the filtered one, and of one that is marked itself: those stay."""
    clips = list(project.spans)
    return semantic((clips[-1], clips[0]), (clips[3], clips[-2]), (clips[5], clips[-1]))


def published(project: Project, **options: int) -> tuple[dict[str, pa.Table], dict[str, bytes], object]:
    shutil.rmtree(layout.join(project.output, "snapshots"), ignore_errors=True)
    Path(layout.manifest_path(project.output)).unlink(missing_ok=True)
    project.publish(duplicates=duplicates(project), **options)
    folders = ("metas/", "processed_", "kept_clips")
    exports = {name: data for name, data in files(Path(project.output)).items() if name.startswith(folders)}
    tables = {name: read_table(project.output, name) for name in TABLES}
    return tables, exports, current_snapshot(project.output).manifest["funnel"]


@pytest.mark.parametrize("clips_per_range", [1, 5, 7], ids="{} clips in a range".format)
@pytest.mark.parametrize("max_rows_per_file", [1, 1_000], ids=["folders", "files"])
def test_ranges_do_not_show(project: Project, clips_per_range: int, max_rows_per_file: int) -> None:
    tables, exports, funnel = published(project)
    assert set(tables["clips"]["status"].to_pylist()) == {"kept", "filtered", "duplicate"}
    options = {"clips_per_range": clips_per_range, "max_rows_per_file": max_rows_per_file}
    in_ranges, exports_in_ranges, funnel_of_ranges = published(project, **options)
    assert {name: table.to_pylist() for name, table in in_ranges.items()} == {
        name: table.to_pylist() for name, table in tables.items()
    }
    assert exports_in_ranges == exports
    assert funnel_of_ranges == funnel


def test_sound_of_kept_clips_is_counted_over_all_ranges(project: Project) -> None:
    counts = project.publish(duplicates=duplicates(project), clips_per_range=5).sound
    assert counts == {"copied": Count(5, 20.0), "lost": Count(5, 30.0)}


def test_a_large_table_is_a_folder_of_its_parts(project: Project) -> None:
    published(project, clips_per_range=5, max_rows_per_file=10)
    folder = Path(layout.table_parts_dir(project.output, "clips"))
    assert len(list(folder.iterdir())) > 1
    assert not Path(layout.table_path(project.output, "clips")).exists()
    assert Path(layout.table_path(project.output, "videos")).exists()
    assert (
        pq.read_table(folder)["clip_id"].to_pylist()
        == read_table(project.output, "clips")["clip_id"].to_pylist()
    )
    published(project)
    assert not list(folder.glob("*"))
    assert Path(layout.table_path(project.output, "clips")).exists()


def test_kept_clips_are_json_as_python_writes_it(project: Project) -> None:
    published(project)
    text = Path(layout.kept_clips_path(project.output)).read_text()
    assert text == json.dumps(json.loads(text), indent=4, ensure_ascii=False) + "\n"
    assert len(json.loads(text)) == 10


def test_a_moved_output_is_whole(project: Project, tmp_path: Path) -> None:
    published(project)
    moved = shutil.copytree(project.output, tmp_path / "moved")
    assert read_table(str(moved), "clips") == read_table(project.output, "clips")
    assert project.output not in (moved / "manifest.json").read_text()
    assert project.output.encode() not in b"".join(
        data for name, data in files(moved).items() if name.endswith(".json")
    )


def test_embeddings_are_cut_by_ranges_of_ids(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (node,) = embedders(project.plan)
    clips = export_clips(project.output, project.plan, project.sources)
    whole = pq.read_table(export_embeddings(project.output, node, clips))
    monkeypatch.setattr(embeddings, "_ROWS_PER_PART", 3)
    parts = sorted(Path(export_embeddings(project.output, node, clips)).iterdir())
    assert len(parts) == 4
    assert pa.concat_tables([pq.read_table(part) for part in parts])["id"] == whole["id"]


def test_embeddings_are_those_of_the_options_of_each_film(tmp_path: Path) -> None:
    project = Project(tmp_path)
    plain, fields = project.curate("a.mp4", traits=""), project.curate("b.mp4", traits="interlaced")
    (node,) = embedders(project.plan)
    effects = node.effects_in("interlaced")
    for clip in fields:  # rows without effects are of a run that took interlaced frames as they are
        for key in ("motion", "quality", "encode"):
            project.put(key, id=clip, effects=effects)
        project.put_windows("preview", clip, effects=effects)
        project.put(node.key, id=clip, effects=effects, embedding=[0.0, 1.0])
    clips = export_clips(project.output, project.plan, project.sources)
    rows = pq.read_table(export_embeddings(project.output, node, clips)).to_pylist()
    expected = {clip: [1.0, 0.0] for clip in plain} | {clip: [0.0, 1.0] for clip in fields}
    assert {row["id"]: row["embedding"] for row in rows} == expected


def test_a_new_id_changes_only_the_range_that_it_lies_in() -> None:
    ids = [identity.clip_id("v", number, number + 1) for number in range(1000)]
    before, after = (
        [part.to_pylist() for part in id_ranges(pa.array(ids[:count]), max_rows=100)] for count in (999, 1000)
    )
    assert len(before) == 16
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
    assert [one for part in after for one in part] == sorted(ids)
