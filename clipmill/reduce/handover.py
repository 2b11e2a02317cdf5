"""What one step of dedup hands to the next: small JSON files, named by URI, written after what they name.

A step whose hand-over exists has been done: all of them lie in a folder named by a digest of what goes in.
"""

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from clipmill.storage import store


class _Handover(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Known(_Handover):
    """What the next run adds to: files below ``dedup/``, by cluster and by run."""

    parameters: str
    duplicates_digest: str
    kmeans_names: dict[int, tuple[str, ...]]
    ids_names: tuple[str, ...]
    similarity_counts: tuple[int, ...]


class Similarities(_Handover):
    """Clips by their similarity to the most similar better-ranked one: equal bins of 0 to 1, the last 1.0."""

    threshold: float
    counts: tuple[int, ...]


class Fit(_Handover):
    """Where k-means wrote: the shards to assign, and how many groups the clusters are in.

    ``known_uri`` names what earlier runs left, where only new clips are looked at.
    """

    folder: str
    shard_uris: tuple[str, ...]
    num_groups: int
    known_uri: str = ""


class Shard(_Handover):
    """Embedding files to assign, and where the rows of each group of clusters go.

    A row at most ``border_width`` from the border of its cluster goes beyond it too.
    """

    index: int
    folder: str
    centroids_uri: str
    file_uris: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    border_width: float


class Assigned(_Handover):
    """The rows of one shard, a file for each group that has any: group index to URI."""

    part_uris: dict[int, str]


class Ranking(_Handover):
    """Which of alike clips stays."""

    which_to_keep: Literal["hard", "easy", "random", "columns"]
    seed: int
    metric: Literal["cosine", "l2"] = "cosine"
    columns: tuple[str, ...] = ()
    ascending: tuple[bool, ...] = ()
    columns_uri: str = ""


class Group(_Handover):
    """Clusters to search for duplicates, the files that hold their rows, and how to rank.

    ``known_uris`` hold rows of earlier runs, by cluster; those that went are in ``duplicates_uri``.
    """

    index: int
    kmeans_folder: str
    pairs_folder: str
    part_uris: tuple[str, ...]
    ranking: Ranking
    batch_size: int
    known_uri: str = ""
    known_uris: dict[int, tuple[str, ...]] = {}
    duplicates_uri: str = ""


class FoundCluster(_Handover):
    """One cluster's rows, its pairs, and those across its border, as parquet; empty where there are none."""

    cluster: int
    kmeans_uri: str = ""
    pairwise_uri: str = ""
    border_uri: str = ""
    known_uris: tuple[str, ...] = ()


class Found(_Handover):
    """Every cluster of a group that has rows, and how they were ranked."""

    folder: str
    ranking: Ranking
    clusters: tuple[FoundCluster, ...]
    known_uri: str = ""


_Kind = TypeVar("_Kind", bound=_Handover)


def write(uri: str, handover: _Handover) -> str:
    """Write ``handover`` unless it is there already; the ``uri``."""
    store.put_if_changed(uri, (handover.model_dump_json(indent=1) + "\n").encode())
    return uri


def read(uri: str, kind: type[_Kind]) -> _Kind:
    """The hand-over of a ``kind`` at ``uri``."""
    return kind.model_validate_json(store.read_bytes(uri))
