"""Search by text over an output's tables; the model is a stand-in that knows three words."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clipmill import layout
from clipmill.cli.exits import DONE
from clipmill.cli.main import main
from clipmill.errors import SourceError
from clipmill.models.embedding.base import Embedded
from clipmill.search.text import embedding_of, find_clips, find_like
from clipmill.stages.video.embedding.cosmos_embed1 import CosmosEmbed1EmbeddingStage
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.stages.video.embedding.perceptual import PerceptualEmbeddingStage
from clipmill.stages.video.filtering.quality_filter import QualityFilterStage
from clipmill.storage import parquet, store
from tests.support.published import publish_by_hand

WORDS = {"dog": [1.0, 0.0], "cat": [0.0, 1.0], "both": [0.6, 0.8]}
CLIP_ROWS = {
    "a-dog": ([1.0, 0.0], "kept"), "a-cat": ([0.0, 2.0], "kept"), "both": ([0.6, 0.8], "kept"),
    "also-both": ([0.6, 0.8], "kept"), "dropped": ([1.0, 0.0], "filtered"),
    "a-copy": ([1.0, 0.0], "duplicate"),
}  # fmt: skip


class ThreeWords:
    algorithm = "clip"

    def __init__(self, dimension: int = 2) -> None:
        self.dimension = dimension

    def embed(self, clips: object) -> Embedded:
        raise AssertionError("a search looks at no clip")

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        rows = np.zeros((len(texts), self.dimension), np.float32)
        rows[:, :2] = [WORDS[text] for text in texts]
        return rows

    def match(self, embeddings: object, texts: object) -> list[tuple[str, float]]:
        raise AssertionError("a search matches no list of texts")


def path_of(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


LEARNED, PERCEPTUAL, COSMOS, QUALITY = map(
    path_of, (LearnedEmbeddingStage, PerceptualEmbeddingStage, CosmosEmbed1EmbeddingStage, QualityFilterStage)
)


def write_output(
    folder: Path, embedding: dict[str, object] | None, *, class_path: str = LEARNED, prefix: str = ""
) -> str:
    output = str(folder)
    ids, vectors = list(CLIP_ROWS), [vector for vector, _ in CLIP_ROWS.values()]
    for part in (slice(0, 2), slice(2, None)):
        table = pa.table({"id": ids[part], "embedding": pa.array(vectors[part], pa.list_(pa.float32(), 2))})
        name = f"part-{part.start:05d}.parquet"
        store.put_bytes(layout.join(layout.embeddings_dir(output, "clip"), name), parquet.encode(table))
    clips = [
        {
            "clip_id": name, "status": status, "clip_uri": f"clips/{name}.mp4", "source_uri": "film.mp4",
            "start_s": 1.0, "end_s": 3.5,
        }
        for name, (_, status) in CLIP_ROWS.items()
    ]  # fmt: skip
    stages = {"quality": {"class": QUALITY, "version": 2, "parameters": {}}}
    if embedding is not None:
        named = {"embeddings": prefix} if prefix else {}
        stages["embedding"] = {"class": class_path, "version": 2, "parameters": embedding, **named}
    publish_by_hand(output, clips, stages)
    return output


@pytest.fixture
def output(tmp_path: Path) -> str:
    return write_output(
        tmp_path, {"algorithm": "clip", "model_dir": "old", "target_fps": 4.0, "num_frames": 3}
    )


def found(output: str, text: str, num_hits: int = 10) -> list[tuple[str, float]]:
    return [
        (hit.clip_id, hit.similarity) for hit in find_clips(output, text, ThreeWords(), num_hits=num_hits)
    ]


def test_clips_come_best_first_and_equal_ones_by_id(output: str) -> None:
    assert found(output, "dog") == [("a-dog", 1.0), ("also-both", 0.6), ("both", 0.6), ("a-cat", 0.0)]


def test_the_length_of_a_stored_vector_does_not_count(output: str) -> None:
    assert found(output, "cat", 1) == [("a-cat", 1.0)]


def test_clips_are_found_by_one_that_they_are_like(output: str) -> None:
    hits = [(hit.clip_id, hit.similarity) for hit in find_like(output, "dropped", num_hits=2)]
    assert hits == [("a-dog", 1.0), ("also-both", 0.6)]
    assert "a-dog" not in {hit.clip_id for hit in find_like(output, "a-dog", num_hits=9)}
    with pytest.raises(SourceError, match="no embedding of a clip nope"):
        find_like(output, "nope", num_hits=1)


def test_a_clip_is_named_by_its_id_or_its_file(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    for name in ("a-cat", f"{output}/clips/0a1b2c3d/a-cat.mp4"):
        assert main(["search", output, "--like", name]) == DONE
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != ""


def test_only_kept_clips_are_found(output: str) -> None:
    assert not {"dropped", "a-copy"} & {name for name, _ in found(output, "dog")}


def test_a_hit_says_where_the_clip_is(output: str) -> None:
    (hit,) = find_clips(output, "cat", ThreeWords(), num_hits=1)
    assert hit.clip_uri == f"{output}/clips/a-cat.mp4"
    assert (hit.source_uri, hit.start_s, hit.end_s) == ("film.mp4", 1.0, 3.5)


def test_the_manifest_names_the_model(output: str) -> None:
    model = embedding_of(output)
    assert (model.algorithm, model.num_frames, model.model_dir) == ("clip", 3, "old")
    assert embedding_of(output, model_dir="s3://weights").model_dir == "s3://weights"


@pytest.mark.parametrize(
    ("class_path", "fields"),
    [
        (LEARNED, {"algorithm": "cosmos-embed1-224p", "allow_remote_code": ["cosmos-embed1-224p"]}),
        (COSMOS, {"variant": "224p"}),
    ],
    ids=["by name", "by its own stage"],
)
def test_a_manifest_does_not_allow_code_to_run(
    tmp_path: Path, class_path: str, fields: dict[str, object]
) -> None:
    name = "cosmos-embed1-224p"
    output = write_output(tmp_path, fields, class_path=class_path)
    assert embedding_of(output).algorithm == name
    assert embedding_of(output).allow_remote_code == ()
    assert embedding_of(output, allow_remote_code=[name]).allow_remote_code == (name,)


@pytest.mark.parametrize(
    ("class_path", "embedding"),
    [(LEARNED, None), (PERCEPTUAL, {"target_fps": 2.0}), ("os:system", {})],
    ids=["none", "perceptual", "no class of the library"],
)
def test_embeddings_without_words_are_named(
    class_path: str, embedding: dict[str, object] | None, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="know no words: pip install"):
        embedding_of(write_output(tmp_path, embedding, class_path=class_path))


def test_of_several_embeddings_the_one_that_knows_words_is_searched(output: str) -> None:
    folder = layout.embeddings_dir(output, "perceptual")
    table = pa.table({"id": ["a-cat"], "embedding": pa.array([[1.0, 0.0]], pa.list_(pa.float32(), 2))})
    store.put_bytes(layout.join(folder, "part-00000.parquet"), parquet.encode(table))
    assert found(output, "dog", 1) == [("a-dog", 1.0)]


def test_a_folder_without_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing was published there"):
        embedding_of(str(tmp_path))


def test_embeddings_of_another_length_are_named(output: str) -> None:
    with pytest.raises(SourceError, match="have 2 numbers, the model gives 3: another model made them"):
        find_clips(output, "dog", ThreeWords(dimension=3), num_hits=3)
