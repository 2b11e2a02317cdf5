"""What files a model's weights consist of: a small JSON beside them that tells whole weights from others."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter

NAME = "clipmill-weights.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class FileFacts:
    """One file: its size and SHA-256 in hex (empty: never read), and the mtime at which they were true."""

    size_bytes: int
    sha256: str
    mtime_ns: int = 0


@dataclass(frozen=True)
class Inventory:
    """Files by name below the folder.

    ``revision`` is the commit they are of, empty where that is unknown; ``asked`` is what was asked for.
    """

    source: str
    revision: str
    asked: str
    files: Mapping[str, FileFacts]

    @property
    def digest(self) -> str:
        """SHA-256 over names and digests of all files."""
        lines = [f"{facts.sha256} {name}\n" for name, facts in sorted(self.files.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(facts.size_bytes for facts in self.files.values())

    def is_of(self, revision: str) -> bool:
        """Whether these are the files of ``revision``, given as a commit, the start of one, or a name."""
        return self.asked == revision or self.revision.startswith(revision)

    def to_json(self) -> bytes:
        """As it is written."""
        record = {
            "source": self.source,
            "revision": self.revision,
            "asked": self.asked,
            "files": {name: vars(facts) for name, facts in sorted(self.files.items())},
        }
        return json.dumps(record, indent=1).encode()


def inventory_from_json(data: bytes) -> Inventory:
    """The inverse of ``to_json``. ValueError for anything else, and for a file outside of the folder."""
    found = TypeAdapter(Inventory).validate_json(data)
    # Files are copied to where it says: it may come with weights from elsewhere.
    names = (name for name in found.files if name.startswith("/") or ".." in PurePosixPath(name).parts)
    if outside := next(names, ""):
        raise ValueError(f"{outside} lies outside of its folder")
    return found


def take_inventory(
    folder: Path, names: Iterable[str], *, source: str, revision: str, asked: str
) -> Inventory:
    """Read every file once."""
    return Inventory(source, revision, asked, {name: file_facts(folder / name) for name in names})


def file_facts(path: Path) -> FileFacts:
    """Facts of a file, read whole."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    facts = path.stat()
    return FileFacts(facts.st_size, digest.hexdigest(), facts.st_mtime_ns)


def fault_of(folder: Path, inventory: Inventory) -> str | None:
    """What is wrong with the files of a folder, naming the first; None when all are as they should be.

    A file is read only where its mtime says that it was touched since it was last read.
    """
    faults = (_file_fault(folder / name, facts) for name, facts in inventory.files.items())
    return next((fault for fault in faults if fault), None)


def _file_fault(path: Path, facts: FileFacts) -> str | None:
    if not path.is_file():
        return f"{path.name} is missing"
    found = path.stat()
    if found.st_size != facts.size_bytes:
        return f"{path.name} has {found.st_size:,} of {facts.size_bytes:,} bytes"
    if found.st_mtime_ns != facts.mtime_ns and file_facts(path).sha256 != facts.sha256:
        return f"{path.name} is not the file that was fetched"
    return None
