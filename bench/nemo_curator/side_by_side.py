"""``python -m bench.nemo_curator.side_by_side --python PYTHON --tools FOLDER FILM``: results on one film.

NeMo Curator and clipmill each cut a film into clips of ten seconds, re-encode them, score motion and write
metadata, as ``bench.nemo_curator`` does. Printed are the clips with their scores, the files by folder, and
the keys of a clip's JSON.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from bench.nemo_curator.__main__ import OUR_MODULE, REFERENCE, environment
from bench.tables import table

ENCODER = "libopenh264"


@dataclass(frozen=True)
class Clip:
    """What the JSON of a clip says."""

    span_s: tuple[float, float]
    num_frames: int
    num_bytes: int
    motion: Mapping[str, float]
    keys: frozenset[str]


@dataclass(frozen=True)
class Result:
    """The clips of an output in the order of the film, and its files by folder."""

    clips: Sequence[Clip]
    files: Mapping[str, int]


def read_result(output: Path) -> Result:
    """Returns what lies in an output of either."""
    records = [json.loads(path.read_text()) for path in (output / "metas" / "v0").glob("*.json")]
    clips = sorted((_clip(record) for record in records), key=lambda clip: clip.span_s)
    paths = (path.relative_to(output) for path in output.rglob("*") if path.is_file())
    return Result(clips, Counter(_folder(path) for path in paths))


def _folder(path: Path) -> str:
    parts = [part for part in path.parts if not part.startswith(".")]
    return "/".join(parts[:2]) if parts[0] == "metas" else parts[0]


def _clip(record: Mapping[str, object]) -> Clip:
    start_s, end_s = cast("Sequence[float]", record["duration_span"])
    motion = cast("Mapping[str, float]", record.get("motion_score") or {})
    num_frames, num_bytes = cast("int", record["num_frames"]), cast("int", record["num_bytes"])
    return Clip((start_s, end_s), num_frames, num_bytes, motion, frozenset(record))


def run(command: Sequence[str], film: Path, how: str, tools: Path) -> Result:
    """Returns what one side makes of a film. CalledProcessError where it fails."""
    with TemporaryDirectory() as scratch:
        source, output = Path(scratch) / "in", Path(scratch) / "out"
        source.mkdir()
        (source / film.name).symlink_to(film.resolve())
        arguments = [*command, str(source), str(output), ENCODER, how]
        subprocess.run(arguments, env=environment(tools), check=True, stdout=subprocess.DEVNULL)
        return read_result(output)


def report(theirs: Result, ours: Result) -> str:
    """Returns three tables: clips, files, keys."""
    scores = ("global_mean", "per_patch_min_256")
    header = (
        "span, s", "frames there", "here", "bytes there", "here",
        *(cell for name in scores for cell in (f"`{name}` there", "here")),
    )  # fmt: skip
    rows = [_row(one, other, scores) for one, other in zip(theirs.clips, ours.clips, strict=True)]
    folders = sorted({*theirs.files, *ours.files})
    files = [[f"`{name}`", str(theirs.files.get(name, 0)), str(ours.files.get(name, 0))] for name in folders]
    return "\n\n".join([table(header, rows), table(("files", "there", "here"), files), _keys(theirs, ours)])


def _row(one: Clip, other: Clip, scores: Sequence[str]) -> list[str]:
    spans = dict.fromkeys(f"{clip.span_s[0]:.2f} to {clip.span_s[1]:.2f}" for clip in (one, other))
    numbers = [one.num_frames, other.num_frames, one.num_bytes, other.num_bytes]
    cells = [f"{clip.motion[name]:.6f}" for name in scores for clip in (one, other)]
    return [" / ".join(spans), *(f"{number:,}" for number in numbers), *cells]


def _keys(theirs: Result, ours: Result) -> str:
    there = frozenset[str]().union(*(clip.keys for clip in theirs.clips))
    here = frozenset[str]().union(*(clip.keys for clip in ours.clips))
    kinds = {"in both": there & here, "there only": there - here, "here only": here - there}
    rows = [[name, ", ".join(f"`{key}`" for key in sorted(keys)) or "none"] for name, keys in kinds.items()]
    return table(("keys of `metas/v0`", ""), rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="bench.nemo_curator.side_by_side", description="One film by both.")
    parser.add_argument("film", type=Path)
    parser.add_argument("--python", type=Path, required=True, help="interpreter with NeMo Curator")
    parser.add_argument("--tools", type=Path, required=True, help="folder with its ffmpeg and ffprobe")
    options = parser.parse_args(arguments)
    # A virtual environment is found by the name of its interpreter, not by what that is a link to.
    theirs = run([os.path.abspath(options.python), str(REFERENCE)], options.film, "in-process", options.tools)
    ours = run([sys.executable, "-m", OUR_MODULE], options.film, "inline", options.tools)
    print(report(theirs, ours))
    return 0


if __name__ == "__main__":
    sys.exit(main())
