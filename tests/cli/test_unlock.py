"""``clipmill unlock``: names the holder before it breaks its hold."""

from pathlib import Path

import pytest

from clipmill.cli.exits import MISUSE
from clipmill.cli.main import main
from clipmill.errors import Fenced
from clipmill.runs.lease import take
from clipmill.runs.lease_file import read_lease
from clipmill.runs.run_id import new_run_id

RUN = new_run_id()


def test_the_holder_is_named_and_nothing_changes(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lease = take(str(output), RUN)
    assert main(["unlock", str(output)]) == 4
    said = capsys.readouterr().out
    record = read_lease(str(output))
    assert record is not None
    for part in (RUN, record.host, str(output), record.started, "--yes"):
        assert part in said
    lease.hold()


def test_with_yes_its_hold_is_broken(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lease = take(str(output), RUN)
    assert main(["unlock", str(output), "--yes"]) == 0
    assert RUN in capsys.readouterr().out
    with pytest.raises(Fenced, match="it was unlocked"):
        lease.hold()
    take(str(output), new_run_id())


def test_a_free_output_is_said_to_be_free(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that no run wrote to is none: it may be the wrong one."""
    output.mkdir()
    assert main(["unlock", str(output)]) == MISUSE
    assert "is no output of clipmill: no run wrote to it" in capsys.readouterr().err
    take(str(output), RUN).release()
    assert main(["unlock", str(output)]) == 0
    assert capsys.readouterr().out == f"no run holds {output}\n"
