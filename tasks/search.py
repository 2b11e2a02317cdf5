"""Finds clips of an output by a text."""

from typing import NamedTuple

from flytekit import task

from clipmill.models.embedding.open import open_embedder
from clipmill.search.text import embedding_of, find_clips
from images import MODELS_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import SEARCH


class Hits(NamedTuple):
    """Best first: ids of clips, their URIs below the output, and the cosines of clip and text."""

    clip_ids: list[str]
    clip_uris: list[str]
    similarities: list[float]


@task(container_image=MODELS_IMAGE, **SEARCH)
def search_clips(output: str, text: str, num_hits: int, model_dir: str) -> Hits:
    """Embed the text by the model that embedded the clips, and rank the kept ones."""
    with retried_by_flyte():
        embedder = open_embedder(embedding_of(output, model_dir=model_dir))
        hits = find_clips(output, text, embedder, num_hits=num_hits)
    for hit in hits:
        print(
            f"{hit.similarity:.3f}  {hit.clip_uri}  {hit.source_uri} {hit.start_s:.1f} to {hit.end_s:.1f} s"
        )
    return Hits(
        [hit.clip_id for hit in hits], [hit.clip_uri for hit in hits], [hit.similarity for hit in hits]
    )
