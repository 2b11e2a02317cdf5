"""Embeddings and captions of a user's stages: compared, searched and exported like the built-in ones."""

import tarfile
from pathlib import Path

import pytest

from clipmill.cli.main import main
from clipmill.errors import SpecError
from clipmill.search.text import find_like
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, plain_spec, rows

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("shared_codec")]

OWN = "tests.support.stages.own_roles"


def test_they_are_compared_searched_and_exported(tmp_path: Path) -> None:
    films, output, exported = tmp_path / "films", tmp_path / "out", tmp_path / "exported"
    draw_film(films / "a.mp4", seed=1, shots=(48,))
    stages = [{"use": f"{OWN}:OwnEmbedding"}, {"use": f"{OWN}:OwnCaptions"}]
    spec = plain_spec(windows={}, stages=stages, dedup={"embedding": "own_embedding", "eps": 1e-9})
    curate_here(films, output, spec)
    kept = [str(row["clip_id"]) for row in rows(output, "clips") if row["status"] == "kept"]
    assert [row["words"] for row in rows(output, "windows")] == ["24 frames"] * 2
    [like] = find_like(str(output), kept[0], num_hits=5)
    assert like.clip_id == kept[1]
    assert 0.5 < like.similarity <= 1

    assert main(["export", str(output), str(exported), "--format", "webdataset"]) == 0
    [shard] = exported.rglob("*.tar")
    with tarfile.open(shard) as tar:
        texts = [tar.extractfile(name).read() for name in tar.getnames() if name.endswith(".txt")]  # pyright: ignore[reportOptionalMemberAccess] a file
        assert texts == [b"24 frames"] * 2
        assert sum(name.endswith(".colour.npy") for name in tar.getnames()) == 2


def test_a_vector_that_no_reader_would_find_is_refused(tmp_path: Path) -> None:
    spec = plain_spec(stages=[{"use": f"{OWN}:NoEmbedder"}])
    with pytest.raises(SpecError, match="stage no_embedder writes an embedding: derive its class from"):
        curate_here(tmp_path, tmp_path / "out", spec)
