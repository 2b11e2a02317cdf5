"""Notes of the videos that a run works on, so that the next run knows what a dead one was at.

``state/attempts/<run id>/<task>/<worker>.json`` lists the last videos that one worker took. Each worker has
one small file, which it replaces for each video. A run that ends by itself removes its notes.
"""

import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from clipmill import layout
from clipmill.errors import StoreError
from clipmill.storage import store

logger = logging.getLogger(__name__)

KEPT = 8
"""Videos that a note names: the clips of one may be at a later stage when the scan takes the next ones."""
STOPPED = "stopped.json"


class WorkerNotes:
    """The note of one worker; without a ``notes_uri`` nothing is written."""

    def __init__(self, notes_uri: str) -> None:
        self._uri = layout.join(notes_uri, f"{secrets.token_hex(8)}.json") if notes_uri else ""
        self._video_ids: list[str] = []

    def take(self, *video_ids: str) -> None:
        """Notes that the worker goes on to videos. A note that cannot be written stops no work."""
        if not self._uri:
            return
        self._video_ids = [*self._video_ids, *video_ids][-KEPT:]
        try:
            store.put_bytes(self._uri, json.dumps(self._video_ids).encode())
        except StoreError as error:
            logger.warning("cannot note that work on %s begins: %s", ", ".join(video_ids), error)


@dataclass(frozen=True)
class RunNotes:
    """The notes of one streaming task of a run."""

    output: str
    run_id: str
    task: str

    @property
    def uri(self) -> str:
        """The folder of the workers' notes."""
        return layout.join(layout.attempts_dir(self.output), self.run_id, self.task)

    def remove(self) -> None:
        """Removes the notes of a task that ended by itself."""
        remove_notes(self.uri)

    def stop(self) -> None:
        """Notes that the run stopped early: its failures count against no item."""
        store.put_bytes(layout.join(layout.attempts_dir(self.output), self.run_id, STOPPED), b"{}")


def new_notes(output: str, run_id: str) -> RunNotes:
    """Returns the notes of a new task."""
    return RunNotes(store.normalise(output), run_id, secrets.token_hex(4))


def stopped_runs(output: str) -> frozenset[str]:
    """Returns the ids of the runs that stopped early."""
    return frozenset(run_id for run_id, name, _ in _entries(output) if name == STOPPED)


def videos_of(folder_uri: str) -> list[str]:
    """Returns the videos of the notes in a folder, each once."""
    entries = store.find(folder_uri, (".json",))
    return list(dict.fromkeys(one for entry in entries for one in json.loads(store.read_bytes(entry.uri))))


def noted_videos(output: str, *, but: str) -> dict[str, str]:
    """Returns video id -> run id of the videos that dead runs noted; ``but`` is the run that asks."""
    found: dict[str, str] = {}
    for run_id, name, uri in sorted(_entries(output)):
        if run_id != but and name != STOPPED:
            found |= dict.fromkeys(json.loads(store.read_bytes(uri)), run_id)
    return found


def remove_dead_notes(output: str, *, but: str) -> None:
    """Removes the notes of dead runs, once the state says what was lost."""
    for run_id, name, uri in list(_entries(output)):
        if run_id != but and name != STOPPED:
            store.delete(uri)


def remove_notes(folder_uri: str) -> None:
    """Removes the notes in a folder."""
    for entry in store.find(folder_uri, (".json",)):
        store.delete(entry.uri)


def _entries(output: str) -> Iterator[tuple[str, str, str]]:
    """Yields (run id, file name, URI)."""
    root = layout.attempts_dir(store.normalise(output))
    for entry in store.find(root, (".json",)):
        run_id, _, rest = entry.uri.removeprefix(f"{root}/").partition("/")
        yield run_id, rest.rpartition("/")[2], entry.uri
