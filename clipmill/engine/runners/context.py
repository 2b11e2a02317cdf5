"""What a worker process lends to the stages that it opens."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

from clipmill import layout
from clipmill.errors import OutputFault, SpecError, StoreError
from clipmill.planning.nodes import Node
from clipmill.scratch import ScratchFolder
from clipmill.stages.base import Artifact, Item
from clipmill.storage import store

T = TypeVar("T")


class Shared:
    """Objects that the stages of one worker process have in common, by key."""

    def __init__(self) -> None:
        self._objects: dict[str, object] = {}

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Returns the object of a key; ``make`` makes it once."""
        if key not in self._objects:
            self._objects[key] = make()
        return cast(T, self._objects[key])


class WorkerContext:
    """The ``StageContext`` of one node in one worker process.

    Files that a stage puts go below ``output_uri``; without one they are kept until ``take_files``.
    """

    def __init__(
        self,
        node: Node,
        shared: Shared,
        *,
        output_uri: str | None,
        device: str = "cpu",
        gpu_share: float = 0.0,
        num_threads: int = 1,
    ) -> None:
        self._node = node
        self._shared = shared
        self._output_uri = output_uri
        self.device = device
        self.gpu_share = gpu_share
        self.num_threads = num_threads
        self.log = node.stage.log()
        self._scratch: ScratchFolder | None = None
        self._files: dict[str, bytes] = {}
        self._places: dict[str, dict[str, str]] = {}

    def expect(self, items: Iterable[Item]) -> None:
        """Takes note of the items of a call: their clips and windows name the files that are put."""
        self._places = {item.id: place_of(item) for item in items}

    def take_files(self) -> dict[str, bytes]:
        """Returns the files that were put since the last call where there is no output, by their path."""
        files, self._files = self._files, {}
        return files

    @property
    def scratch_dir(self) -> Path:
        """A folder of this worker process; it goes with the context."""
        self._scratch = self._scratch or ScratchFolder(self._node.key)
        return Path(self._scratch.path)

    def weights(self, name: str) -> Path:
        """Returns the folder of a model that the stage names in ``models()``."""
        # Only stages with weights need the table of models and what finds their files.
        from clipmill.models.weights.stage_weights import folder_of

        ref = next((model for model in self._node.stage.models() if model.name == name), None)
        if ref is None:
            raise SpecError(f"stage {self._node.key} asks for model {name}, which its models() do not name")
        return folder_of(ref)

    def shared(self, key: str, make: Callable[[], T]) -> T:
        """Returns the object of this worker process by that key; ``make`` makes it once."""
        return self._shared.get(key, make)

    def get(self, path: str) -> bytes:
        """Returns a file of the output by its path relative to it.

        SpecError for a path that leaves the output and where the run writes none; StoreError.
        """
        if self._output_uri is None:
            raise SpecError(f"stage {self._node.key} reads {path}, but the run writes no files")
        return store.read_bytes(layout.join(self._output_uri, _inside(path, path)))

    def put(self, artifact: str, item_id: str, data: bytes | Path, **place: str | int) -> str:
        """Stores a file of an item; returns its path relative to the output.

        ``place`` fills the fields of the artefact's path that tell several files of an item apart. SpecError
        for an item that is not of this call, a field that the path does not have, and anything but bytes or a
        path of a file; OutputFault where the output cannot be written.
        """
        known = self._places.get(item_id)
        if known is None:
            raise SpecError(
                f"stage {self._node.key} puts a file of {item_id}, which is not an item of this call"
            )
        if not isinstance(cast(object, data), bytes) and not (isinstance(data, Path) and data.is_file()):
            what = f"{data}, which is no file" if isinstance(data, Path) else type(data).__name__
            raise SpecError(f"stage {self._node.key} puts {what}: give bytes, or the Path of a file")
        path = artifact_path(self._artifact(artifact), known, place)
        path = layout.in_folder(path, self._node.folder)
        if self._output_uri is None:
            self._files[path] = data if isinstance(data, bytes) else data.read_bytes()
            return path
        with output_faults():
            if isinstance(data, bytes):
                store.put_bytes(layout.join(self._output_uri, path), data)
            else:
                store.put_file(layout.join(self._output_uri, path), str(data))
        return path

    def _artifact(self, name: str) -> Artifact:
        found = next((one for one in self._node.stage.artifacts if one.name == name), None)
        if found is None:
            raise SpecError(f"stage {self._node.key} puts a file {name}, which its artifacts do not name")
        return found


@contextmanager
def output_faults() -> Generator[None]:
    """Raises OutputFault for what a store raises inside: the output failed, not the item's bytes."""
    try:
        yield
    except StoreError as error:
        raise OutputFault(error.uri, error.cause) from error


def place_of(item: Item) -> dict[str, str]:
    """Returns what the template of an artefact's path may name of an item; ``end`` is inclusive."""
    place = {"id": item.id, "clip_id": item.clip.clip_id, "video_id": item.id}
    if item.window is not None:
        place |= {"start": str(item.window.start_frame), "end": str(item.window.end_frame - 1)}
    return place


def artifact_path(artifact: Artifact, item: Mapping[str, str], place: Mapping[str, str | int]) -> str:
    """Returns the relative path of an item's file; ``place`` fills the fields that no item does.

    SpecError for a path that leaves the output, and for a field that has no value or that no path has.
    """
    if unknown := sorted(place.keys() - artifact.fields):
        raise SpecError(f"the path of {artifact.name} has no {{{unknown[0]}}}: {artifact.path}")
    if missing := sorted(artifact.fields - item.keys() - place.keys()):
        raise SpecError(f"put() needs {missing[0]}=... for the path of {artifact.name}: {artifact.path}")
    return _inside(artifact.path.format_map({**item, **place}), artifact.name)


def _inside(path: str, name: str) -> str:
    parts = path.split("/")
    if path.startswith("/") or "" in parts or ".." in parts or "::" in path:
        raise SpecError(f"the file {name} would lie outside of the output: {path}")
    return path
