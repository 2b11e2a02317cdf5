"""The history of failures, and rows that clear them."""

from pathlib import Path

import pyarrow as pa
import pytest

from clipmill.errors import SpecError
from clipmill.limits import LimitsSpec
from clipmill.state.clearing import Cleared, clear, clear_raised
from clipmill.state.failures import failures, good_runs
from clipmill.state.schema import OUTCOME
from clipmill.state.store import ResultStore

KEY, DIGEST = "content", "d"
TIMEOUT = {"reason": "decoder_timeout", "limit": "decode_timeout_s", "limit_value": 5.0}


class Rows:
    def __init__(self, folder: Path) -> None:
        self.output = str(folder)
        self.state = ResultStore(self.output)

    def put(self, run_id: str, *rows: dict[str, object], key: str = KEY, digest: str = DIGEST) -> None:
        table = pa.Table.from_pylist([{"outcome": "retryable", **row} for row in rows], schema=OUTCOME)
        self.state.append(key, digest, table, run_id=run_id)

    def outcomes(self, key: str = KEY, digest: str = DIGEST) -> dict[str, str]:
        table = self.state.read(key, digest, schema=OUTCOME)
        return dict(zip(table["id"].to_pylist(), table["outcome"].to_pylist(), strict=True))


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path)


def test_history_has_every_failure_of_items_without_a_result(rows: Rows) -> None:
    rows.put("1", {"id": "a", **TIMEOUT}, {"id": "b", "reason": "unexpected"})
    rows.put("2", {"id": "a", "reason": "decoder_crashed"}, {"id": "b", "outcome": "result"})
    found = failures(rows.state, KEY, DIGEST)
    assert sorted((one.id, one.run_id, one.reason) for one in found) == [
        ("a", "1", "decoder_timeout"), ("a", "2", "decoder_crashed"),
    ]  # fmt: skip
    assert good_runs(rows.state, KEY, DIGEST) == {"2"}


def test_history_is_that_of_the_ids_asked_for(rows: Rows) -> None:
    rows.put("1", {"id": "a", "reason": "x"}, {"id": "b", "reason": "x"})
    found = failures(rows.state, KEY, DIGEST, among=pa.array(["b"]))
    assert [one.id for one in found] == ["b"]


def test_final_failure_by_a_limit_is_cleared_once_the_limit_is_larger(rows: Rows) -> None:
    rows.put(
        "3", {"id": "a", "outcome": "retryable", **TIMEOUT}, {"id": "b", "outcome": "final", "reason": "x"}
    )
    rows.put("3", {"id": "a", "outcome": "final", **TIMEOUT})
    assert clear_raised(rows.state, {KEY: DIGEST}, LimitsSpec(decode_timeout_s=5)) == []
    cleared = clear_raised(rows.state, {KEY: DIGEST}, LimitsSpec(decode_timeout_s=6))
    assert cleared == [Cleared(KEY, "decoder_timeout", 1)]
    assert rows.outcomes() == {"b": "final"}
    assert clear_raised(rows.state, {KEY: DIGEST}, LimitsSpec(decode_timeout_s=6)) == []


def test_what_fails_after_it_was_cleared_counts_again(rows: Rows) -> None:
    rows.put("1", {"id": "a", "outcome": "final", "reason": "x"})
    clear(rows.output)
    rows.put("2", {"id": "a", "outcome": "final", "reason": "y"})
    assert [one.reason for one in failures(rows.state, KEY, DIGEST)] == ["y"]


def test_clearing_takes_one_stage_and_one_reason_over_all_digests(rows: Rows) -> None:
    rows.put("1", {"id": "a", "reason": "x"}, {"id": "b", "reason": "y"}, {"id": "c", "outcome": "result"})
    rows.put("1", {"id": "a", "outcome": "final", "reason": "x"}, digest="e")
    rows.put("1", {"id": "a", "reason": "x"}, key="other")
    assert clear(rows.output, stage=KEY, reason="x") == [Cleared(KEY, "x", 2)]
    assert rows.outcomes() == {"b": "retryable", "c": "result"}
    assert rows.outcomes(digest="e") == {}
    assert rows.outcomes(key="other") == {"a": "retryable"}


def test_clearing_what_is_not_there_names_what_is(rows: Rows) -> None:
    rows.put("1", {"id": "a", "reason": "x"})
    with pytest.raises(SpecError, match=r"stage nope: the state of .* has content"):
        clear(rows.output, stage="nope")
    with pytest.raises(SpecError, match="reason nope: the failures there have x"):
        clear(rows.output, reason="nope")
