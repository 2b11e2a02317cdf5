"""How many copies of held-out films a whole run finds, file by file, and which copy it keeps.

``python -m bench.copied_files --videos DIR --seed N`` cuts shots out of your videos, at places drawn by the
seed, and draws ``--films`` shots of its own. Each is written as a file, and that file, decoded, in each of
``CHANGES`` as a further one. A run curates all of them with its defaults; a file is one clip. Nothing here
was used to choose a threshold, and another seed draws other shots.

- found: copies that are in one group with their original;
- false joins: clips that are in one group with a clip of another shot;
- stays: originals that stay beside this copy alone, and the reason that is given the most often.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

from bench.copy_changes import cropped, grey, resized, scaled, with_bars, with_logo, with_text
from bench.process_meter import timed
from bench.tables import table
from clipmill.curation.run import RunOptions, run_curation
from clipmill.dedup.best_copy import advantage, best_copy
from clipmill.dedup.clip_copy import ClipCopy
from clipmill.dedup.copies.fingerprints import decode
from clipmill.dedup_job.keepers import marked
from clipmill.dedup_job.tables.rank_columns import read_facts
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec
from clipmill.storage.video_kinds import VIDEO_SUFFIXES
from footage.encode import AV1, H264, HEVC, VP9, Encoding, write_film
from footage.film import frames
from footage.shot_plan import plan_film

LENGTH_S = 6.0
HEIGHT_PX = 180
APART_S = 20.0
"""Between the shots that are cut out of one video."""
STRIDE = {"clip_len_s": 30.0, "clip_stride_s": 30.0}
SPEC: dict[str, object] = {
    "split": {"algorithm": "fixed_stride", "fixed_stride": STRIDE},
    "motion": None,
    "quality": None,
    "preview": None,
    "transcode": {"encoder": "copy"},
}


def _encoding(base: Encoding, crf: int) -> Encoding:
    return Encoding(base.codec, base.encoder, {**base.options, "crf": str(crf)})


FINE = _encoding(H264, 18)
MPEG2 = Encoding("mpeg2video", "mpeg2video", {"b": "4M"})


@dataclass(frozen=True)
class Change:
    """What becomes of a file: its pictures, which of them, how fast, and how they are coded."""

    paint: Callable[[np.ndarray], np.ndarray] = lambda pictures: pictures
    start: float = 0.0
    speed: float = 1.0
    keeps: Fraction = Fraction(1)
    encoding: Encoding = FINE

    def write(self, path: Path, pictures: np.ndarray, fps: Fraction) -> None:
        """Writes the changed file."""
        shown = pictures[round(self.start * len(pictures)) :]
        places = (np.arange(int(len(shown) * self.keeps)) / float(self.keeps)).astype(int)
        rate = (fps * self.keeps * Fraction(self.speed).limit_denominator(100)).limit_denominator(1001)
        write_film(path, self.paint(shown[places]), time_base=1 / rate, encoding=self.encoding)


def _even(pictures: np.ndarray) -> np.ndarray:
    return pictures[:, : pictures.shape[1] // 2 * 2, : pictures.shape[2] // 2 * 2]


def _all(*paints: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    def paint(pictures: np.ndarray) -> np.ndarray:
        for one in paints:
            pictures = one(pictures)
        return _even(pictures)

    return paint


def _filtered(by: ImageFilter.Filter) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pictures: np.stack([np.asarray(Image.fromarray(one).filter(by)) for one in pictures])


def _half(paint: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pictures: pictures // 2 + paint(pictures) // 2


def _upside_down(paint: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pictures: paint(pictures[:, ::-1])[:, ::-1]


def _tinted(pictures: np.ndarray) -> np.ndarray:
    return (pictures * np.array([1.1, 1.0, 0.8], np.float32)).clip(0, 255).astype(np.uint8)


def _curved(pictures: np.ndarray) -> np.ndarray:
    return (255 * (np.arange(256) / 255) ** 0.8).astype(np.uint8)[pictures]


SHARPER = ImageFilter.UnsharpMask(radius=2, percent=80, threshold=0)
CHANGES = {
    "re-encoded, H.264 crf 34": Change(encoding=_encoding(H264, 34)),
    "re-encoded, HEVC crf 30": Change(encoding=_encoding(HEVC, 30)),
    "half the size": Change(_all(resized(0.5))),
    "enlarged by 1.5": Change(_all(resized(1.5))),
    "letterboxed by 12 %": Change(_all(with_bars(0.12, 0))),
    "cropped by 5 % on each side": Change(_all(cropped(0.05, 0.05, 0.05, 0.05))),
    "cropped by 10 % on each side": Change(_all(cropped(0.1, 0.1, 0.1, 0.1))),
    "cropped above": Change(_all(cropped(0.07, 0, 0, 0))),
    "pillarboxed by 12 %": Change(_all(with_bars(0, 0.12))),
    "squeezed to three quarters of the lines": Change(_all(resized(0.75, squeeze=4 / 3))),
    "re-encoded, H.264 crf 14": Change(encoding=_encoding(H264, 14)),
    "re-encoded, AV1": Change(encoding=AV1),
    "re-encoded, VP9": Change(encoding=VP9),
    "re-encoded, MPEG-2": Change(encoding=MPEG2),
    "first 15 % trimmed": Change(start=0.15),
    "half the frame rate": Change(keeps=Fraction(1, 2)),
    "twice the frame rate": Change(keeps=Fraction(2)),
    "5 % faster": Change(speed=1.05),
    "4 % slower": Change(speed=0.96),
    "grey, contrast 0.8": Change(_all(grey, scaled(0.8, 20))),
    "logo": Change(_all(with_logo)),
    "text band": Change(_all(with_text)),
    "denoised": Change(_filtered(ImageFilter.MedianFilter(3))),
    "sharpened": Change(_filtered(SHARPER)),
    "half transparent logo": Change(_all(_half(with_logo))),
    "text band above": Change(_all(_upside_down(with_text))),
    "contrast 1.25": Change(_all(scaled(1.25, -25))),
    "brighter": Change(_all(scaled(1, 20))),
    "gamma 0.8": Change(_curved),
    "colours shifted": Change(_tinted),
    "sharpened, H.264 crf 30": Change(_filtered(SHARPER), encoding=_encoding(H264, 30)),
    "sharpened a little": Change(_filtered(ImageFilter.UnsharpMask(radius=1, percent=60, threshold=0))),
    "enlarged by 1.5 and sharpened": Change(_all(resized(1.5), _filtered(SHARPER))),
}


@dataclass(frozen=True)
class Original:
    """A shot that is written: its name, uint8 ``(T, H, W, 3)``, and its rate."""

    name: str
    pictures: np.ndarray
    fps: Fraction


def cut_out(path: Path, rng: np.random.Generator, *, most: int) -> Iterator[Original]:
    """Yields parts of a video at places drawn by ``rng``, ``APART_S`` apart at least."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        fps = Fraction(stream.average_rate or 25)
        length_s = float(container.duration or 0) / 1e6
        steps = np.arange(0.0, max(length_s - LENGTH_S, 0.1), LENGTH_S + APART_S)
        starts_s = np.sort(rng.permutation(steps + rng.uniform(0, APART_S / 2))[:most])
        kept: list[np.ndarray] = []
        for index, frame in enumerate(container.decode(stream)):
            if not len(starts_s):
                return
            if index < starts_s[0] * fps:
                continue
            width = round(frame.width * HEIGHT_PX / frame.height / 2) * 2
            kept.append(frame.to_ndarray(format="rgb24", width=width, height=HEIGHT_PX, interpolation="AREA"))
            if len(kept) == int(LENGTH_S * fps):
                yield Original(f"{path.stem} {starts_s[0]:.0f} s", np.stack(kept), fps)
                kept, starts_s = [], starts_s[1:]


def drawn(seed: int, num_films: int) -> Iterator[Original]:
    """Yields drawn films of one part."""
    for number in range(seed, seed + num_films):
        plan = plan_film(number, duration_s=LENGTH_S, width_px=320, height_px=HEIGHT_PX)
        yield Original(f"drawn {number}", np.stack(list(frames(plan))), plan.fps)


def originals(folder: Path | None, *, seed: int, num_films: int, most: int) -> Iterator[Original]:
    """Yields what is copied."""
    rng = np.random.default_rng(seed)
    paths = sorted(folder.rglob("*")) if folder else []
    for path in (one for one in paths if one.suffix.lower() in VIDEO_SUFFIXES):
        yield from cut_out(path, rng, most=most)
    yield from drawn(seed, num_films)


@dataclass(frozen=True)
class Found:
    """The group of each file ``(original, change)``; the change of the original itself is empty.

    ``stays`` says why the original stays beside this copy alone, nothing where the copy does.
    """

    group: dict[tuple[str, str], str]
    stays: dict[tuple[str, str], str]
    cpu_s: float

    def is_found(self, original: str, change: str) -> bool:
        """Returns True if a copy is in one group with its original."""
        return self.group[original, change] == self.group[original, ""]

    @property
    def false_joins(self) -> int:
        """Files that are in one group with a file of another original, by pairs of originals."""
        members: dict[str, set[str]] = {}
        for (original, _), group in self.group.items():
            members.setdefault(group, set()).add(original)
        return sum(len(names) - 1 for names in members.values())


def _decoded(path: Path) -> np.ndarray:
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def curated(films: Iterator[Original], changes: Mapping[str, Change]) -> Found:
    """Writes the files, curates them, and returns which are copies of which."""
    with TemporaryDirectory() as folder:
        source, output = Path(folder) / "films", Path(folder) / "curated"
        named: dict[str, tuple[str, str]] = {}
        for number, film in enumerate(films):
            for place, (change, how) in enumerate({"": Change(), **changes}.items()):
                path = source / f"{number:03d}" / f"{place:02d}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                how.write(path, film.pictures, film.fps)
                film = film if change else replace(film, pictures=_decoded(path))
                named[f"{path.parent.name}/{path.stem}"] = (film.name, change)
        if not named:
            raise ValueError("there is no video of 6 s, and no drawn film was asked for")
        spec = CurateSpec.model_validate(SPEC)
        with timed() as taken:
            plan = plan_of_spec(spec, source=str(source), output=str(output))
            run_curation(plan, RunOptions(dedup=spec.dedup, writes_json=False))
        clips = pq.read_table(output / "tables" / "clips.parquet").to_pylist()
        paths = {row["clip_id"]: Path(row["source_uri"]) for row in clips}
        names = {clip_id: named[f"{path.parent.name}/{path.stem}"] for clip_id, path in paths.items()}
        stays = _stays(output, names)
    group = {names[row["clip_id"]]: row["duplicate_of"] or row["clip_id"] for row in clips}
    return Found(group, stays, taken[0])


def _stays(output: Path, names: Mapping[str, tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Why each original stays beside each of its copies alone, from what the run wrote."""
    facts = read_facts(str(output / "work" / "clips"), names)
    embedded = pq.read_table(output / "perceptual_embd_parquet", columns=["id", "sketch"]).to_pylist()
    copies = {
        names[row["id"]]: ClipCopy(row["id"], decode(row["sketch"]), facts[row["id"]]) for row in embedded
    }
    stays = dict[tuple[str, str], str]()
    for (name, change), copy in copies.items():
        pair = marked([copies[name, ""], copy])
        is_original = best_copy(pair) is pair[0]
        stays[name, change] = str(advantage(*pair)) if is_original else ""
    return stays


def print_tables(found: Found) -> None:
    """Recall by change and what stays, then what was joined falsely."""
    names = sorted({original for original, _ in found.group})
    changes = [change for change in CHANGES if (names[0], change) in found.group]
    rows: list[list[str]] = []
    for change in changes:
        why = Counter(reason for name in names if (reason := found.stays[name, change]))
        num_found = sum(found.is_found(name, change) for name in names)
        mostly = why.most_common(1)[0][0] if why else ""
        rows.append([change, str(num_found), str(len(names)), str(why.total()), mostly])
    print(table(("change", "found", "of", "original stays", "mostly for"), rows), end="\n\n")
    num_copies = len(names) * len(changes)
    num_found, num_stay = (sum(int(row[column]) for row in rows) for column in (1, 3))
    print(f"found: {num_found} of {num_copies} copies of {len(names)} shots ({num_found / num_copies:.3f})")
    print(f"false joins: {found.false_joins}")
    print(f"originals that stay: {num_stay} of {num_copies}")
    for name, change in sorted(found.group):
        if change and not found.is_found(name, change):
            print(f"missed: {name}, {change}")
    for (name, change), why in sorted(found.stays.items()):
        if change and not why:
            print(f"stays instead of {name}: {change}")
    print(f"cost: {found.cpu_s:.0f} CPU-s for {len(found.group)} files of {LENGTH_S:g} s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables; 1 where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="bench.copied_files", description="Find copies of files.")
    parser.add_argument("--videos", type=Path, help="directory of videos")
    parser.add_argument("--seed", type=int, default=0, help="of the places of shots and of drawn films")
    parser.add_argument("--films", type=int, default=4, help="drawn films")
    parser.add_argument("--most", type=int, default=6, help="shots of each video")
    parser.add_argument("--leave-out", action="append", default=[], choices=[*CHANGES], help="a change")
    options = parser.parse_args(arguments)
    changes = {name: change for name, change in CHANGES.items() if name not in options.leave_out}
    films = originals(options.videos, seed=options.seed, num_films=options.films, most=options.most)
    try:
        print_tables(curated(films, changes))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
