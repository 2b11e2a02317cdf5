"""How a verb shows how far it is: a bar in a terminal, lines in a log, JSON for programs."""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Literal, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from clipmill.runs.status import LogStatus, Show, Status, failures

Mode = Literal["auto", "bar", "log", "json", "none"]
"""``auto`` is a bar where standard error is a terminal, and lines elsewhere."""

LINES_EVERY_S = 10.0
WIDTH = 80
"""A narrower terminal has no bar, but a shorter line."""
STDERR = 2
"""Descriptor of standard error."""


@contextmanager
def shown(mode: Mode) -> Generator[Show]:
    """Gives what shows a status; what clipmill logs goes to standard error, all else that is said to a file.

    So do the lines that libraries in C and child processes write. The file is named first. One that stayed
    empty is removed at the end.
    """
    path = _log_path()
    with _others_in(path) as own, _logs_in(path):
        console = _PipeConsole(file=own, highlight=False)
        with _own_logs_on(console):
            console.print(f"logs of libraries: {path}", markup=False, soft_wrap=True)
            with _shower(mode, console) as show:
                yield show
    if not path.stat().st_size:
        path.unlink()


@contextmanager
def _others_in(path: Path) -> Generator[TextIO]:
    """Gives a stream to standard error; a file gets what else this process and its children write there."""
    try:
        is_descriptor = sys.stderr.fileno() == STDERR
        own = os.dup(STDERR)
    except (OSError, ValueError):  # a notebook's, or none at all
        yield sys.stderr
        return
    stream = os.fdopen(own, "w", buffering=1)
    with path.open("ab", buffering=0) as log:
        os.dup2(log.fileno(), STDERR)
    try:
        yield stream if is_descriptor else sys.stderr
    finally:
        os.dup2(own, STDERR)
        with suppress(OSError):  # a reader that is gone
            stream.close()


@contextmanager
def _shower(mode: Mode, console: Console) -> Generator[Show]:
    if mode == "bar" or (mode == "auto" and console.is_terminal):
        with _bar(console) as show:
            yield show
    elif mode == "json":
        yield partial(_as_json, console.file)
    else:
        yield LogStatus(LINES_EVERY_S) if mode in ("auto", "log") else _nothing


def _as_json(stream: IO[str], status: Status) -> None:
    with suppress(OSError):
        print(json.dumps(asdict(status)), file=stream, flush=True)


def _nothing(status: Status) -> None:
    del status


@contextmanager
def _bar(console: Console) -> Generator[Show]:
    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=10), TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[left]}"),
    )  # fmt: skip
    is_narrow = console.width < WIDTH
    with Progress(*columns[: 1 if is_narrow else None], console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, counts="", left="")

        def show(status: Status) -> None:
            bar.update(
                task,
                description=_short(status) if is_narrow else status.phase,
                total=status.video_s or None,
                completed=status.seen_s,
                counts=_counts(status),
                left=_left(status),
            )

        yield show


def _left(status: Status) -> str:
    return "" if status.left_s is None else f"{_clock(status.left_s, status.left_s)} left"


def _short(status: Status) -> str:
    """Fits into 40 columns."""
    share = f"{status.seen_s / status.video_s:.0%}" if status.video_s else ""
    failed = failures(status.num_failures) if status.num_failures else ""
    return ", ".join(part for part in (f"{status.phase} {share}".rstrip(), failed, _left(status)) if part)


def _counts(status: Status) -> str:
    """So short that the whole bar fits into ``WIDTH`` columns."""
    if not status.num_videos:
        return ""
    seen = _clock(status.seen_s, status.video_s).partition(" ")[0]
    parts = [
        f"{seen} of {_clock(status.video_s, status.video_s)}",
        f"{status.num_done}/{status.num_videos} videos",
        *([f"[red]{failures(status.num_failures)}[/red]"] if status.num_failures else []),
    ]
    return ", ".join(parts)


def _clock(seconds: float, whole_s: float) -> str:
    """``11:06 h`` where the whole takes an hour or more, else ``1:54 min``."""
    is_long = whole_s >= 3600
    first, second = divmod(round(seconds) // 60 if is_long else round(seconds), 60)
    return f"{first}:{second:02d} {'h' if is_long else 'min'}"


def _log_path() -> Path:
    folder = Path(tempfile.gettempdir()) / "clipmill-logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.log"


@contextmanager
def _logs_in(path: Path) -> Generator[None]:
    """Sends what is logged by libraries to a file."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    before = root.handlers
    root.handlers = list[logging.Handler]([handler])
    try:
        yield
    finally:
        root.handlers = before
        handler.close()


@contextmanager
def _own_logs_on(console: Console) -> Generator[None]:
    """Shows what clipmill logs from INFO on, above a bar where there is one."""
    handler = _OnConsole(console)
    logger = logging.getLogger("clipmill")
    before = (logger.handlers, logger.level, logger.propagate)
    logger.handlers, logger.propagate = list[logging.Handler]([handler]), False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers, level, logger.propagate = before
        logger.setLevel(level)


class _PipeConsole(Console):
    """Says nothing more once the reader of standard error is gone: rich would end the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class _OnConsole(logging.Handler):
    """Prints a record with its time."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record; a terminal or a reader that is gone ends nothing."""
        with suppress(OSError, ValueError):
            self._console.print(self.format(record), markup=False, soft_wrap=True)
