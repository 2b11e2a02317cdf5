"""Weights from elsewhere lie where nobody else can put any."""

import os
import tempfile
from pathlib import Path

import pytest

from clipmill.models.weights.places import node_cache


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("temporary")
def test_the_folder_is_its_users_alone() -> None:
    assert node_cache().stat().st_mode & 0o777 == 0o700
    assert node_cache().name.endswith(f"-{os.getuid()}")


def test_a_folder_that_others_may_write_to_is_refused(temporary: Path) -> None:
    folder = temporary / f"clipmill-models-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="not this user's alone"):
        node_cache()


def test_a_link_to_elsewhere_is_refused(temporary: Path) -> None:
    (temporary / "elsewhere").mkdir()
    (temporary / f"clipmill-models-{os.getuid()}").symlink_to(temporary / "elsewhere")
    with pytest.raises(PermissionError, match="not this user's alone"):
        node_cache()
