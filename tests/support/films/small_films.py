"""Small films for tests of whole runs: drawn in well under a second, their cuts known."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from footage import copies
from footage.encode import H264, Encoding, write_film
from footage.film import FilmPlan, frames
from footage.shot_plan import Style, Unit
from footage.sound import sound_bed

FPS = 24
TWO_CLIPS = (76, 80)
"""Lengths in frames of shots that each leave one clip under the documented defaults."""

ORDINARY = Style()

_drawn: dict[str, bytes] = {}
"""Recipe -> content of the films that this process has drawn."""


def draw_film(
    path: Path,
    *,
    seed: int,
    shots: Sequence[int] = TWO_CLIPS,
    size_px: tuple[int, int] = (160, 90),
    style: Style = ORDINARY,
    encoding: Encoding = H264,
) -> Path:
    """A film with sound, hard cuts between its shots; no two seeds look alike. A process draws each once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe = repr((path.suffix, seed, list(shots), size_px, style, encoding))
    if recipe in _drawn:
        path.write_bytes(_drawn[recipe])
        return path
    unit = Unit(seed, fps=FPS)
    plan = FilmPlan(
        tuple(unit.shoot(length, style) for length in shots),
        width_px=size_px[0],
        height_px=size_px[1],
        fps=Fraction(FPS),
        seed=seed,
    )
    sound = sound_bed(plan.duration_s, seed=seed)
    write_film(path, frames(plan), time_base=1 / plan.fps, encoding=encoding, sound=sound)
    _drawn[recipe] = path.read_bytes()
    return path


def draw_collection(folder: Path) -> None:
    """Two films of two clips each, three copies of the first, and two files that are no good."""
    harbour = draw_film(folder / "harbour.mp4", seed=1)
    draw_film(folder / "market.mp4", seed=2)
    (folder / "reposts").mkdir()
    copies.rename(harbour, folder / "reposts" / "renamed.mp4")
    copies.remux(harbour, folder / "reposts" / "remuxed.mkv")
    sound = sound_bed(sum(TWO_CLIPS) / FPS, seed=1)
    copies.reencode(harbour, folder / "reposts" / "worn.mp4", crf=30, sound=sound)
    copies.cut_short(harbour, folder / "wreck.mp4", share=0.5)
    (folder / "letter.mp4").write_text("The film will follow by post.\n" * 40)
