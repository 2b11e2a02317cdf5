"""What one step of dedup hands to the next: small JSON files, named by URI, written after what they name.

A step whose hand-over exists has been done: all of them lie in a folder named by a digest of what goes in.
"""

from collections.abc import Iterable
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from clipmill.dedup.backend_name import DedupBackend
from clipmill.specs import WhichToKeep
from clipmill.storage import store


class _Handover(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RowsPart(_Handover):
    """Rows that a run leaves for later ones, and the clusters they are of."""

    name: str
    num_rows: int
    first_cluster: int
    last_cluster: int


class Known(_Handover):
    """What the next run adds to, below ``dedup/``: for each run so far the parts of its rows.

    ``result_digest`` is that of the table of duplicates that belongs to it.
    """

    parameters: str
    result_digest: str
    dimensions: int
    rows: tuple[tuple[RowsPart, ...], ...]
    similarity_counts: tuple[int, ...]


class InputFile(_Handover):
    """A file of embeddings as it was listed; ``version`` changes with its content."""

    uri: str
    size_bytes: int
    version: str


class InputFiles(_Handover):
    """Files of embeddings that a run has read."""

    files: tuple[InputFile, ...]


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


class Borders(_Handover):
    """A row at most ``width`` from a border goes beyond it too, to at most ``count`` other clusters."""

    width: float
    count: int = 1


class Shard(_Handover):
    """Embedding files to assign, and where the rows of each group of clusters go."""

    index: int
    folder: str
    centroids_uri: str
    file_uris: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    borders: Borders
    backend: DedupBackend


class Assigned(_Handover):
    """The rows of one shard, files for each group that has any: group index to URIs."""

    part_uris: dict[int, tuple[str, ...]]


class Ranking(_Handover):
    """Which of alike clips stays. ``columns_uri`` is a table of clips, to rank by or to know more of them."""

    which_to_keep: WhichToKeep
    seed: int
    metric: Literal["cosine", "l2"] = "cosine"
    columns: tuple[str, ...] = ()
    ascending: tuple[bool, ...] = ()
    columns_uri: str = ""


class Group(_Handover):
    """Clusters to search for duplicates, the files that hold their rows, and how to rank.

    Rows for later runs are left in ``rows_folder``. With ``known_uri`` only new clips are in the
    files; those that went before are compared with them where ``links_to_removed`` says so. With ``replaces``
    a new clip may stay for an earlier one that is a part of it.
    """

    index: int
    kmeans_folder: str
    pairs_folder: str
    part_uris: tuple[str, ...]
    ranking: Ranking
    batch_size: int
    backend: DedupBackend
    rows_folder: str
    known_uri: str = ""
    links_to_removed: bool = True
    replaces: bool = False


class FoundTables(_Handover):
    """Clips' rows, their pairs, those across a border, and the sketches of what they name, as parquet.

    Empty where there are none.
    """

    kmeans_uri: str = ""
    pairwise_uri: str = ""
    border_uri: str = ""
    sketches_uri: str = ""


class FoundCluster(FoundTables):
    """What was found of one cluster."""

    cluster: int


class Found(_Handover):
    """Every cluster of a group that has rows, how they were ranked, and where its rows for later runs lie.

    Of new clips ``new`` has what was found, all clusters together; each table has a column ``cluster``.
    """

    folder: str
    ranking: Ranking
    clusters: tuple[FoundCluster, ...] = ()
    new: FoundTables | None = None
    rows: RowsPart | None = None
    rows_folder: str = ""
    known_uri: str = ""


class RunResult(_Handover):
    """The duplicates of one run and the ids that it compared, as they were written."""

    table_uri: str
    table_digest: str
    ids_uri: str
    ids_digest: str


def input_files(files: Iterable[store.FileEntry]) -> InputFiles:
    """The entries of a listing, to know them again."""
    return InputFiles(files=tuple(map(input_file, sorted(files))))


def input_file(file: store.FileEntry) -> InputFile:
    """One entry of a listing."""
    return InputFile(uri=file.uri, size_bytes=file.size_bytes, version=file.version)


_Kind = TypeVar("_Kind", bound=_Handover)


def write(uri: str, handover: _Handover) -> str:
    """Write ``handover`` unless it is there already; the ``uri``."""
    store.put_if_changed(uri, encode(handover))
    return uri


def encode(handover: _Handover) -> bytes:
    """What ``write`` writes."""
    return (handover.model_dump_json(indent=1) + "\n").encode()


def read(uri: str, kind: type[_Kind]) -> _Kind:
    """The hand-over of a ``kind`` at ``uri``."""
    return kind.model_validate_json(store.read_bytes(uri))
