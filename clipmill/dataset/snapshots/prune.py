"""The snapshots of an output, and removing earlier ones with the files that only they name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clipmill import arrow, layout
from clipmill.dataset.snapshots.record import Snapshot, current_snapshot, read_table, snapshot_of
from clipmill.planning.judgement import LOST
from clipmill.runs.run_id import new_run_id
from clipmill.state.schema import OUTCOME
from clipmill.state.store import ResultStore
from clipmill.state.winners import without_cleared
from clipmill.storage import store
from clipmill.storage.store import FileEntry

_FOLDERS = (
    layout.clips_dir("", filtered=False),
    layout.clips_dir("", filtered=True),
    layout.previews_dir(""),
)


@dataclass(frozen=True)
class ListedSnapshot:
    """A snapshot, and when a run last published it (UTC, ISO 8601; empty where no run says so)."""

    snapshot: Snapshot
    published_at: str
    is_current: bool


@dataclass(frozen=True)
class Pruning:
    """What pruning removes: snapshots by id, and files of clips and previews that no kept snapshot names.

    ``stored`` are the columns of the state that name such files: (key of a stage, column).
    """

    output: str
    kept: tuple[Snapshot, ...]
    removed: tuple[str, ...]
    parts: tuple[FileEntry, ...]
    files: tuple[FileEntry, ...]
    stored: tuple[tuple[str, str], ...]

    @property
    def num_bytes(self) -> int:
        """Size of everything that goes."""
        return sum(entry.size_bytes for entry in (*self.parts, *self.files))


def list_snapshots(output: str) -> list[ListedSnapshot]:
    """Returns the snapshots of an output: the current one, then the others from the latest on."""
    output = store.normalise(output)
    current, times = current_snapshot(output).snapshot_id, _times(output)
    manifests = store.find(layout.snapshots_dir(output), ("/manifest.json",))
    found = [snapshot_of(store.read_record(entry.uri)) for entry in manifests]
    listed = [
        ListedSnapshot(one, times.get(one.snapshot_id, ""), one.snapshot_id == current) for one in found
    ]
    return sorted(listed, key=lambda one: (one.is_current, one.published_at), reverse=True)


def plan_pruning(output: str, *, keep: int = 1) -> Pruning:
    """Returns what goes if the newest ``keep`` snapshots stay, also the current one; nothing is removed.

    Folders of snapshots that a killed run left unfinished go too.
    """
    output = store.normalise(output)
    found = [one.snapshot for one in list_snapshots(output)]
    kept = tuple(found[:keep])
    stays = {layout.snapshot_dir(output, one.snapshot_id) for one in kept}
    root = layout.snapshots_dir(output)
    parts = [entry for entry in store.find(root) if _folder(entry, root) not in stays]
    named = pa.concat_arrays([pa.array([], pa.string()), *_named(output, kept)])
    return Pruning(
        output=output,
        kept=kept,
        removed=tuple(sorted({_folder(entry, root).rpartition("/")[2] for entry in parts})),
        parts=tuple(parts),
        files=tuple(_unnamed(output, named)),
        stored=tuple(sorted({pair for one in found for pair in _stored_columns(one)})),
    )


def prune(pruning: Pruning) -> int:
    """Removes what ``plan_pruning`` found; returns how many results of stages went with the files.

    A manifest goes before its tables, and a row of the state before the file that it names: whatever is
    there is whole, also after a kill. The next run makes a file again if it needs it.
    """
    output = pruning.output
    manifests = [entry for entry in pruning.parts if entry.uri.endswith("/manifest.json")]
    for entry in manifests:
        store.delete(entry.uri)
    num_lost = _forget(output, pruning)
    for entry in (*pruning.files, *pruning.parts):
        store.delete(entry.uri)
    return num_lost


def _times(output: str) -> dict[str, str]:
    """Snapshot id -> when a run last published it."""
    times: dict[str, str] = {}
    for entry in store.find(layout.runs_dir(output), (".json",)):
        run = store.read_record(entry.uri)
        if published := run.get("snapshot_id"):
            times[published] = max(run["finished_at"], times.get(published, ""))
    return times


def _folder(entry: FileEntry, root: str) -> str:
    """The folder below ``root`` that a file lies in."""
    return layout.join(root, entry.uri.removeprefix(root.rstrip("/") + "/").split("/", 1)[0])


def _named(output: str, kept: Sequence[Snapshot]) -> Iterator[pa.Array]:
    """Yields the paths that snapshots name."""
    for snapshot in kept:
        places = {(one["table"], one["column"]) for one in snapshot.manifest["files"]}
        for table, column in sorted(places):
            paths = read_table(output, table, columns=[column], snapshot=snapshot)[column]
            yield paths.combine_chunks().drop_null()


def _unnamed(output: str, named: pa.Array) -> Iterator[FileEntry]:
    for folder in _FOLDERS:
        entries = store.find(layout.join(output, folder.lstrip("/")))
        paths = pa.array([_path(output, entry) for entry in entries], pa.string())
        is_named = arrow.flags(arrow.is_in(paths, named))
        yield from (entry for entry, stays in zip(entries, is_named, strict=True) if not stays)


def _path(output: str, entry: FileEntry) -> str:
    return entry.uri.removeprefix(output.rstrip("/") + "/")


def _forget(output: str, pruning: Pruning) -> int:
    """Takes the results that name removed files out of the state."""
    gone = pa.array([_path(output, entry) for entry in pruning.files], pa.string())
    run_id = new_run_id()  # behind all runs before
    state, num_lost = ResultStore(output), 0
    for key, column in pruning.stored:
        schema = pa.schema([*OUTCOME, pa.field(column, pa.string())])
        for digest in _digests(output, key):
            rows = without_cleared(state.all_rows(key, digest, schema=schema, columns=["id", column]))
            ids = rows.filter(arrow.is_in(rows[column], gone))["id"].unique().to_pylist()
            lost = [{"id": one, "outcome": LOST} for one in ids]
            state.append(key, digest, pa.Table.from_pylist(lost, schema=OUTCOME), run_id=run_id)
            num_lost += len(ids)
    return num_lost


def _stored_columns(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    return ((one["stage"], one["stored"]) for one in snapshot.manifest["files"])


def _digests(output: str, key: str) -> list[str]:
    root = layout.join(layout.state_dir(output), key)
    return sorted({_folder(entry, root).rpartition("/")[2] for entry in store.find(root, (".parquet",))})
