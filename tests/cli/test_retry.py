"""``clipmill retry``."""

from pathlib import Path

import pyarrow as pa
import pytest

from clipmill.cli.exits import DONE, MISUSE
from clipmill.cli.main import main
from clipmill.state.schema import OUTCOME
from clipmill.state.store import ResultStore


@pytest.fixture
def output(tmp_path: Path) -> str:
    """An output in which a crash and a damaged file are final failures."""
    rows = [
        {"id": name, "outcome": "final", "reason": reason}
        for name, reason in (("a", "decoder_crashed"), ("b", "decoder_crashed"), ("c", "unreadable"))
    ]
    table = pa.Table.from_pylist(rows, schema=OUTCOME)
    ResultStore(str(tmp_path)).append("content", "d", table, run_id="1")
    return str(tmp_path)


def left(output: str) -> list[str]:
    return ResultStore(output).read("content", "d", schema=OUTCOME)["id"].to_pylist()


def test_failures_are_tried_again_by_reason(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retry", output, "--reason", "decoder_crashed"]) == DONE
    assert capsys.readouterr().out == "content, decoder_crashed: 2 to be tried again\n"
    assert left(output) == ["c"]


def test_all_failures_are_tried_again_once(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retry", output]) == DONE
    assert left(output) == []
    capsys.readouterr()
    assert main(["retry", output]) == DONE
    assert capsys.readouterr().out == "there is nothing to try again\n"


@pytest.mark.parametrize(
    ("option", "known"), [("--stage", "has content"), ("--reason", "have decoder_crashed, unreadable")]
)
def test_what_is_not_there_is_one_line(
    output: str, capsys: pytest.CaptureFixture[str], option: str, known: str
) -> None:
    assert main(["retry", output, option, "nope"]) == MISUSE
    said = capsys.readouterr().err
    assert said.startswith("clipmill: ")
    assert known in said
    assert said.count("\n") == 1
