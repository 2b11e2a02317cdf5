"""Films, specs and what a run without faults makes of them."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from clipmill.storage import store
from footage import copies
from footage.encode import H264
from footage.sound import sound_bed
from tests.support.faults.driver import Request
from tests.support.faults.fault import Fault
from tests.support.faults.published import Published, differences, read_published, stray_files
from tests.support.faults.runs import Ended, run
from tests.support.films.small_films import FPS, TWO_CLIPS, draw_film
from tests.support.runs.curation import curate_here, small_spec
from tests.support.runs.one_codec import new_codec_processes, one_codec_process

Spec = Mapping[str, object]

IN_THE_PASS: Spec = {}
"""Clips are encoded while their video is scanned."""
TWO_PASSES: Spec = {"motion_filter": {"score_only": False, "global_mean_threshold": 0.0}}
"""A stage with rules stands before the encoder: kept spans are decoded again."""

_LOSSLESS = replace(H264, options={**H264.options, "crf": "4"})
_drawn = TemporaryDirectory(prefix="clipmill-films-")


@cache
def drawn(seed: int) -> Path:
    """Returns a film of about six seconds and two clips; each seed's is another."""
    return draw_film(Path(_drawn.name) / f"{seed}.mp4", seed=seed)


@cache
def large(seed: int) -> Path:
    """Returns a film of two clips that takes several reads: a megabyte and a half."""
    path = Path(_drawn.name) / f"{seed}-large.mp4"
    return draw_film(path, seed=seed, size_px=(320, 180), encoding=_LOSSLESS)


@cache
def worn_copy(seed: int) -> Path:
    """Returns the same film encoded again, worse."""
    path = Path(_drawn.name) / f"{seed}-worn.mp4"
    copies.reencode(drawn(seed), path, crf=30, sound=sound_bed(sum(TWO_CLIPS) / FPS, seed=seed))
    return path


@dataclass(frozen=True)
class Films:
    """Name -> file of the films of a source."""

    paths: Mapping[str, Path]

    def lay(self, source: str) -> None:
        """Puts the films below a source, a folder or a place in an object store."""
        for name, path in self.paths.items():
            store.put_file(f"{source}/{name}", str(path))

    def but(self, name: str, path: Path | None) -> "Films":
        """Returns the films with another one of that name, or with none."""
        others = {one: file for one, file in self.paths.items() if one != name}
        return Films(others if path is None else {**others, name: path})


def two_films() -> Films:
    """Returns ``a.mp4`` and ``b.mp4``, of two clips each."""
    return Films({"a.mp4": drawn(1), "b.mp4": drawn(2)})


def films_with_copy() -> Films:
    """Returns two films and a worn copy of the first, whose clips are duplicates."""
    return Films({**two_films().paths, "worn.mp4": worn_copy(1)})


@dataclass
class Scene:
    """A source with films and an output, both local or at a URI, and a folder for what runs note."""

    folder: Path
    films: Films = field(default_factory=two_films)
    spec: Spec = field(default_factory=dict)
    source: str = ""
    output: str = ""

    def __post_init__(self) -> None:
        self.source = self.source or str(self.folder / "source")
        self.output = self.output or str(self.folder / "out")
        self.films.lay(self.source)

    def request(self, **more: object) -> Request:
        """Returns a run of this scene."""
        fields: dict[str, object] = {"spec": dict(self.spec), **more}
        return Request(self.source, self.output, **fields)  # type: ignore[arg-type] - fields by name

    def run(self, *faults: Fault, before: tuple[str, ...] = (), **more: object) -> Ended:
        """Runs in a process of its own; every fault must come."""
        return run(self.request(**more), *faults, scratch=self.folder, before=before)

    def rerun(self) -> Published:
        """Runs under good conditions, here; returns what is published then."""
        # Codec processes that others share do not know a server that was started after them.
        with one_codec_process() if store.is_local(self.source) else new_codec_processes():
            curate_here(self.source, self.output, small_spec(**self.spec))
        return self.published()

    def published(self, *, copies_may_lag: bool = False) -> Published:
        """Returns what stands in the output."""
        return read_published(self.output, self.source, copies_may_lag=copies_may_lag)

    def check_rerun(self, films: Films | None = None) -> None:
        """Runs under good conditions; AssertionError unless all is as if no fault had ever come.

        ``films`` are those that the source holds by now, if it changed. Files of films that went may stay.
        """
        found = self.rerun()
        wrong = differences(found, undisturbed(films or self.films, self.spec))
        if films is None:
            wrong += [f"stray {name}" for name in sorted(stray_files(self.output, found))]
        assert not wrong, "\n".join(wrong)

    def check_truth(self, *films: Films) -> None:
        """AssertionError if a published clip shows other pictures than a run over one of ``films`` makes."""
        true = [undisturbed(one, self.spec).clips() for one in films]
        for clip_id, found in self.published().clips().items():
            assert any(clips.get(clip_id) == found for clips in true), f"clip {clip_id} of {found} is untrue"


def undisturbed(films: Films, spec: Spec) -> Published:
    """Returns what a run without faults publishes; made once for films and a spec."""
    key = repr((sorted((name, str(path)) for name, path in films.paths.items()), sorted(spec.items())))
    if key not in _undisturbed:
        with TemporaryDirectory(prefix="clipmill-undisturbed-") as folder:
            scene = Scene(Path(folder), films, spec)
            _undisturbed[key] = scene.rerun()
    return _undisturbed[key]


_undisturbed: dict[str, Published] = {}


def copy_of(folder: Path, to: Path) -> Path:
    """Copies an output, so that several runs can begin with it; returns the copy."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to
