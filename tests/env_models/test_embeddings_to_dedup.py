"""From clips through a learned model to its documented folder, and on to duplicates and a search."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clipmill import layout
from clipmill.base_columns import DUPLICATES
from clipmill.dedup_job import steps
from clipmill.dedup_job.tables.embedding_files import embedding_files, read_files
from clipmill.models.embedding.open import open_embedder
from clipmill.models.embedding.tower_embedder import TowerEmbedder
from clipmill.models.registry import model_named
from clipmill.search.text import embedding_of, find_clips
from clipmill.specs import DedupSpec
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.storage import parquet, store
from tests.support.checkpoints.remote_repositories import save_cosmos, save_internvideo
from tests.support.checkpoints.tiny import save_clip
from tests.support.published import publish_by_hand

SAVERS = {"cosmos-embed1-336p": save_cosmos, "internvideo2": save_internvideo, "clip": save_clip}
PREFIXES = {"cosmos-embed1-336p": "ce1", "internvideo2": "iv2", "clip": "clip"}
EVERY = pytest.mark.parametrize("algorithm", SAVERS)
NUM_FILMS = 6


def films() -> np.ndarray:
    """Clips of one colour cast each, float64 ``(6, 12, 40, 64, 3)``."""
    rng = np.random.default_rng(4)
    casts = rng.uniform(40, 215, (NUM_FILMS, 1, 1, 1, 3))
    return casts + rng.normal(0, 25, (NUM_FILMS, 12, 40, 64, 3))


def embedded(algorithm: str, folder: Path) -> tuple[TowerEmbedder, str]:
    """An output with the embeddings of six films and a noisy copy of each."""
    SAVERS[algorithm](folder / "models" / model_named(algorithm).source)
    spec = LearnedEmbeddingStage(
        algorithm=algorithm, model_dir=str(folder / "models"), allow_remote_code=[algorithm]
    )
    embedder = open_embedder(spec.options())
    pictures = films()
    noisy = pictures + np.random.default_rng(5).normal(0, 2, pictures.shape)
    clips = [clip.clip(0, 255).astype(np.uint8) for clip in (*pictures, *noisy)]
    rows = embedder.embed(clips).rows
    ids = [f"film{film}-{copy}" for copy in range(2) for film in range(NUM_FILMS)]
    output = str(folder / "out")
    table = pa.table({"id": ids, "embedding": pa.array(rows.tolist(), pa.list_(pa.float32()))})
    embeddings = layout.embeddings_dir(output, spec.file_prefix)
    store.put_bytes(layout.join(embeddings, "part-00000.parquet"), parquet.encode(table))
    _publish(output, ids, spec)
    return embedder, output


def _publish(output: str, ids: list[str], spec: LearnedEmbeddingStage) -> None:
    clips = [
        {
            "clip_id": name,
            "status": "kept",
            "clip_uri": None,
            "source_uri": "film.mp4",
            "start_s": 0.0,
            "end_s": 1.0,
        }
        for name in ids
    ]
    path = f"{LearnedEmbeddingStage.__module__}:{LearnedEmbeddingStage.__qualname__}"
    stages = {"embedding": {"class": path, "parameters": spec.model_dump(mode="json")}}
    publish_by_hand(output, clips, stages)


@EVERY
def test_embeddings_lie_in_the_documented_folder(algorithm: str, tmp_path: Path) -> None:
    embedder, output = embedded(algorithm, tmp_path)
    (file,) = embedding_files(output)
    assert f"/{PREFIXES[algorithm]}_embd_parquet/" in file.uri
    ids, rows = read_files([file.uri for file in embedding_files(output)])
    assert (len(ids), rows.shape) == (12, (12, embedder.dimension))


@EVERY
def test_copies_are_found_by_their_embeddings(algorithm: str, tmp_path: Path) -> None:
    _, output = embedded(algorithm, tmp_path)
    spec = DedupSpec(eps=1e-4, n_clusters=2)
    fitted = steps.fit_clusters(output, output, spec)
    assigned = [steps.assign_clusters(shard) for shard in steps.embedding_shards(fitted)]
    groups = steps.cluster_groups(fitted, assigned, spec, columns_uri="")
    found = [steps.find_duplicates(group) for group in groups]
    uri = steps.select_keepers(found, output, spec, algorithm=algorithm)
    pairs = parquet.read(uri, schema=DUPLICATES).select(["clip_id", "duplicate_of"]).to_pylist()
    assert len(pairs) == NUM_FILMS
    assert all(pair["clip_id"][:5] == pair["duplicate_of"][:5] for pair in pairs)


@EVERY
def test_a_search_ranks_by_the_cosine_with_the_text(algorithm: str, tmp_path: Path) -> None:
    embedder, output = embedded(algorithm, tmp_path)
    found = embedding_of(output, allow_remote_code=[algorithm])  # the user's word again: no manifest gives it
    hits = find_clips(output, "a dog", open_embedder(found), num_hits=12)
    ids, rows = read_files([file.uri for file in embedding_files(output)])
    cosines = dict(zip(ids, rows @ embedder.embed_texts(["a dog"])[0], strict=True))
    assert [hit.similarity for hit in hits] == pytest.approx(sorted(cosines.values(), reverse=True), abs=1e-5)
    assert hits[0].similarity == pytest.approx(cosines[hits[0].clip_id], abs=1e-5)
