"""What source text says: layout does not count, code does, and Python 3.11 and 3.12 agree."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from clipmill.planning.code import source_text
from clipmill.planning.code.source_text import read_source, source_of

CODE = """
import os

LIMIT = 3

def area(width, height):
    if width > LIMIT:
        return width * height
    return 0
"""

FSTRINGS = r'''
name, width = "é", 3
plain = f"{name!r:>{width}} of {{braces}} and {name + 'x'}"
raw = rf"\d{name}" f"{1}" "two"
wide = f"{'':>{width}}{name:}"
long = f"""é {name
} {{ {f'{width}'} 🎬
end""" + F'{name}'
'''


def digest(text: str) -> str:
    return source_of(text).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 3  # at most"),
        ("import os", '"""What this module does."""\nimport os'),
        ("    if width", '    """Returns an area."""\n    if width'),
        ("LIMIT = 3", 'LIMIT = 3\n"""The largest width, " in pixels" 🎬."""'),
        ("    return 0", "\n\n    return 0"),
        ("    return 0\n", "    return 0"),
        ("return width * height", "return width*height"),
        ("def area(width, height):", "def area(\n  width,\n  height,\n):"),
        ("LIMIT = 3", "LIMIT = \\\n  3"),
        ("\n", "\r\n"),
    ],
    ids=["comment", "docstring of a module", "docstring of a function", "docstring of a value", "blank line",
         "no last line end", "spaces", "one parameter a line", "continued line", "line ends"],
)  # fmt: skip
def test_comments_docstrings_and_layout_do_not_count(old: str, new: str, tmp_path: Path) -> None:
    assert CODE.replace(old, new) != CODE
    (tmp_path / "old.py").write_bytes(CODE.encode())
    (tmp_path / "new.py").write_bytes(CODE.replace(old, new).encode())
    assert read_digest(tmp_path / "old.py") == read_digest(tmp_path / "new.py")


def read_digest(path: Path) -> str:
    return read_source(path).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("width > LIMIT", "width >= LIMIT"),
        ("        return width * height\n    return 0", "        return width * height\n        return 0"),
        ("import os", "import os; 'text'.strip()"),
        ("return 0", "return '0'"),
        ("return 0", "return f'0'"),
    ],
    ids=["number", "operator", "indentation", "statement", "string", "f-string"],
)
def test_code_counts(old: str, new: str) -> None:
    assert CODE.replace(old, new) != CODE
    assert digest(CODE) != digest(CODE.replace(old, new))


@pytest.mark.parametrize(
    "text",
    ["f(a, b{})", "f(a{})", "f()(a{})", "[a, b{}]", "x[a, b{}]", "{{a{}}}", "def f(a{}): pass",
     "class A(B{}): pass", "from a import (b{})", "(a, b{})", "f(lambda a: b{})"],
)  # fmt: skip
def test_a_comma_that_a_formatter_adds_does_not_count(text: str) -> None:
    assert digest(text.format("")) == digest(text.format(","))


@pytest.mark.parametrize(
    "text",
    ["(a{})", "x[a{}]", "return_ = (a{})", "for i in (a{}): pass", "(lambda a, b: a{})", "print(1, (a{}))",
     "match (a{}):\n  case 1: pass"],
)  # fmt: skip
def test_a_comma_that_makes_a_tuple_counts(text: str) -> None:
    assert digest(text.format("")) != digest(text.format(","))


def test_a_class_whose_body_is_a_docstring_reads_as_one_without() -> None:
    assert digest('class Ä(E): "Why."\n') == digest('class Ä(E): "Because."\n')


def test_a_string_that_is_a_value_is_no_docstring() -> None:
    assert digest('x: "int"') != digest('x: "str"')
    assert digest('x = ["", "a"]') != digest('x = ["a"]')


def test_imports_are_found_anywhere() -> None:
    text = "import a.b\ndef f():\n    from ..c import d, e as g\n    import h.i as j\n    from k import *\n"
    found = {(one.level, one.module, one.names, one.binds_parents) for one in source_of(text).imports}
    assert found == {
        (0, "a.b", (), True), (2, "c", ("d", "e"), False), (0, "h.i", (), False), (0, "k", (), False),
    }  # fmt: skip


def test_a_file_that_is_no_python_counts_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def (:\n")
    before = read_digest(path)
    path.write_text("def (:  # still\n")
    assert read_digest(path) != before


_ASK = """
import json, sys, types
for name, folders in (("clipmill", []), ("clipmill.planning", []), ("clipmill.planning.code", [sys.argv[1]])):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = folders
from clipmill.planning.code.source_text import source_of
print(json.dumps([source_of(text).digest for text in json.load(sys.stdin)]))
"""


@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_every_python_gives_the_same_digest(version: str) -> None:
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"no Python {version} on this machine")
    texts = [
        CODE,
        FSTRINGS,
        *(path.read_text() for path in sorted(Path(__file__).parents[1].glob("test_*.py"))[:5]),
    ]
    folder = str(Path(source_text.__file__).parent)
    asked = subprocess.run(
        [python, "-B", "-c", _ASK, folder],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(asked.stdout) == [digest(text) for text in texts]
