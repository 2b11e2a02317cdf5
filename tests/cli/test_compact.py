"""``clipmill compact``: one line per stage, and a refusal where no run was."""

from pathlib import Path

import pytest

from clipmill.cli.exits import DONE, MISUSE
from clipmill.cli.main import main
from tests.state.test_compaction import fill
from tests.state.test_store import Rows
from workflows.state import compact_state


def test_it_says_how_many_parts_are_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows(tmp_path)
    fill(rows)
    before = rows.read()
    Path(rows.store.parts(rows.key, "d").live[0]).write_bytes(b"")
    assert main(["compact", str(tmp_path)]) == DONE
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "state/motion/d: 30 parts before, 1 after, 1 damaged and set aside"
    assert said[1] == "0 parts deleted that were replaced a day ago or earlier"
    assert set(rows.read()["id"].to_pylist()) <= set(before["id"].to_pylist())


def test_an_output_without_state_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compact", str(tmp_path)]) == MISUSE
    assert "has no state" in capsys.readouterr().err


def test_flyte_compacts_by_a_task(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    fill(rows)
    assert compact_state(output=str(tmp_path)) == 1
