"""What Flyte tries again: the faults that pass, and only those."""

from pathlib import Path

import pytest
from flytekit.exceptions.user import FlyteRecoverableException

from clipmill.errors import StoreError
from clipmill.specs import CurateSpec
from tasks.shards import inspect


def inspect_one(manifest: str, output: Path) -> int:
    return inspect.task_function(manifest=manifest, output=str(output), spec=CurateSpec())


@pytest.mark.parametrize("fault", [ConnectionResetError, TimeoutError], ids=["connection reset", "timeout"])
def test_a_passing_fault_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[OSError]
) -> None:
    def fail(path: Path) -> bytes:
        raise fault("the store hung up")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(FlyteRecoverableException, match=r"films\.json: the store hung up"):
        inspect_one("films.json", tmp_path)


def test_a_lasting_fault_is_not(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"films\.json: No such file"):
        inspect_one(str(tmp_path / "films.json"), tmp_path)


def test_a_fault_of_our_own_is_not(tmp_path: Path) -> None:
    manifest = tmp_path / "films.json"
    manifest.write_text("no manifest")
    with pytest.raises(ValueError, match="json"):
        inspect_one(str(manifest), tmp_path)
