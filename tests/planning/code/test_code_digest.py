"""The code of a user's stage: a changed line that its results depend on changes the digest, nothing else."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from clipmill.errors import SpecError
from clipmill.planning.code.code_digest import code_digest
from clipmill.stages.base import Stage

STAGE = '''"""A filter."""

from fractions import Fraction
from typing import ClassVar

from clipmill.stages.base import Measure, Reads, Stage
from .helpers.luma import luma


class DarkFilter(Stage):
    """Rejects dark clips."""

    name: ClassVar = "dark"
    version: ClassVar = 1
    grain: ClassVar = "clip"

    threshold: float = 0.1

    def reads(self):
        # what it looks at
        return Reads(measures=(Measure("user_measures.dark:darkness", Fraction(2), (1,)),))

    def open(self, context):
        return lambda batch: {"luma_mean": [luma(frames, self.threshold) for frames in batch.frames]}


class DarkerFilter(DarkFilter):
    name: ClassVar = "darker"
'''

LUMA = """
def luma(frames, threshold):
    from user_stages import weights
    return weights.W
"""

DARKNESS = """
from user_measures import scale

def darkness(luma, thumbnail):
    return scale.S
"""

FILES = {
    "user_stages/__init__.py": "",
    "user_stages/filters.py": STAGE,
    "user_stages/helpers/__init__.py": "",
    "user_stages/helpers/luma.py": LUMA,
    "user_stages/weights.py": "import user_other\nW = 3\n",
    "user_stages/unused.py": "U = 1\n",
    "user_other.py": "O = 1\n",
    "user_measures/dark.py": DARKNESS,
    "user_measures/scale.py": "S = 2\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on ``sys.path`` with two packages of a user."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def stage(module: str, name: str = "DarkFilter") -> Stage:
    return getattr(importlib.import_module(module), name)()


def after(
    folder: Path, name: str, old: str, new: str, *, module: str = "user_stages.filters"
) -> tuple[str, str]:
    """Returns the digest before and after a change of a file."""
    one, path = stage(module), folder / name
    before, text = code_digest(one), path.read_text()
    assert text.replace(old, new) != text
    path.write_text(text.replace(old, new))
    return before, code_digest(one)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("user_stages/filters.py", "luma(frames, self.threshold)", "1 - luma(frames, self.threshold)"),
        ("user_stages/helpers/luma.py", "weights.W", "weights.W + 1"),
        ("user_stages/weights.py", "W = 3", "W = 4"),
        ("user_measures/dark.py", "scale.S", "-scale.S"),
        ("user_measures/scale.py", "S = 2", "S = 3"),
    ],
    ids=["its module", "relative import", "import in a function", "its measure", "import of its measure"],
)
def test_changed_code_changes_the_digest(folder: Path, name: str, old: str, new: str) -> None:
    before, now = after(folder, name, old, new)
    assert before != now
    assert len(now) == 32


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("user_stages/filters.py", "# what it looks at", "# what it measures"),
        ("user_stages/filters.py", "Rejects dark clips.", "Rejects clips that are dark."),
        ("user_stages/filters.py", "batch.frames]}", "batch.frames\n        ]}"),
        ("user_stages/unused.py", "U = 1", "U = 2"),
        ("user_other.py", "O = 1", "O = 2"),
    ],
    ids=["comment", "docstring", "layout", "module that is not imported", "module of another package"],
)
def test_a_change_elsewhere_keeps_the_digest(folder: Path, name: str, old: str, new: str) -> None:
    before, now = after(folder, name, old, new)
    assert before == now


def test_two_stages_of_one_module_differ(folder: Path) -> None:
    assert code_digest(stage("user_stages.filters")) != code_digest(
        stage("user_stages.filters", "DarkerFilter")
    )


def test_the_version_of_a_class_above_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    darker = stage("user_stages.filters", "DarkerFilter")
    before = code_digest(darker)
    monkeypatch.setattr(type(darker).__mro__[1], "version", 2)
    assert code_digest(darker) != before


SCRIPT = STAGE.replace("from .helpers.luma import luma", "from script_luma import luma")
TAIL = """
if __name__ == "__main__":
    from clipmill.planning.code.code_digest import code_digest
    print(code_digest(DarkFilter()))
"""


def test_a_top_level_module_counts_with_its_folder(folder: Path) -> None:
    (folder / "script.py").write_text(SCRIPT)
    (folder / "script_luma.py").write_text("def luma(frames, t):\n    return t\n")
    before, now = after(folder, "script_luma.py", "return t", "return -t", module="script")
    assert before != now


def test_a_script_has_the_digest_of_its_import(folder: Path) -> None:
    (folder / "script.py").write_text(SCRIPT + TAIL)
    (folder / "script_luma.py").write_text("def luma(frames, t):\n    return t\n")
    ran = run(folder, "script.py")
    assert ran.stdout.strip() == code_digest(stage("script"))


def test_a_class_of_a_command_line_needs_its_version(folder: Path) -> None:
    text = SCRIPT.replace("script_luma", "user_stages.helpers.luma") + TAIL
    ran = run(folder, "-c", text)
    assert ran.stderr.splitlines()[-1] == (
        "clipmill.errors.SpecError: DarkFilter has no source file: "
        'add `code: ClassVar = "version"` to the class, and raise `version` when its code changes'
    )


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_a_missing_measure_is_named(folder: Path) -> None:
    one = stage("user_stages.filters")
    (folder / "user_measures/dark.py").unlink()
    with pytest.raises(
        SpecError, match=r"DarkFilter reads a measure of user_measures\.dark, which has no source"
    ):
        code_digest(one)


class Trusted(Stage):
    name: ClassVar[str] = "trusted"
    grain: ClassVar = "clip"
    code: ClassVar = "version"


class BuiltIn(Stage):
    name: ClassVar[str] = "built_in"
    grain: ClassVar = "clip"
    __module__ = "clipmill.stages.video.made"


@pytest.mark.parametrize("cls", [Trusted, BuiltIn])
def test_version_alone_is_trusted(cls: type[Stage]) -> None:
    assert code_digest(cls()) == ""
