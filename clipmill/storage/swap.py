"""A file that is replaced only as it was read, so that no writer overwrites what it never saw."""

from dataclasses import dataclass

from clipmill import identity
from clipmill.errors import WriteConflict
from clipmill.storage import conditional, store


@dataclass(frozen=True)
class Standing:
    """A file as it was read: its content and version, or None for one that was not there."""

    uri: str
    data: bytes | None
    version: str | None

    def swap(self, data: bytes) -> None:
        """Replaces the file; an equal content writes nothing. WriteConflict where another writer was first.

        A store without conditional writes is compared first: of two writers at the same moment both may win.
        """
        if data == self.data:
            return
        if conditional.is_supported(self.uri):
            conditional.put_versioned(self.uri, data, if_version=self.version)
            return
        if standing(self.uri).version != self.version:
            raise WriteConflict(self.uri, "another writer was first")
        store.put_bytes(self.uri, data)


def standing(uri: str) -> Standing:
    """Reads a file for a later ``swap``."""
    if conditional.is_supported(uri):
        return Standing(uri, *(conditional.read_versioned(uri) or (None, None)))
    data = store.read_bytes(uri) if store.exists(uri) else None
    return Standing(uri, data, None if data is None else identity.bytes_digest(data))
