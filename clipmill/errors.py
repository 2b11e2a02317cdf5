"""Everything clipmill raises on purpose.

::

    ClipmillError
    ├── SpecError            an option that is unknown or impossible; raised before any work
    ├── SourceError          a source that does not exist or holds no video; raised before any work
    ├── OutputError          an output that cannot be written; raised before any work
    ├── ModelUnavailable     weights that are missing, partial or wrong; raised before any work
    ├── OutputBusy           an output that another run is writing; raised before any work
    ├── Fenced               a run that lost its output to another one; it publishes nothing
    ├── StaleDuplicates      duplicates that were found among other clips than those of the run
    ├── StageBroken          a stage that fails on everything; the run stops and keeps what is done
    ├── StoreOutage          a store that fails video after video; the run stops and keeps what is done
    ├── RunStopped           a run that ended early, after it published the results that it has
    ├── WorkerDied           a process of Ray that ran a stage is gone, and so were those that took its place
    ├── EngineDied           a model that was running is gone; who holds it may open another
    ├── FileFault            something about one file
    │   ├── StoreError           a store that failed while work was under way
    │   │   ├── TransientStoreError   ... in a way that is worth another try
    │   │   ├── SourceChanged         a source that is no longer the file that was listed
    │   │   ├── WriteConflict         a file that another writer made or replaced first
    │   │   ├── OutputFault           the output could not be written while work was under way
    │   │   └── ScratchFault          a folder for files of the moment could not be written
    │   └── BadEmbeddings        a file of embeddings holds rows that cannot be compared
    ├── UnreadableVideo      a container or video stream that could not be read
    ├── CodecChildDied       the child process that runs codecs crashed
    ├── CodecChildTimeout    ... or did not answer in time
    ├── CodecChildError      ... or met an error that has no meaning outside of it
    ├── EncodeFailed         a clip could not be encoded
    └── ConservationError    published rows do not add up to what was found
"""

import errno
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Self

MESSAGE_CHARACTERS = 1000
_CONTROL = {code: " " for code in (*range(9), *range(11, 32), 127)}


def foreign() -> tuple[type[BaseException], ...]:
    """Returns what code of a user or of a library may raise: everything but Ctrl-C.

    None of it may end a run: not ``sys.exit()``, not asyncio's CancelledError, not the panic of a library in
    Rust. The last two are no ``Exception``; they are here once their module is loaded.
    """
    kept = (KeyboardInterrupt, GeneratorExit)
    return tuple(kind for kind in BaseException.__subclasses__() if kind not in kept)


def said_by(error: BaseException) -> str:
    """Returns class and message of an error of foreign code, as ``plain_text``."""
    try:
        text = str(error)
    except foreign():
        text = "its message cannot be read"
    return plain_text(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def plain_text(text: str, most: int = MESSAGE_CHARACTERS) -> str:
    """Returns a message that every table, log and terminal takes: UTF-8, no control codes, not too long."""
    plain = text.translate(_CONTROL).encode("utf-8", "replace").decode()
    return plain if len(plain) <= most else f"{plain[: most - 4]} ..."


def one_line(said: object, most: int = 300) -> str:
    """Returns a text, or the message of an error, without line breaks; the class of an error without one."""
    return " ".join(str(said).split())[:most] or type(said).__name__


class ClipmillError(Exception):
    """Root of the tree. An error that is pickled is made again by the arguments that it was made by."""

    if not TYPE_CHECKING:  # for a type checker each __init__ alone says how its error is made

        def __new__(cls, *args: object, **named: object) -> Self:
            """Keeps the arguments."""
            made = super().__new__(cls, *args)
            made._made_by = partial(cls, *args, **named)
            return made

    def __reduce__(self) -> tuple[object, ...]:
        own = {name: value for name, value in vars(self).items() if name != "_made_by"}
        return vars(self)["_made_by"], (), own


class SpecError(ClipmillError):
    """A spec holds an unknown field or an impossible value."""


class SourceError(ClipmillError):
    """The source does not exist, is not allowed, or holds no video."""


class OutputError(ClipmillError):
    """The output cannot be written."""


class OutputBusy(ClipmillError):
    """Another run writes the output; ``run_id``, ``host`` and ``started`` say which."""

    def __init__(self, output: str, run_id: str, host: str, started: str) -> None:
        super().__init__(
            f"run {run_id} on {host} has been writing {output} since {started}: wait until it has ended; "
            f"if that process is gone, run `clipmill unlock {output}`"
        )
        self.output, self.run_id, self.host, self.started = output, run_id, host, started


class Fenced(ClipmillError):
    """A run no longer holds its output: it stood still past its lease, or ``clipmill unlock`` ended it."""

    def __init__(self, output: str, run_id: str, cause: str) -> None:
        super().__init__(
            f"run {run_id} no longer holds {output} and publishes nothing: {cause}; run it again"
        )
        self.output, self.run_id, self.cause = output, run_id, cause


class StaleDuplicates(ClipmillError):
    """Deduplication compared other clips than those that the run publishes."""


class ModelUnavailable(ClipmillError):
    """The weights of a model cannot be used as they are; says which, where, and what helps."""

    def __init__(self, model: str, place: str, cause: str, remedy: str) -> None:
        super().__init__(f"model {model} at {place}: {cause}; {remedy}")
        self.model = model
        self.place = place
        self.cause = cause
        self.remedy = remedy


class StageBroken(ClipmillError):
    """A stage fails on everything it is given: the run stops early and keeps what is done."""

    def __init__(self, key: str, cause: str) -> None:
        super().__init__(f"stage {key} is broken: {cause}")
        self.key, self.cause = key, cause


class StoreOutage(ClipmillError):
    """A store failed on one video after another: the run stops early and keeps what is done."""


class RunStopped(ClipmillError):
    """A run ended early. The results that it has are published; the message says why it stopped."""


class WorkerDied(ClipmillError):
    """A process of Ray died while it ran stages, as did those that Ray started in its place.

    ``stages`` are their keys; ``videos`` are the URIs of those that the last of the processes had, if known.
    """

    def __init__(self, stages: Sequence[str], cause: str, videos: Sequence[str] = ()) -> None:
        at = f" at {', '.join(videos)}" if videos else ""
        super().__init__(f"a worker of {', '.join(stages)} died again and again{at}: {cause}")
        self.stages, self.cause, self.videos = tuple(stages), cause, tuple(videos)


class EngineDied(ClipmillError):
    """A model that was running is gone; the caller may open another one and ask again.

    ``is_remote`` says that another one would ask the same server: the run stops at once.
    """

    def __init__(self, model: str, cause: str, is_remote: bool = False) -> None:
        super().__init__(f"model {model} is gone: {cause}")
        self.model = model
        self.cause = cause
        self.is_remote = is_remote


class FileFault(ClipmillError):
    """Something about one file; ``cause`` says what."""

    def __init__(self, uri: str, cause: str) -> None:
        super().__init__(f"{uri}: {cause}")
        self.uri = uri
        self.cause = cause


class StoreError(FileFault):
    """Reading or writing a store failed."""


class TransientStoreError(StoreError):
    """A store failure that is worth another try: throttling, a 5xx, a dropped connection.

    ``tried_s`` is how long the store's client tried the request before it gave up.
    """

    def __init__(self, uri: str, cause: str, tried_s: float = 0.0) -> None:
        super().__init__(uri, cause)
        self.tried_s = tried_s


class SourceChanged(StoreError):
    """A source is no longer the file that was listed: it was replaced, it grew or it is gone."""


class WriteConflict(StoreError):
    """A conditional write found that another writer was first."""


class OutputFault(StoreError):
    """The output could not be written while work was under way; no fault of the video."""


class ScratchFault(StoreError):
    """A folder for files of the moment could not be written; no fault of the video or the output."""


DISK_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""What an operating system says only of a place that is written to: it is full, limited or read-only."""

TRANSIENT_ERRNOS = frozenset(
    {
        errno.EAGAIN, errno.EBUSY, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EINTR,
        errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPIPE, errno.EREMOTEIO, errno.ESTALE, errno.ETIMEDOUT,
    }
)  # fmt: skip
"""What an operating system calls the faults of a ``TransientStoreError``."""


class UnreadableVideo(ClipmillError):
    """The container or its video stream could not be read.

    ``reason`` is one of ``clipmill.records.VideoReason``.
    """

    def __init__(self, video_uri: str, reason: str, cause: str) -> None:
        super().__init__(f"cannot read {video_uri}: {cause}")
        self.video_uri = video_uri
        self.reason = reason
        self.cause = cause


class CodecChildDied(ClipmillError):
    """The child process that runs codecs died before it answered."""

    def __init__(self, exit_code: int | None, cause: str = "", *, is_memory: bool = False) -> None:
        how = f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"
        super().__init__(f"the codec process died ({cause or how})")
        self.exit_code = exit_code
        self.cause = cause
        self.is_memory = is_memory
        """True where the process ran into its memory limit."""


class CodecChildTimeout(ClipmillError):
    """The child process that runs codecs did not answer in time and was killed."""

    def __init__(self, limit_s: float, is_stall: bool = False) -> None:
        super().__init__(f"the codec process did not answer within {limit_s:.0f} s and was killed")
        self.limit_s = limit_s
        self.is_stall = is_stall
        """True where it was the time without progress."""


class CodecChildError(ClipmillError):
    """Code in the codec process raised an error that cannot be carried out of it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind} in the codec process: {message}")
        self.kind = kind
        self.message = message


class EncodeFailed(ClipmillError):
    """A clip could not be encoded."""


class BadEmbeddings(FileFault):
    """A file of embeddings is no table, or holds rows that cannot be compared; ``cause`` names the row."""


class ConservationError(ClipmillError):
    """What is published does not add up to what was found."""
