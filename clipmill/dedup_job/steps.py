"""Semantic deduplication as steps between which only URIs pass; each is one task of the workflow.

::

    fit_clusters -> embedding_shards -> assign_clusters, one per shard
                 -> cluster_groups   -> find_duplicates, one per group -> select_keepers

Everything before ``select_keepers`` is written below the output, named by the digest of what goes in, so a
step that was done is not done again and an interrupted run shows nowhere. ``select_keepers`` writes the
documented tree ``<output>/dedup``. Clips are never touched.
"""

from collections.abc import Sequence

from clipmill import layout
from clipmill.dedup.backends.select import resolve
from clipmill.dedup.groups import eps_for
from clipmill.dedup.nearest import Search
from clipmill.dedup_job import assign, fit, result, selection, step_io
from clipmill.dedup_job.find_group import search
from clipmill.dedup_job.previous.run import known_uri as run_known_uri
from clipmill.dedup_job.previous.run import read_known, rows_dir
from clipmill.dedup_job.publish import publish_selected
from clipmill.dedup_job.refit import fit_new
from clipmill.dedup_job.tables.bad_rows import NAME, counted, without_bad_rows
from clipmill.dedup_job.tables.embedding_files import embedding_files, read_together
from clipmill.dedup_job.tables.rank_columns import read_columns
from clipmill.specs import DedupSpec
from clipmill.stages.base import apply_verbose
from clipmill.storage import parquet, store

FIT_VERSION = 4
PAIRS_VERSION = 7

_FIT_FIELDS = (
    "n_clusters", "max_iter", "tol", "random_state", "init", "n_init", "oversampling_factor",
    "max_samples_per_batch", "fit_data_fraction", "fit_sample", "border_width", "backend",
)  # fmt: skip
_RANK_FIELDS = ("which_to_keep", "rank_columns", "ascending", "random_state", "sim_metric")


def fit_clusters(embeddings_uri: str, output: str, spec: DedupSpec, *, columns_uri: str = "") -> str:
    """Find the centroids of the embeddings under ``embeddings_uri``; URI of the fit.

    What only later steps use is looked at first: SpecError for a backend that is not installed, and for rank
    columns that the table at ``columns_uri`` does not have.

    ``output`` is the root in which ``dedup`` and ``work`` lie. Files without rows give no clusters.
    Memory is about twice that of ``spec.fit_sample`` embeddings in float32, and all ids. SourceError when
    there is no file, BadEmbeddings names a faulty file and row and counts all such rows; with
    ``spec.on_bad_rows`` ``skip`` they are left out and listed in ``dedup/bad_rows.parquet``.
    """
    files = _files(embeddings_uri, output, spec, columns_uri=columns_uri)
    return _fit(files, store.normalise(output), spec)


def name_inputs(embeddings_uri: str, output: str, spec: DedupSpec, *, columns_uri: str = "") -> str:
    """Writes which files ``fit_inputs`` reads; returns the URI, whose name says all that a fit depends on.

    The name is the same for equal embeddings in any place, equal parameters and equal earlier runs. Checks
    and errors as in ``fit_clusters``.
    """
    files = [fit.by_content(file) for file in _files(embeddings_uri, output, spec, columns_uri=columns_uri)]
    output = store.normalise(output)
    earlier = read_known(output, spec)
    upstream = [] if earlier is None else [step_io.encode(earlier).decode()]
    digest = fit.digest("fit_clusters", FIT_VERSION, spec, _FIT_FIELDS, files, upstream=upstream)
    uri = layout.join(layout.work_dir(output), "dedup_inputs", f"{digest}.json")
    return step_io.write(uri, step_io.input_files(files))


def fit_inputs(inputs_uri: str, output: str, spec: DedupSpec, *, workspace: str) -> str:
    """As ``fit_clusters``, of the files that ``name_inputs`` named; all is written below ``workspace``."""
    named = step_io.read(inputs_uri, step_io.InputFiles).files
    files = [store.FileEntry(file.uri, file.size_bytes, file.version) for file in named]
    return _fit(files, store.normalise(output), spec, workspace=store.normalise(workspace))


def _files(embeddings_uri: str, output: str, spec: DedupSpec, *, columns_uri: str) -> list[store.FileEntry]:
    """The files that are compared, after what only later steps use was looked at."""
    resolve(spec.backend)
    if spec.rank_columns:
        read_columns(columns_uri, spec.rank_columns, ids=[])
    files, output = embedding_files(embeddings_uri), store.normalise(output)
    if spec.on_bad_rows == "skip":
        files, left_out = without_bad_rows(files, output)
        if left_out:
            spec.log().warning("%d rows of embeddings are left out: dedup/%s lists them", len(left_out), NAME)
    return files


def _fit(files: Sequence[store.FileEntry], output: str, spec: DedupSpec, *, workspace: str = "") -> str:
    with counted([file.uri for file in files]):
        return _fitted(files, output, spec, workspace=workspace or output)


def _fitted(files: Sequence[store.FileEntry], output: str, spec: DedupSpec, *, workspace: str) -> str:
    earlier = read_known(output, spec)
    if earlier is not None:
        known = step_io.encode(earlier).decode()
        digest = fit.digest("fit_new", FIT_VERSION, spec, _FIT_FIELDS, files, upstream=[known])
        uri = selection.fit_uri(workspace, digest, folder="dedup_added")
        fitted = uri if store.exists(uri) else fit_new(earlier, files, output, spec, uri=uri)
        if fitted is not None:
            return fitted
    uri = selection.fit_uri(workspace, fit.digest("fit_clusters", FIT_VERSION, spec, _FIT_FIELDS, files))
    if store.exists(uri):
        return uri
    centroids, num_rows = fit.centroids_of_files([file.uri for file in files], spec)
    groups = fit.groups_of(len(centroids), num_rows, spec)
    shards = fit.shards_of(files, spec)
    return fit.write_fit(
        uri,
        centroids,
        shards,
        groups,
        borders=step_io.Borders(width=spec.border_width),
        backend=spec.backend,
        files=files,
    )


def embedding_shards(fit_uri: str) -> list[str]:
    """URIs of the shards of a fit, each for one ``assign_clusters``; at least one."""
    return list(step_io.read(fit_uri, step_io.Fit).shard_uris)


def assign_clusters(shard_uri: str) -> str:
    """Give each embedding of a shard its cluster; URI that ``cluster_groups`` takes."""
    uri = shard_uri.removesuffix(".json") + "_assigned.json"
    if store.exists(uri):
        return uri
    shard = step_io.read(shard_uri, step_io.Shard)
    centroids = fit.read_centroids(shard.centroids_uri)
    parts: dict[int, list[str]] = {}
    for number, batch in enumerate(read_together(shard.file_uris)):
        rows = assign.assigned_rows(batch, centroids, borders=shard.borders, search=Search(shard.backend))
        for group, members in enumerate(shard.groups):
            part = assign.rows_of(rows, members)
            if len(part):
                name = f"shard_{shard.index}-{number}.parquet"
                part_uri = layout.join(shard.folder, "assigned", f"group_{group}", name)
                store.put_if_changed(part_uri, parquet.encode(part))
                parts.setdefault(group, []).append(part_uri)
    return step_io.write(uri, step_io.Assigned(part_uris={k: tuple(uris) for k, uris in parts.items()}))


def cluster_groups(
    fit_uri: str, assigned_uris: Sequence[str], spec: DedupSpec, *, columns_uri: str = "", output: str = ""
) -> list[str]:
    """URIs of at most ``spec.max_groups`` groups of clusters, each for one ``find_duplicates``; at least one.

    ``assigned_uris`` are those of every shard. ``columns_uri``, a table of clips, is read where
    ``spec.which_to_keep`` is ``columns``; SpecError when it lacks one of them. ``output`` is where earlier
    runs left what a fit adds to, if that is not where the fit was written.
    """
    fitted = step_io.read(fit_uri, step_io.Fit)
    assigned = [step_io.read(uri, step_io.Assigned) for uri in sorted(assigned_uris)]
    if len(assigned) != len(fitted.shard_uris):
        raise ValueError(f"{fit_uri} has {len(fitted.shard_uris)} shards, {len(assigned)} were assigned")
    how = _ranking(spec, columns_uri)
    tables = store.find(how.columns_uri, (".parquet",)) if how.columns_uri else []
    tables = [fit.by_content(table) for table in tables]
    digest = fit.digest("find_duplicates", PAIRS_VERSION, spec, _RANK_FIELDS, tables)
    folder = layout.join(fitted.folder, f"pairs_{digest}")
    uris: list[str] = []
    for index in range(fitted.num_groups):
        group = step_io.Group(
            index=index,
            kmeans_folder=fitted.folder,
            pairs_folder=folder,
            part_uris=tuple(uri for part in assigned for uri in part.part_uris.get(index, ())),
            ranking=how,
            batch_size=spec.pairwise_batch_size,
            backend=spec.backend,
            rows_folder=rows_dir(selection.output_of(fitted.folder)),
            known_uri=_known_of(output, fitted.known_uri),
            links_to_removed=spec.group_linkage == "connected",
            replaces=spec.replace_keepers and spec.which_to_keep == "best",
        )
        uris.append(step_io.write(layout.join(folder, f"group_{index}.json"), group))
    return uris


def find_duplicates(group_uri: str) -> str:
    """Find each clip's most similar better-ranked one in its cluster; URI that ``select_keepers`` takes.

    Memory is that of the group's rows.
    """
    uri = group_uri.removesuffix(".json") + "_found.json"
    if store.exists(uri):
        return uri
    return step_io.write(uri, search(step_io.read(group_uri, step_io.Group)))


def select_keepers(
    found_uris: Sequence[str], output: str, spec: DedupSpec, *, algorithm: str, columns_uri: str = ""
) -> str:
    """Write the documented tree and the duplicates; URI of a table with ``base_columns.DUPLICATES``' columns.

    ``found_uris`` are those of every group, at least one. A clip is a duplicate where its similarity to a
    better-ranked one is at least ``1 - eps``; without ``spec.eps`` the value of the embedding ``algorithm``
    holds. Where the best copy stays, the table of clips at ``columns_uri`` tells lengths and bit rates. All
    is known before the first file is replaced; files that hold what they should stay as they are; those of
    earlier runs that no longer belong go last.
    """
    _selected(found_uris, output, spec, algorithm=algorithm, columns_uri=columns_uri)
    return selection.table_uri(store.normalise(output))


def hand_over_duplicates(
    found_uris: Sequence[str],
    output: str,
    spec: DedupSpec,
    *,
    algorithm: str,
    ids_uri: str,
    columns_uri: str = "",
) -> str:
    """As ``select_keepers``; URI of the run's own copy of the duplicates, for ``result.read_result``.

    ``ids_uri`` names the clips of the run, as ``result.export_ids`` wrote them. StaleDuplicates where others
    were compared.
    """
    table = _selected(found_uris, output, spec, algorithm=algorithm, columns_uri=columns_uri)
    is_whole = not step_io.read(found_uris[0], step_io.Found).known_uri
    return result.hand_over(table, ids_uri, store.normalise(output), is_whole=is_whole)


def _selected(
    found_uris: Sequence[str], output: str, spec: DedupSpec, *, algorithm: str, columns_uri: str
) -> bytes:
    """Writes the tree; returns the table of duplicates as written."""
    apply_verbose([spec])
    eps = eps_for(algorithm) if spec.eps is None else spec.eps
    output = store.normalise(output)
    found = [step_io.read(uri, step_io.Found) for uri in found_uris]
    found = [one.model_copy(update={"known_uri": _known_of(output, one.known_uri)}) for one in found]
    how = found[0].ranking
    if how.which_to_keep == "best":
        how = how.model_copy(update={"columns_uri": columns_uri})
    table = publish_selected(found, how, output, spec, eps=eps)
    selection.remove_earlier_work(found[0].folder)
    return table


def _known_of(output: str, known_uri: str) -> str:
    """What the run adds to, in its own output: steps that were done for another one name that one's."""
    return run_known_uri(store.normalise(output)) if output and known_uri else known_uri


def _ranking(spec: DedupSpec, columns_uri: str) -> step_io.Ranking:
    """The larger value is the better one where ``spec.ascending`` does not say."""
    if spec.rank_columns:
        read_columns(columns_uri, spec.rank_columns, ids=[])
    return step_io.Ranking(
        which_to_keep=spec.which_to_keep, seed=spec.random_state, metric=spec.sim_metric,
        columns=tuple(spec.rank_columns),
        ascending=tuple(spec.ascending) or (False,) * len(spec.rank_columns),
        columns_uri=columns_uri if spec.rank_columns else "",
    )  # fmt: skip
