"""A package with stages of a user's own, and a film by which their results are known."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml

from clipmill.engine.machine_check import Engine
from clipmill.planning.from_spec import plan_of_spec
from clipmill.spec_file import load_spec
from clipmill.specs import CurateSpec
from footage.encode import write_film
from tests.support.runs.curation import ROOT, Row, curate_here, rows

PACKAGE = "users_films"
CALLS, FAILS_ABOVE = "USERS_FILMS_CALLS", "USERS_FILMS_FAILS_ABOVE"
"""Environment variables that name files: the clips of each call, and the luma above which a call fails."""
LEVELS = (20, 40, 65, 85, 105, 125, 145, 165, 185, 205)
"""Mean level of each clip of the film."""
CLIP_S, FPS, SIZE_PX = 4, 10, (96, 64)
EXAMPLE = ROOT / "examples" / "dark_filter.py"
COUNTED = f'''
"""The filter of the examples, which notes its calls and fails where it is asked to."""

import os
from pathlib import Path

from clipmill.stages.base import Batch, StageContext, Worker

from {PACKAGE} import dark


class CountedFilter(dark.DarkFilter):
    """See ``DarkFilter``."""

    def open(self, context: StageContext) -> Worker:
        return counted


def counted(batch: Batch) -> dict[str, list]:
    with open(os.environ["{CALLS}"], "a") as file:
        file.writelines(f"{{item.id}}\\n" for item in batch.items)
    columns = dark.measure(batch)
    if max(columns["luma_mean"]) > float(Path(os.environ["{FAILS_ABOVE}"]).read_text()):
        raise ValueError("this clip is too bright for me")
    return columns
'''
APART = f'''
"""The filter of the examples in another environment, so that it gets workers of its own."""

from {PACKAGE}.dark import DarkFilter


class ApartFilter(DarkFilter):
    """See ``DarkFilter``."""

    environment = "models"
'''


def write_package(folder: Path) -> Path:
    """Writes the package below ``folder``: the example, a counted one, and one of another environment."""
    package = folder / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "dark.py").write_text(EXAMPLE.read_text())
    (package / "counted.py").write_text(COUNTED)
    (package / "apart.py").write_text(APART)
    return folder


def forget_package() -> None:
    """Has the package imported again from its files."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def draw_stairs(path: Path) -> Path:
    """A film that gets brighter from clip to clip; no two clips show the same, but for the last two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_film(path, _pictures(), time_base=Fraction(1, FPS))
    return path


def _pictures() -> Iterator[np.ndarray]:
    width, height = SIZE_PX
    for number, level in enumerate(LEVELS):
        # The last clip is the one before it, brighter.
        rng = np.random.default_rng(min(number, len(LEVELS) - 2))
        coarse = rng.integers(-18, 19, (height // 8, width // 8, 1))
        texture = np.repeat(np.kron(coarse, np.ones((8, 8, 1), np.int64)), 3, axis=2)
        for index in range(CLIP_S * FPS):
            yield np.clip(level + np.roll(texture, index, axis=1), 0, 255).astype(np.uint8)


def spec_fields(*stages: Mapping[str, object], **fields: object) -> dict[str, object]:
    """A spec of clips of four seconds and these stages."""
    stride = {"clip_len_s": CLIP_S, "clip_stride_s": CLIP_S, "min_clip_length_s": 2.0}
    split = {"algorithm": "fixed_stride", "fixed_stride": stride}
    return {"split": split, "preview": None, "stages": list(stages), **fields}


def counted(**parameters: object) -> dict[str, object]:
    """An entry of ``stages:``."""
    return {"use": f"{PACKAGE}.counted:CountedFilter", "threshold": 0.2, **parameters}


def write_spec(path: Path, fields: Mapping[str, object]) -> Path:
    """Writes a spec as YAML."""
    path.write_text(yaml.safe_dump(dict(fields)))
    return path


@dataclass(frozen=True)
class Ran:
    """One run: items by stage, details of its scans, ids that the user's stage was called with, clips."""

    items: Counter[str]
    scans: tuple[str, ...]
    calls: tuple[str, ...]
    clips: dict[int, Row]
    """By the place of the clip in the film."""
    messages: dict[str, str]
    """Why clips were rejected."""
    stopped: str = ""

    @property
    def rejected(self) -> list[int]:
        """Places of the clips that were filtered."""
        return sorted(place for place, clip in self.clips.items() if clip["status"] == "filtered")


@dataclass(frozen=True)
class Workplace:
    """A source, an output, and a package whose stages run inline, from a spec in YAML."""

    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def package(self) -> Path:
        return self.folder / "package" / PACKAGE

    def spec(self, *stages: Mapping[str, object], **fields: object) -> CurateSpec:
        """Returns the spec of clips of four seconds and these stages, as read from YAML."""
        return load_spec(str(write_spec(self.folder / "spec.yaml", spec_fields(*stages, **fields))))

    def run(
        self,
        *stages: Mapping[str, object],
        fails_above: float = float("inf"),
        engine: Engine = "inline",
        **fields: object,
    ) -> Ran:
        """One run into the output; a stage that is broken is an outcome of it."""
        spec = self.spec(*stages, **fields)
        calls = self.folder / "calls.txt"
        calls.write_text("")
        (self.folder / "fails_above.txt").write_text(str(fails_above))
        forget_package()
        before = set(records(self.output))
        stopped = curate_here(self.source, self.output, spec, engine=engine).end.stopped
        laps = [
            lap for path in set(records(self.output)) - before for lap in json.loads(path.read_text())["laps"]
        ]
        return Ran(
            items=items_of(laps),
            scans=tuple(str(lap["detail"]) for lap in laps if lap["operator"] == "scan"),
            calls=tuple(calls.read_text().split()),
            clips={} if stopped else clips_by_place(self.output),
            messages={} if stopped else _messages(self.output),
            stopped=stopped,
        )

    def digests(self, *stages: Mapping[str, object]) -> dict[str, str]:
        """Digests of the rows of each stage."""
        forget_package()
        spec = self.spec(*stages)
        return plan_of_spec(spec, source=str(self.source), output=str(self.output)).digests()

    def edit(self, old: str, new: str) -> None:
        """Changes a line of the package's code."""
        path = self.package / "dark.py"
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
        os.utime(path, ns=(path.stat().st_mtime_ns + 10**9,) * 2)  # Python trusts the second of a file


def workplace(folder: Path, patch: pytest.MonkeyPatch) -> Workplace:
    """A new package on the path, and one film; environment variables as workers of Ray inherit them."""
    write_package(folder / "package")
    draw_stairs(folder / "source" / "stairs.mp4")
    patch.syspath_prepend(folder / "package")
    patch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "package"), str(ROOT)]))
    patch.setenv(CALLS, str(folder / "calls.txt"))
    patch.setenv(FAILS_ABOVE, str(folder / "fails_above.txt"))
    return Workplace(folder)


def _messages(output: Path) -> dict[str, str]:
    return {str(row["clip_id"]): str(row["message"]) for row in rows(output, "rejections") if row["clip_id"]}


def records(output: Path) -> list[Path]:
    """The records of streaming runs."""
    return sorted((output / "runs").glob("*.stream.json"))


def items_of(laps: list[Row]) -> Counter[str]:
    """Items by stage, of stages that were called at all."""
    counts: Counter[str] = Counter()
    for lap in laps:
        counts[str(lap["operator"])] += int(str(lap["num_items"]))
    return +counts


def clips_by_place(output: Path, *, source: str = "stairs.mp4") -> dict[int, Row]:
    """The clips of a film by their place in it."""
    clips = [row for row in rows(output, "clips") if Path(str(row["source_uri"])).name == source]
    return {round(float(str(clip["start_s"])) / CLIP_S): clip for clip in clips}
