"""The result in its place: the documented tree of all clips, or beside it what new clips add.

What ``known.json`` lists is immutable. It is written last, so that an interrupted run has added nothing; of a
tree that is replaced it goes first, so that no run adds to half of another one.
"""

import posixpath
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from clipmill import identity, layout
from clipmill.dedup_job import fit, links, selection, similarity_histogram, step_io
from clipmill.dedup_job.assign import KMEANS_COLUMNS, read_table
from clipmill.dedup_job.previous import run as known
from clipmill.dedup_job.step_io import Found, FoundCluster, Known, Ranking, Similarities
from clipmill.dedup_job.tables.arrow_lookup import all_names, are_among
from clipmill.specs import DedupSpec
from clipmill.storage import parquet, store

_ROW_SUFFIXES = (".sketches", ".f32", ".parquet")
_PAIR_COLUMNS = ("id", "max_id", "cosine_sim_score")


def publish_selected(
    found: Sequence[Found], how: Ranking, output: str, spec: DedupSpec, *, eps: float
) -> bytes:
    """Choose which clips go and put the result in its place; the table of duplicates as written."""
    known_uri, linkage = found[0].known_uri, spec.group_linkage
    new = [part.new for part in found if part.new is not None]
    if known_uri and not new:
        return selection.restore_table(output)
    members = sorted((one for part in found for one in part.clusters), key=lambda one: one.cluster)
    if known_uri:
        chosen = links.select_new(new, eps=eps)
        table = selection.new_duplicates(
            chosen.links, new, known_uri, how, eps=eps, linkage=linkage, replaces=spec.replace_keepers
        )
    else:
        chosen = links.select(members, eps=eps)
        table = selection.duplicates(chosen.links, members, how, eps=eps, linkage=linkage)
    what = "new clips" if known_uri else f"{len(members)} clusters"
    spec.log().debug("%s, eps %g: %d duplicates", what, eps, len(table))
    similarities = Similarities(threshold=1.0 - eps, counts=chosen.counts)
    if known_uri:
        return _publish_new(found, table, output, similarities=similarities)
    return _publish_all(found, table, output, spec, similarities=similarities)


def _publish_all(
    found: Sequence[Found], table: pa.Table, output: str, spec: DedupSpec, *, similarities: Similarities
) -> bytes:
    """Put the tree of a run over all clips in place of what was there; the table of duplicates as written."""
    root, folder = layout.dedup_dir(output), found[0].folder
    copied = _documented([one for part in found for one in part.clusters if one.kmeans_uri])
    copied[known.CENTROIDS] = layout.join(folder, fit.CENTROIDS)
    made = {
        selection.duplicates_name(0): _ids(table),
        selection.TABLE: parquet.encode(table),
    }
    now = Known(
        parameters=known.parameters(spec),
        result_digest=identity.bytes_digest(made[selection.TABLE]),
        dimensions=fit.read_centroids(copied[known.CENTROIDS]).shape[1],
        rows=(_rows(found),),
        similarity_counts=similarities.counts,
    )
    uri = known.known_uri(output)
    if store.exists(uri) and store.read_bytes(uri) != step_io.encode(now):
        store.delete(uri)
    for name, source in copied.items():
        store.put_if_changed(layout.join(root, name), store.read_bytes(source))
    _bring_rows(found, output)
    _note_files(layout.join(folder, fit.FILES), (), now, output)
    made[selection.noted_name(now.result_digest)] = made[selection.TABLE]
    _put(made, similarities, now, output)
    names = [*copied, *made, *_row_files(now)]
    _remove_others(root, names, (selection.KMEANS, selection.PAIRWISE, selection.DUPLICATES, known.ROWS))
    return made[selection.TABLE]


def _publish_new(
    found: Sequence[Found], table: pa.Table, output: str, *, similarities: Similarities
) -> bytes:
    """Put what new clips add beside what is there; the ``table`` of all duplicates as written."""
    root = layout.dedup_dir(output)
    earlier = step_io.read(found[0].known_uri, Known)
    new = [one.new for one in found if one.new is not None]
    run = len(earlier.rows)
    made = {
        selection.added_name(selection.KMEANS, run): _added(
            [one.kmeans_uri for one in new], KMEANS_COLUMNS, cluster="centroid"
        ),
        selection.added_name(selection.PAIRWISE, run): _added(
            [one.pairwise_uri for one in new], _PAIR_COLUMNS
        ),
        **_part_names(earlier, root, table),
        selection.TABLE: parquet.encode(table),
    }
    counts = similarity_histogram.added(earlier.similarity_counts, similarities.counts)
    now = earlier.model_copy(
        update={
            "result_digest": identity.bytes_digest(made[selection.TABLE]),
            "rows": (*earlier.rows, _rows(found)),
            "similarity_counts": counts,
        }
    )
    made[selection.noted_name(now.result_digest)] = made[selection.TABLE]
    files = layout.join(found[0].folder, fit.FILES)
    _bring_rows(found, output)
    _note_files(files, known.read_files(earlier, output), now, output)
    _put(made, similarities.model_copy(update={"counts": counts}), now, output)
    _remove_others(root, [*made, *_row_files(now)], (known.ROWS,))
    return made[selection.TABLE]


def _note_files(uri: str, earlier: Collection[step_io.InputFile], now: Known, output: str) -> None:
    """Say which files led to ``now``, before it is seen; the list of what was there before goes."""
    own = step_io.read(uri, step_io.InputFiles).files
    files = sorted(frozenset((*earlier, *own)), key=lambda one: (one.uri, one.size_bytes, one.version))
    place = known.read_files_uri(output, now)
    step_io.write(place, step_io.InputFiles(files=tuple(files)))


def _documented(members: Sequence[FoundCluster]) -> dict[str, str]:
    """Where each cluster's files belong, and where they are."""
    rows = {selection.kmeans_name(one.cluster): one.kmeans_uri for one in members}
    return rows | {selection.pairwise_name(one.cluster): one.pairwise_uri for one in members}


def _put(made: Mapping[str, bytes], similarities: Similarities, now: Known, output: str) -> None:
    step_io.write(similarity_histogram.similarities_uri(output), similarities)
    for name, data in made.items():
        store.put_if_changed(layout.join(layout.dedup_dir(output), name), data)
    step_io.write(known.known_uri(output), now)
    for file in store.find(posixpath.dirname(known.read_files_uri(output, now))):
        if file.uri != store.normalise(known.read_files_uri(output, now)):
            store.delete(file.uri)


def _part_names(earlier: Known, root: str, table: pa.Table) -> dict[str, bytes]:
    """The ids that go, in the part of the run that found them: this one for those that stayed before."""
    parts, seen = dict[str, bytes](), all_names([])
    for run in range(len(earlier.rows)):
        name = selection.duplicates_name(run)
        ids = read_table(layout.join(root, name))["id"]
        still = ids.filter(pa.array(are_among(ids, table["clip_id"]) & ~are_among(ids, seen)))
        parts[name] = parquet.encode(pa.table({"id": still}))
        seen = all_names([seen, still])
    new = table.filter(pa.array(~are_among(table["clip_id"], seen)))
    return {**parts, selection.duplicates_name(len(earlier.rows)): _ids(new)}


def _added(uris: Sequence[str], columns: Sequence[str], *, cluster: str | None = None) -> bytes:
    """The tables of all groups as one; ``cluster`` is the documented name of that column, if it has one."""
    table = pa.concat_tables([read_table(uri) for uri in uris if uri])
    chosen = table.select(columns)
    return parquet.encode(chosen.add_column(0, cluster, table["cluster"]) if cluster else chosen)


def _rows(found: Sequence[Found]) -> tuple[step_io.RowsPart, ...]:
    """The parts of rows that a run leaves for later ones."""
    return tuple(part.rows for part in found if part.rows is not None)


def _bring_rows(found: Sequence[Found], output: str) -> None:
    """Copies the rows for later runs from where they were found, if that is not this output."""
    target = known.rows_dir(output)
    for part in found:
        if part.rows is None or part.rows_folder in ("", target):
            continue
        for suffix in _ROW_SUFFIXES:
            source = layout.join(part.rows_folder, f"{part.rows.name}{suffix}")
            if suffix != ".sketches" or store.exists(source):
                store.put_if_changed(
                    layout.join(target, f"{part.rows.name}{suffix}"), store.read_bytes(source)
                )


def _row_files(now: Known) -> list[str]:
    names = [layout.join(known.ROWS, part.name) for run in now.rows for part in run]
    return [f"{name}{suffix}" for name in names for suffix in _ROW_SUFFIXES]


def _ids(table: pa.Table) -> bytes:
    return parquet.encode(table.select(["clip_id"]).rename_columns(["id"]))


def _remove_others(root: str, names: Collection[str], folders: Sequence[str]) -> None:
    """Delete files of ``folders`` under ``root`` other than ``names``."""
    keep = {store.normalise(layout.join(root, name)) for name in names}
    for folder in folders:
        for file in store.find(layout.join(root, folder)):
            if file.uri not in keep:
                store.delete(file.uri)
