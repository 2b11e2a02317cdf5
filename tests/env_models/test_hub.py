"""Fetching from a hub, by the hub's own client."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clipmill.errors import ModelUnavailable
from clipmill.models.registry import model_named
from clipmill.models.weights import inventory
from clipmill.models.weights.mirror import mirror
from clipmill.models.weights.resolve import weights_of
from tests.support.stand_ins.hub_stand_in import Hub, hub_of

CLIP = model_named("clip")
NUM_BYTES = 12 << 20  # the client keeps what it has in steps of 10 MiB


def write_safetensors(path: Path, num_bytes: int = 1000) -> None:
    header = json.dumps({"a": {"dtype": "U8", "shape": [num_bytes], "data_offsets": [0, num_bytes]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(num_bytes))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tmp_path / "served"
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", NUM_BYTES)
    (folder / "config.json").write_text('{"model_type": "clip"}')
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with hub_of({CLIP.source: folder}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        yield hub


def test_missing_weights_are_fetched_beside_the_others(served: Hub, tmp_path: Path) -> None:
    weights = weights_of(CLIP, model_dir=str(tmp_path / "models"))
    assert weights.folder == tmp_path / "models" / CLIP.source
    names = {path.name for path in weights.folder.iterdir() if path.is_file()}
    assert names == {"config.json", "model.safetensors", inventory.NAME}
    assert weights.revision == served.commit


def test_what_is_there_is_not_asked_for_again(served: Hub, tmp_path: Path) -> None:
    first = weights_of(CLIP, model_dir=str(tmp_path))
    served.requests.clear()
    assert weights_of(CLIP, model_dir=str(tmp_path)) == first
    assert served.requests == []


def test_a_broken_download_goes_on_where_it_broke(served: Hub, tmp_path: Path) -> None:
    served.cuts.append(11 << 20)
    weights_of(CLIP, model_dir=str(tmp_path))
    assert any("bytes=10485760-" in request for request in served.requests)


def test_another_revision_than_the_one_that_is_there_is_refused(served: Hub, tmp_path: Path) -> None:
    weights_of(CLIP, model_dir=str(tmp_path))
    with pytest.raises(ModelUnavailable, match=f"revision {served.commit}, not 1234567"):
        weights_of(CLIP, model_dir=str(tmp_path), revision="1234567")


def test_a_file_that_is_not_what_the_hub_lists_is_refused(served: Hub, tmp_path: Path) -> None:
    listed = served.answer

    def other_content(path: str) -> tuple[int, bytes, dict[str, str]]:
        status, data, headers = listed(path)
        return status, data[:-1] + b"x" if path.endswith(".safetensors") else data, headers

    served.answer = other_content
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors is not what the hub lists"):
        weights_of(CLIP, model_dir=str(tmp_path))


def test_weights_only_as_pickles_are_not_fetched(served: Hub, tmp_path: Path) -> None:
    (served.models[CLIP.source] / "model.safetensors").unlink()
    (served.models[CLIP.source] / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match="no weights in a format that is safe to load"):
        weights_of(CLIP, model_dir=str(tmp_path))


def test_a_mirror_is_filled_from_the_hub(served: Hub, tmp_path: Path) -> None:
    place = mirror(CLIP, into=str(tmp_path / "store"))
    assert place == str(tmp_path / "store" / CLIP.source)
    assert (Path(place) / inventory.NAME).is_file()


def test_a_remote_mirror_is_filled_from_the_hub_and_read_again(
    served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = mirror(CLIP, into="memory://mirror")
    assert place == f"memory://mirror/{CLIP.source}"
    served.requests.clear()
    assert mirror(CLIP, into="memory://mirror") == place
    assert weights_of(CLIP, model_dir="memory://mirror").revision == served.commit
    assert served.requests == []


def test_a_model_that_the_hub_does_not_know_is_named(served: Hub, tmp_path: Path) -> None:
    unknown = replace(CLIP, source="openai/none")
    with pytest.raises(ModelUnavailable, match="the hub has no such model or revision; check the revision"):
        weights_of(unknown, model_dir=str(tmp_path))
