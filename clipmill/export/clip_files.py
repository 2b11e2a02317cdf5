"""The video files of samples on this machine: where they lie, fetched, or cut and encoded."""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from clipmill import layout
from clipmill.dataset.snapshots.record import Snapshot
from clipmill.errors import SourceError, StoreError, TransientStoreError
from clipmill.export.spec import ExportSpec
from clipmill.limits import LimitsSpec
from clipmill.planning import registry
from clipmill.sandbox.pool import PooledProcess
from clipmill.stages.encode_options import EncodeOptions
from clipmill.stages.roles import EncoderStage
from clipmill.stages.spec import Mark
from clipmill.storage import store

Row = Mapping[str, Any]
_AHEAD = 8
"""Files that are fetched or cut while earlier ones are written."""
_CUT_S = 600.0


@dataclass(frozen=True)
class ClipFiles:
    """Files of samples below an output; cut ones are encoded as the clips of the snapshot were."""

    output: str
    spec: ExportSpec
    snapshot: Snapshot
    scratch: str

    def in_turn(self, rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
        """Yields each row with the path of its file; a fetched or cut one is gone at the next."""
        if store.is_local(self.output) and all(row["is_whole"] for row in rows):
            for row in rows:
                path = self._source(row)
                with named_missing(path, self.output):
                    os.stat(path)
                yield row, path
            return
        with ThreadPoolExecutor(min(_AHEAD, self.spec.workers)) as pool:
            waiting: list[tuple[Row, Future[str]]] = []
            left = iter(rows)
            for row in left:
                waiting.append((row, pool.submit(self._made, row)))
                if len(waiting) == _AHEAD:
                    break
            while waiting:
                row, made = waiting.pop(0)
                path = made.result()
                if (following := next(left, None)) is not None:
                    waiting.append((following, pool.submit(self._made, following)))
                yield row, path
                if path.startswith(self.scratch):
                    os.unlink(path)

    def _source(self, row: Row) -> str:
        return layout.join(self.output, row["clip_uri"])

    def _made(self, row: Row) -> str:
        """The path of a row's file: fetched, then cut, where it has to be."""
        uri = self._source(row)
        with named_missing(uri, self.output):
            path = uri if store.is_local(self.output) else self._fetched(uri, row)
        if row["is_whole"]:
            return path
        out = os.path.join(self.scratch, f"cut-{row['sample_id']}.mp4")
        _cut_in_child(path, out, row, self.spec, _encode_options(self.snapshot))
        if path != uri:
            os.unlink(path)
        return out

    def _fetched(self, uri: str, row: Row) -> str:
        path = os.path.join(self.scratch, f"clip-{row['sample_id']}{suffix_of(row)}")
        store.get_file(uri, path)
        return path


@contextmanager
def named_missing(uri: str, output: str) -> Generator[None]:
    """Raises SourceError with the remedy for a file of an output that is not there."""
    try:
        yield
    except TransientStoreError:
        raise
    except (StoreError, FileNotFoundError) as error:
        raise SourceError(
            f"{uri} cannot be read: clipmill verify {output} --repair lets the next run make it again"
        ) from error


def suffix_of(row: Row) -> str:
    """Returns the suffix of a sample's file: that of its clip, or of a cut one."""
    return os.path.splitext(row["clip_uri"])[1] if row["is_whole"] else ".mp4"


def _cut_in_child(path: str, out: str, row: Row, spec: ExportSpec, options: EncodeOptions) -> None:
    """Cuts a sample in a codec process."""
    from clipmill.media.cut.sample import SampleCut, cut_sample  # copies wait for no codec library

    is_sized = bool(spec.size or spec.multiple)
    cut = SampleCut(
        start_frame=row["start_frame"],
        end_frame=row["end_frame"],
        num_frames=row["num_frames"],
        first_step=row["first_step"],
        fps=row["fps"],
        size=(row["width"], row["height"]) if is_sized else None,
        fit=spec.fit if spec.size else "middle",
    )
    limits = LimitsSpec()
    process = PooledProcess(memory_limit_bytes=limits.max_child_bytes)
    process.run(cut_sample, path, out, cut, options=options, timeout_s=_CUT_S, stall_s=limits.decode_stall_s)


def _encode_options(snapshot: Snapshot) -> EncodeOptions:
    """How the clips of a snapshot were encoded; the default where the manifest does not say."""
    stages = cast("Mapping[str, Mapping[str, Any]]", snapshot.manifest["stages"])
    encoders = [use for use in registry.BUILT_IN if issubclass(registry.stage_class(use), EncoderStage)]
    for entry in stages.values():
        if entry["class"] in encoders:
            return _options(registry.stage_class(entry["class"]), entry["parameters"])
    return _options(registry.stage_class(encoders[0]), {})


def _options(cls: type, parameters: Mapping[str, Any]) -> EncodeOptions:
    assert issubclass(cls, EncoderStage)
    counted = cls.fields_without(Mark.IGNORED)
    return cls.model_validate({name: parameters[name] for name in counted & set(parameters)}).options()
