"""Semantic deduplication as steps between which only URIs pass; each is one task of the workflow.

::

    fit_clusters -> embedding_shards -> assign_clusters, one per shard
                 -> cluster_groups   -> find_duplicates, one per group -> select_keepers

Everything before ``select_keepers`` is written below the output, named by the digest of what goes in, so a
step that was done is not done again and an interrupted run shows nowhere. ``select_keepers`` writes the
documented tree ``<output>/dedup``. Clips are never touched.
"""

import posixpath
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipmill import layout
from clipmill.dedup.thresholds import eps_for
from clipmill.reduce import clusters, evidence, fit, handover, keepers, links
from clipmill.reduce.columns import read_columns
from clipmill.reduce.embeddings import embedding_files, read_files
from clipmill.reduce.known import CENTROIDS, known_uri, new_rows, read_known, survivors, write_rows
from clipmill.reduce.pairs import find_pairs
from clipmill.specs import DedupSpec
from clipmill.stages.base import apply_verbose
from clipmill.storage import parquet, store


class _KnownOfGroup(TypedDict, total=False):
    known_uri: str
    known_uris: dict[int, tuple[str, ...]]
    duplicates_uri: str


FIT_VERSION = 2
PAIRS_VERSION = 2

_FIT_FIELDS = (
    "n_clusters", "max_iter", "tol", "random_state", "init", "n_init", "oversampling_factor",
    "max_samples_per_batch", "fit_data_fraction", "fit_sample", "border_width",
)  # fmt: skip
_RANK_FIELDS = ("which_to_keep", "rank_columns", "ascending", "random_state", "sim_metric")


def fit_clusters(embeddings_uri: str, output: str, spec: DedupSpec) -> str:
    """Find the centroids of the embeddings under ``embeddings_uri``; URI of the fit.

    ``output`` is the root in which ``dedup`` and ``work`` lie. Files without rows give no clusters.
    Memory is about three times that of all embeddings in float32. SourceError when there is no file,
    BadEmbeddings names a faulty file and row.
    """
    files = embedding_files(embeddings_uri)
    earlier = read_known(output, spec)
    if earlier is not None:
        return _fit_new(earlier, [file.uri for file in files], store.normalise(output), spec)
    digest = fit.digest("fit_clusters", FIT_VERSION, spec, _FIT_FIELDS, [file.uri for file in files])
    uri = layout.join(keepers.work_dir(store.normalise(output)), digest, "fit.json")
    if store.exists(uri):
        return uri
    ids, embeddings = read_files([file.uri for file in files])
    centroids = fit.centroids_of(ids, embeddings, spec)
    shards = fit.shards_of(files, spec)
    return fit.write_fit(
        uri, centroids, shards, fit.groups_of(len(centroids), len(ids), spec), border_width=spec.border_width
    )


def embedding_shards(fit_uri: str) -> list[str]:
    """URIs of the shards of a fit, each for one ``assign_clusters``; at least one."""
    return list(handover.read(fit_uri, handover.Fit).shard_uris)


def assign_clusters(shard_uri: str) -> str:
    """Give each embedding of a shard its cluster; URI that ``cluster_groups`` takes."""
    uri = shard_uri.removesuffix(".json") + "_assigned.json"
    if store.exists(uri):
        return uri
    shard = handover.read(shard_uri, handover.Shard)
    ids, embeddings = read_files(shard.file_uris)
    if not ids:
        return handover.write(uri, handover.Assigned(part_uris={}))
    rows = clusters.assigned_rows(
        ids, embeddings, fit.read_centroids(shard.centroids_uri), border_width=shard.border_width
    )
    parts: dict[int, str] = {}
    for group, members in enumerate(shard.groups):
        part = clusters.rows_of(rows, members)
        if len(part):
            parts[group] = layout.join(
                shard.folder, "assigned", f"group_{group}", f"shard_{shard.index}.parquet"
            )
            store.put_if_changed(parts[group], parquet.encode(part))
    return handover.write(uri, handover.Assigned(part_uris=parts))


def cluster_groups(
    fit_uri: str, assigned_uris: Sequence[str], spec: DedupSpec, *, columns_uri: str = ""
) -> list[str]:
    """URIs of at most ``spec.max_groups`` groups of clusters, each for one ``find_duplicates``; at least one.

    ``assigned_uris`` are those of every shard. ``columns_uri``, a table of clips, is read where
    ``spec.which_to_keep`` is ``columns``; SpecError when it lacks one of them.
    """
    fitted = handover.read(fit_uri, handover.Fit)
    assigned = [handover.read(uri, handover.Assigned) for uri in sorted(assigned_uris)]
    if len(assigned) != len(fitted.shard_uris):
        raise ValueError(f"{fit_uri} has {len(fitted.shard_uris)} shards, {len(assigned)} were assigned")
    how = _ranking(spec, columns_uri)
    tables = [file.uri for file in store.find(how.columns_uri, (".parquet",))] if how.columns_uri else []
    digest = fit.digest("find_duplicates", PAIRS_VERSION, spec, _RANK_FIELDS, tables)
    folder = layout.join(fitted.folder, f"pairs_{digest}")
    members = handover.read(fitted.shard_uris[0], handover.Shard).groups
    uris: list[str] = []
    for index in range(fitted.num_groups):
        parts = [part.part_uris[index] for part in assigned if index in part.part_uris]
        group = handover.Group(
            index=index, kmeans_folder=fitted.folder, pairs_folder=folder, part_uris=tuple(parts),
            ranking=how, batch_size=spec.pairwise_batch_size,
            **_known_of(fitted.known_uri, members[index]),
        )  # fmt: skip
        uris.append(handover.write(layout.join(folder, f"group_{index}.json"), group))
    return uris


def find_duplicates(group_uri: str) -> str:
    """Find each clip's most similar better-ranked one in its cluster; URI that ``select_keepers`` takes.

    Memory is that of the group's rows.
    """
    uri = group_uri.removesuffix(".json") + "_found.json"
    if store.exists(uri):
        return uri
    group = handover.read(group_uri, handover.Group)
    found: list[handover.FoundCluster] = []
    if group.part_uris:
        rows = pa.concat_tables([clusters.read_table(part) for part in group.part_uris])
        found = [_find_in(group, cluster, own) for cluster, own in clusters.by_cluster(rows)]
    return handover.write(
        uri,
        handover.Found(
            folder=group.kmeans_folder,
            ranking=group.ranking,
            clusters=tuple(found),
            known_uri=group.known_uri,
        ),
    )


def select_keepers(found_uris: Sequence[str], output: str, spec: DedupSpec, *, algorithm: str) -> str:
    """Write the documented tree and the duplicates; URI of a table with ``tables.DUPLICATES``' columns.

    ``found_uris`` are those of every group, at least one. A clip is a duplicate where its similarity to a
    better-ranked one is at least ``1 - eps``; without ``spec.eps`` the value of the embedding ``algorithm``
    holds. All is known before the first file is replaced; files that hold what they should stay as they are;
    those of earlier runs that no longer belong go last.
    """
    apply_verbose([spec])
    eps = eps_for(algorithm) if spec.eps is None else spec.eps
    found = [handover.read(uri, handover.Found) for uri in found_uris]
    members = sorted((one for part in found for one in part.clusters), key=lambda one: one.cluster)
    found_links = links.read_links(members)
    similarities = handover.Similarities(threshold=1.0 - eps, counts=evidence.count_links(found_links))
    table = keepers.duplicates(found_links, members, found[0].ranking, eps=eps, linkage=spec.group_linkage)
    spec.log().debug("%d clusters, eps %g: %d duplicates", len(members), eps, len(table))
    uri = keepers.publish(
        members,
        table,
        output,
        spec,
        similarities=similarities,
        centroids_uri=layout.join(found[0].folder, CENTROIDS),
        known_uri=found[0].known_uri,
    )
    keepers.remove_earlier_work(output, {part.folder for part in found})
    return uri


def _fit_new(earlier: handover.Known, file_uris: Sequence[str], output: str, spec: DedupSpec) -> str:
    """A fit of earlier centroids, whose shards hold only what those runs have not seen."""
    known = known_uri(output)
    digest = fit.digest("fit_new", FIT_VERSION, spec, _FIT_FIELDS, [known, *file_uris])
    uri = layout.join(keepers.work_dir(output), digest, "fit.json")
    if store.exists(uri):
        return uri
    centroids = fit.read_centroids(layout.join(layout.dedup_dir(output), CENTROIDS))
    ids, rows = new_rows(earlier, output, file_uris, dimensions=centroids.shape[1])
    shards: list[tuple[str, ...]] = [()]
    if ids:
        shards = [(write_rows(layout.join(keepers.work_dir(output), digest, "new.parquet"), ids, rows),)]
    groups = fit.groups_of(len(centroids), len(ids), spec)
    # Guests of earlier runs are not kept: new rows visit from twice as far, where those would have come.
    width = min(2 * spec.border_width, 2.0)
    return fit.write_fit(uri, centroids, shards, groups, border_width=width, known_uri=known)


def _known_of(known: str, members: Sequence[int]) -> _KnownOfGroup:
    """What earlier runs know of the clusters of a group."""
    if not known:
        return {}
    root = posixpath.dirname(known)
    names = handover.read(known, handover.Known).kmeans_names
    return {
        "known_uri": known,
        "known_uris": {
            cluster: tuple(layout.join(root, name) for name in names[cluster])
            for cluster in members
            if cluster in names
        },
        "duplicates_uri": layout.join(root, posixpath.basename(keepers.table_uri(""))),
    }


def _find_in(group: handover.Group, cluster: int, rows: pa.Table) -> handover.FoundCluster:
    """Write one cluster's rows and pairs."""
    kmeans_uri = layout.join(group.kmeans_folder, keepers.kmeans_name(cluster))
    pairwise_uri = layout.join(group.pairs_folder, keepers.pairwise_name(cluster))
    border_uri = layout.join(group.pairs_folder, keepers.border_name(cluster))
    known_uris = group.known_uris.get(cluster, ())
    known = rows.slice(0, 0)
    if known_uris:
        known = survivors(known_uris, group.duplicates_uri)
        known = known.append_column("cluster", pa.array(np.full(len(known), cluster, dtype=np.int32)))
    pairs = find_pairs(rows, known, cluster=cluster, how=group.ranking, batch_size=group.batch_size)
    own = rows.filter(pc.field("cluster") == cluster).select(clusters.KMEANS_COLUMNS)
    for uri, table in ((kmeans_uri, own), (pairwise_uri, pairs.within), (border_uri, pairs.across)):
        if len(table):
            store.put_if_changed(uri, parquet.encode(table))
    return handover.FoundCluster(
        cluster=cluster,
        kmeans_uri=kmeans_uri if len(own) else "",
        pairwise_uri=pairwise_uri if len(pairs.within) else "",
        border_uri=border_uri if len(pairs.across) else "",
        known_uris=known_uris,
    )


def _ranking(spec: DedupSpec, columns_uri: str) -> handover.Ranking:
    """The larger value is the better one where ``spec.ascending`` does not say."""
    if spec.rank_columns:
        read_columns(columns_uri, spec.rank_columns, ids=[])
    return handover.Ranking(
        which_to_keep=spec.which_to_keep, seed=spec.random_state, metric=spec.sim_metric,
        columns=tuple(spec.rank_columns),
        ascending=tuple(spec.ascending) or (False,) * len(spec.rank_columns),
        columns_uri=columns_uri if spec.rank_columns else "",
    )  # fmt: skip
