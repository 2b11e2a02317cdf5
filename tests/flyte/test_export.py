"""The export workflow on this machine: the same files as the command's."""

from pathlib import Path

import pytest

from clipmill.export.run import run_export
from clipmill.export.spec import ExportSpec
from tests.support.published import clip_row, publish_by_hand, write_clip_files

SPEC = ExportSpec(min_shards=3)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_workflow_writes_what_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_LOCAL_CACHE_ENABLED", "false")
    from workflows.export import export

    output = tmp_path / "curated"
    clips = [clip_row(index, video=index) for index in range(12)]
    publish_by_hand(str(output), clips, {})
    write_clip_files(output, clips)
    reading = export(output=str(output), dest=str(tmp_path / "flyte"), spec=SPEC)
    assert "WebDataset" in reading[0]
    run_export(str(output), str(tmp_path / "command"), SPEC)
    assert tree(tmp_path / "flyte") == tree(tmp_path / "command")
    assert (tmp_path / "flyte/train/all/000002.tar").is_file()
