"""Finding clips by what they show: the embedding of a text, a clip or a file against those of an output."""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
import pyarrow as pa

from clipmill import arrow, layout
from clipmill.dataset.snapshots.embeddings import embedding_prefixes
from clipmill.dataset.snapshots.record import current_snapshot, read_table
from clipmill.dedup_job.tables.embedding_files import embedding_files, read_batches
from clipmill.errors import SourceError, SpecError
from clipmill.models.embedding.base import EmbedderOptions
from clipmill.models.embedding.remote_code import check_allowed
from clipmill.models.embedding.tower_embedder import TowerEmbedder
from clipmill.models.registry import model_named
from clipmill.stages.roles import EmbedderStage
from clipmill.storage import store

_CLIPS = pa.schema(
    [
        ("clip_id", pa.string()), ("status", pa.string()), ("clip_uri", pa.string()),
        ("source_uri", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64()),
    ]
)  # fmt: skip


Row = Mapping[str, object]


@dataclass(frozen=True)
class Hit:
    """A clip and the cosine of its embedding and the text's; the span is in the source, in seconds.

    ``clip_uri`` is the full path or URI of its file; empty without one.
    """

    clip_id: str
    similarity: float
    clip_uri: str
    source_uri: str
    start_s: float
    end_s: float


class _TextStage(Protocol):
    def options(self) -> EmbedderOptions: ...


def find_clips(output: str, text: str, embedder: TowerEmbedder, *, num_hits: int) -> list[Hit]:
    """The kept clips of an output that fit ``text`` best, best first; equal ones by id.

    SourceError when the output holds no embeddings, or embeddings of another length than the model's.
    """
    queries = embedder.embed_texts([text])
    return _best(output, _folder(output, _text_stage(output)[0]), queries, _kept_clips(output), num_hits)


def find_like(output: str, clip_id: str, *, num_hits: int) -> list[Hit]:
    """The kept clips of an output that are most like one of its clips, best first; equal ones by id.

    They are compared by the first embedding of the run; it may be one that needs no weights. SourceError when
    the output holds no embeddings, or none of this clip.
    """
    folder = _folder(output, _first_embedding(output)[0])
    query = _embedding_in(folder, clip_id)
    if query is None:
        raise SourceError(
            f"{output} has no embedding of a clip {clip_id}, and there is no such file: name a file, or a "
            "clip_id of tables/clips"
        )
    kept = {name: row for name, row in _kept_clips(output).items() if name != clip_id}
    return _best(output, folder, query[None], kept, num_hits)


def find_alike(output: str, queries: np.ndarray, *, num_hits: int) -> list[Hit]:
    """The kept clips of an output most like any of the embeddings ``queries`` ``(Q, D)``, best first.

    They are compared by the first embedding of the run, which ``first_embedder`` returns.
    """
    folder = _folder(output, _first_embedding(output)[0])
    return _best(output, folder, queries, _kept_clips(output), num_hits)


def first_embedder(
    output: str, *, model_dir: str = "", allow_remote_code: Sequence[str] = ()
) -> EmbedderStage:
    """Returns the stage that made the first embedding of an output; ``model_dir`` where its weights now lie.

    SpecError for a stage of the user's own, and for a model whose own code ``allow_remote_code`` does not
    name: the manifest is not the user's word.
    """
    prefix, stage = _first_embedding(output)
    if stage is None:
        raise SpecError(
            f"embedding {prefix} of {output} is made by a stage of your own: name a clip by its id"
        )
    if stage.knows_words:
        check_allowed(model_named(stage.algorithm_name), allow_remote_code)
    return stage.model_copy(update={"model_dir": model_dir}) if model_dir else stage


def _best(output: str, folder: str, queries: np.ndarray, kept: Mapping[str, Row], num_hits: int) -> list[Hit]:
    best = heapq.nsmallest(num_hits, _scored(folder, queries, kept))
    return [_hit(output, kept[clip_id], -negative) for negative, clip_id in best]


def _embedding_in(folder: str, clip_id: str) -> np.ndarray | None:
    for file in embedding_files(folder):
        for batch in read_batches(file.uri):
            place = batch.ids.index(clip_id).as_py()
            if place >= 0:
                return batch.rows[place]
    return None


def embedding_of(
    output: str, *, model_dir: str = "", allow_remote_code: Sequence[str] = ()
) -> EmbedderOptions:
    """How the model that made an output's embeddings is opened; ``model_dir`` where it now lies.

    Code of a model's own is allowed by ``allow_remote_code`` alone: the manifest is not the user's word.
    SourceError when nothing was published there, or when the embeddings know no words.
    """
    _, stage = _text_stage(output)
    options = cast(_TextStage, stage).options()
    place = model_dir or options.model_dir
    return replace(options, model_dir=place, allow_remote_code=tuple(allow_remote_code))


def _folder(output: str, prefix: str) -> str:
    return layout.embeddings_dir(store.normalise(output), prefix)


def _text_stage(output: str) -> tuple[str, EmbedderStage]:
    """Returns folder prefix and stage of the first embedding in a manifest that knows words."""
    for prefix, stage in embedding_prefixes(current_snapshot(output)):
        if stage is not None and stage.knows_words:
            return prefix, stage
    raise SourceError(
        f"the embeddings of {output} know no words: pip install 'clipmill[models]', curate with "
        "embedding.algorithm=siglip2, or search by a clip with --like"
    )


def _first_embedding(output: str) -> tuple[str, EmbedderStage | None]:
    """Returns folder prefix and stage of the first embedding in a manifest."""
    for found in embedding_prefixes(current_snapshot(output)):
        return found
    raise SourceError(f"{output} has no embeddings: curate with embedding")


def _scored(folder: str, queries: np.ndarray, kept: Collection[str]) -> Iterator[tuple[float, str]]:
    """Minus the best cosine and the id of every kept clip, file by file."""
    for file in embedding_files(folder):
        for batch in read_batches(file.uri):
            if batch.rows.shape[1] != queries.shape[1]:
                lengths = f"{batch.rows.shape[1]} numbers, the model gives {queries.shape[1]}"
                raise SourceError(f"the embeddings of {file.uri} have {lengths}: another model made them")
            yield from _of_kept(batch.ids.to_pylist(), _cosines(batch.rows, queries), kept)


def _cosines(rows: np.ndarray, queries: np.ndarray) -> Sequence[float]:
    """Of each row the cosine to the likest query."""
    lengths = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(queries, axis=1)
    cosines = rows @ queries.T / np.maximum(lengths, np.finfo(np.float32).tiny)
    return cosines.max(axis=1).astype(np.float64).round(6).tolist()


def _of_kept(
    ids: Iterable[str], cosines: Iterable[float], kept: Collection[str]
) -> Iterator[tuple[float, str]]:
    return ((-cosine, name) for name, cosine in zip(ids, cosines, strict=True) if name in kept)


def _kept_clips(output: str) -> Mapping[str, Row]:
    """Clip id -> row of the clips table, for those that are kept."""
    clips = read_table(output, "clips", schema=_CLIPS)
    kept = clips.filter(arrow.equal(clips["status"], "kept")).to_pylist()
    return {row["clip_id"]: row for row in kept}


def _hit(output: str, clip: Row, similarity: float) -> Hit:
    file = clip["clip_uri"]
    return Hit(
        clip_id=str(clip["clip_id"]),
        similarity=similarity,
        clip_uri=layout.join(store.normalise(output), str(file)) if file else "",
        source_uri=str(clip["source_uri"]),
        start_s=float(str(clip["start_s"])),
        end_s=float(str(clip["end_s"])),
    )
