"""Exports as training jobs read them: PyTorch over ranks and workers, Hugging Face datasets, Lance."""

import re
from collections import Counter
from pathlib import Path

import datasets
import pytest
import webdataset
from torch.utils.data import DataLoader

from clipmill.export.run import run_export
from clipmill.export.spec import export_spec
from tests.support.films.numbered_films import draw
from tests.support.published import Row, clip_row, publish_by_hand, write_clip_files


@pytest.fixture
def clips(tmp_path: Path) -> list[Row]:
    rows = [clip_row(index, video=index // 3) for index in range(40)]
    publish_by_hand(str(tmp_path / "curated"), rows, {})
    write_clip_files(tmp_path / "curated", rows)
    return rows


def export(tmp_path: Path, **fields: object) -> Path:
    dest = tmp_path / "export"
    run_export(str(tmp_path / "curated"), str(dest), export_spec(fields))
    return dest


def test_two_ranks_with_two_workers_see_each_sample_once(
    clips: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tars = sorted(str(path) for path in export(tmp_path, min_shards=4).rglob("*.tar"))
    seen: Counter[str] = Counter()
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        split = webdataset.WebDataset(tars, nodesplitter=webdataset.split_by_node, shardshuffle=False)
        loader = DataLoader(split.to_tuple("__key__", "json"), batch_size=None, num_workers=2)
        own = Counter(key for key, _ in loader)
        assert own
        seen += own
    assert seen == Counter(str(clip["clip_id"]) for clip in clips)


def test_the_loader_of_the_page_reads_an_export(
    clips: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for clip in clips:
        draw(tmp_path / "curated" / str(clip["clip_uri"]), 20)
    run_export(str(tmp_path / "curated"), str(tmp_path / "shards"), export_spec({"min_shards": 2}))
    page = (Path(__file__).parents[2] / "docs/export.md").read_text()
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, "docs/export.md", "exec"), names)
    seen = Counter(line.split()[0] for line in capsys.readouterr().out.splitlines())
    assert seen == Counter({str(clip["clip_id"]): 2 for clip in clips})


def test_hugging_face_loads_all_parts(clips: list[Row], tmp_path: Path) -> None:
    dest = export(tmp_path, format="hf")
    found = datasets.load_dataset(str(dest), cache_dir=str(tmp_path / "cache"))["train"]
    assert isinstance(found.features["video"], datasets.Video)
    rows = found.cast_column("video", datasets.Video(decode=False))
    by_id = {row["clip_id"]: row["video"]["bytes"] for row in rows}
    assert by_id == {
        clip["clip_id"]: (tmp_path / "curated" / str(clip["clip_uri"])).read_bytes() for clip in clips
    }


def test_lance_has_rows_and_blobs(clips: list[Row], tmp_path: Path) -> None:
    import lance  # from here on it warns of every fork, and workers of PyTorch are forked

    dest = export(tmp_path, format="lance", min_shards=3)
    found = lance.dataset(str(dest / "data.lance"))
    assert found.count_rows() == len(clips)
    ids = found.to_table(columns=["clip_id"])["clip_id"].to_pylist()
    (blob,) = found.take_blobs("video", indices=[0])
    clip = next(clip for clip in clips if clip["clip_id"] == ids[0])
    assert blob.readall() == (tmp_path / "curated" / str(clip["clip_uri"])).read_bytes()
