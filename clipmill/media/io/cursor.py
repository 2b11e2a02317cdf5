"""A place of its own in a shared source, so that two demuxers of one file fetch each byte once."""

from clipmill.media.io.source import CountingReader


class _Shared:
    """A reader as the store of others; it stays open."""

    def __init__(self, reader: CountingReader) -> None:
        self.size_bytes, self.is_verified = reader.size_bytes, reader.is_verified
        self._reader = reader

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes ``[start, end)``, through the reader's cache."""
        self._reader.seek(start)
        return self._reader.read(end - start)

    def check(self) -> None:
        """As the reader does."""
        self._reader.verify()

    def close(self) -> None:
        """The reader belongs to others."""


def cursor(reader: CountingReader) -> CountingReader:
    """A reader of the same bytes with its own position; ``reader`` counts what both fetch."""
    return CountingReader(reader.uri, _Shared(reader))


class _Rest(_Shared):
    """What a reader holds from a place on."""

    def __init__(self, reader: CountingReader, offset: int) -> None:
        super().__init__(reader)
        self.size_bytes -= offset
        self._offset = offset

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes ``[start, end)``, counted from the place."""
        return super().fetch(self._offset + start, self._offset + end)


def cursor_behind(reader: CountingReader, offset: int) -> CountingReader:
    """A reader of the bytes from ``offset`` on, with its own position."""
    return CountingReader(reader.uri, _Rest(reader, offset))
