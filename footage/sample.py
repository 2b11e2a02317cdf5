"""The sample footage of the demo and the tests: good films, copies, and files that are broken on purpose."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.error import FFmpegError

from clipmill.records import FrameSpan, VideoReason
from footage import copies
from footage.camera import Whip
from footage.encode import AV1, H264, HEVC, VP9, Encoding, write_film, write_sound
from footage.film import FilmPlan, Join, ShotPlan, cuts, frames, starts, whip_pans
from footage.shot_plan import STILL, Style, Unit
from footage.sound import add_beeps, sound_bed
from footage.truth import (
    TRUTH_NAME,
    CopyKind,
    Event,
    FilmTruth,
    GroundTruth,
    Outcome,
    TimedEvent,
    write_truth,
)

# Most shots outlast what the documented defaults crop (0.5 s at each end) and ask for (2 s); a few do not.
SMALL, SMALL_UPRIGHT = (320, 180), (180, 320)
SHARE_OF_CUT_SHORT = 0.6
VFR_TIME_BASE = Fraction(1, 600)


def draw_footage(directory: Path, *, seed: int = 7) -> GroundTruth:
    """Draw the sample films below ``directory``, with ``ground_truth.json`` beside them."""
    (directory / "reposts").mkdir(parents=True, exist_ok=True)
    films = [film for draw in DRAWERS for film in draw(_Set(directory, seed))]
    truth = GroundTruth(tuple(sorted(films, key=lambda film: film.name)))
    write_truth(directory / TRUTH_NAME, truth)
    return truth


@dataclass(frozen=True)
class _Set:
    """Where films are drawn, and from which seed."""

    directory: Path
    seed: int

    def unit(self, number: int, fps: int) -> Unit:
        return Unit(self.seed * 1000 + number, fps=fps)

    def shoot(self, name: str, plan: FilmPlan, *, encoding: Encoding = H264) -> FilmTruth:
        """Write a film with sound at a constant rate."""
        return self.shoot_with(name, plan, sound_bed(plan.duration_s, seed=plan.seed), encoding=encoding)

    def shoot_with(
        self, name: str, plan: FilmPlan, sound: np.ndarray | None, *, encoding: Encoding = H264
    ) -> FilmTruth:
        write_film(
            self.directory / name, frames(plan), time_base=1 / plan.fps, encoding=encoding, sound=sound
        )
        return replace(_truth(name, plan, encoding), has_audio=sound is not None)


def _truth(name: str, plan: FilmPlan, encoding: Encoding) -> FilmTruth:
    events = [(Event.WHIP_PAN, span) for span in whip_pans(plan)]
    events += [(Event.FLASH, span) for span in plan.flashes]
    return FilmTruth(
        name,
        codec=encoding.codec,
        num_frames=plan.num_frames,
        fps=plan.fps,
        width_px=plan.width_px,
        height_px=plan.height_px,
        rotation_deg=encoding.rotation_deg,
        cuts=cuts(plan),
        events=tuple(TimedEvent(event, span) for event, span in events),
    )


def _plan(shots: list[ShotPlan], fps: int, seed: int, size: tuple[int, int] = (480, 270)) -> FilmPlan:
    return FilmPlan(tuple(shots), width_px=size[0], height_px=size[1], fps=Fraction(fps), seed=seed)


def _hard_cuts_and_copies(stage: _Set) -> list[FilmTruth]:
    """A film of hard cuts, and what others made of it."""
    unit = stage.unit(1, 24)
    shots = [unit.shoot(length, Style()) for length in (96, 84, 40, 90, 88)]
    plan = _plan(shots, 24, stage.seed)
    film = stage.shoot("harbour.mp4", plan)
    return [film, *_copies(stage, film, plan)]


def _copies(stage: _Set, film: FilmTruth, plan: FilmPlan) -> list[FilmTruth]:
    source, folder = stage.directory / film.name, stage.directory / "reposts"
    sound = sound_bed(plan.duration_s, seed=plan.seed)
    copies.rename(source, folder / "harbour_again.mp4")
    copies.remux(source, folder / "harbour.mkv")
    copies.dub(source, folder / "harbour_dubbed.mp4", sound_bed(plan.duration_s, seed=plan.seed + 1))
    copies.reencode(source, folder / "harbour_worn.mp4", crf=32, sound=sound)
    copies.reencode(source, folder / "harbour_small.mp4", crf=26, height_px=SMALL[1], sound=sound)
    return [
        _copy(film, "harbour_again.mp4", CopyKind.RENAMED, Outcome.DUPLICATE),
        _copy(film, "harbour.mkv", CopyKind.REMUXED, Outcome.DUPLICATE),
        _copy(film, "harbour_dubbed.mp4", CopyKind.DUBBED, Outcome.CURATED),
        _copy(film, "harbour_worn.mp4", CopyKind.REENCODED, Outcome.CURATED),
        replace(
            _copy(film, "harbour_small.mp4", CopyKind.RESIZED, Outcome.CURATED),
            width_px=SMALL[0],
            height_px=SMALL[1],
        ),
    ]


def _copy(film: FilmTruth, name: str, kind: CopyKind, outcome: Outcome) -> FilmTruth:
    return replace(film, name=f"reposts/{name}", copy_of=film.name, copy_kind=kind, outcome=outcome)


def _gradual(stage: _Set) -> list[FilmTruth]:
    """A dissolve, a hard cut and a fade to black."""
    unit = stage.unit(2, 25)
    shots = [unit.shoot(length, Style()) for length in (86, 84, 82, 90)]
    shots[0] = replace(shots[0], join=Join.DISSOLVE, join_frames=18)
    shots[2] = replace(shots[2], join=Join.FADE, join_frames=30)
    return [stage.shoot("market.mp4", _plan(shots, 25, stage.seed))]


def _false_friends(stage: _Set) -> list[FilmTruth]:
    """A whip pan and a flash, which are no cuts, between two cuts."""
    unit = stage.unit(3, 30)
    whips = (Whip(start_frame=52, num_frames=10, distance=1.8),)
    shots = [
        unit.shoot(120, Style(), whips=whips),
        unit.shoot(105, Style()),
        unit.shoot(102, Style()),
    ]
    plan = replace(_plan(shots, 30, stage.seed), flashes=(FrameSpan(168, 171),))
    return [stage.shoot("chase.mp4", plan)]


def _still_and_black(stage: _Set) -> list[FilmTruth]:
    """A shot in which nothing moves and one that is all but black, between ordinary ones."""
    unit = stage.unit(4, 24)
    dark = replace(Style(), min_gain=0.02, max_gain=0.02)
    styles = (Style(), STILL, dark, Style())
    shots = [unit.shoot(length, style) for length, style in zip((82, 90, 84, 84), styles, strict=True)]
    plan = replace(_plan(shots, 24, stage.seed), grain=1.0)
    events = [
        TimedEvent(event, FrameSpan(starts(plan)[at], starts(plan)[at + 1]))
        for event, at in ((Event.STILL, 1), (Event.NEAR_BLACK, 2))
    ]
    return [replace(stage.shoot("lobby.mp4", plan), events=tuple(events))]


def _sound_in_step(stage: _Set) -> list[FilmTruth]:
    """A flash and a beep at the same instant, again and again."""
    unit = stage.unit(5, 30)
    shots = [unit.shoot(length, Style()) for length in (110, 130)]
    plan = replace(
        _plan(shots, 30, stage.seed, SMALL),
        flashes=tuple(FrameSpan(at, at + 2) for at in (25, 70, 140, 200)),
    )
    beeps = tuple(span.start_frame / 30 for span in plan.flashes)
    sound = add_beeps(sound_bed(plan.duration_s, seed=plan.seed), beeps)
    return [replace(stage.shoot_with("concert.mp4", plan, sound), beeps_s=beeps)]


def _varying_rate(stage: _Set) -> list[FilmTruth]:
    """Frames of unequal length, as telephones record them."""
    unit = stage.unit(6, 25)
    plan = _plan([unit.shoot(length, Style()) for length in (90, 40, 92)], 25, stage.seed, SMALL)
    lengths = np.random.default_rng(stage.seed).choice((20, 20, 20, 25, 40), plan.num_frames)
    ticks = [0, *np.cumsum(lengths)[:-1].tolist()]
    write_film(stage.directory / "phone.mp4", frames(plan), time_base=VFR_TIME_BASE, ticks=ticks)
    mean_fps = plan.num_frames / (int(lengths.sum()) * VFR_TIME_BASE)
    return [replace(_truth("phone.mp4", plan, H264), is_vfr=True, fps=mean_fps)]


def _turned(stage: _Set) -> list[FilmTruth]:
    """An upright film stored lying on its side."""
    unit = stage.unit(7, 25)
    plan = _plan([unit.shoot(length, Style()) for length in (85, 90)], 25, stage.seed, SMALL_UPRIGHT)
    return [stage.shoot("portrait.mp4", plan, encoding=replace(H264, rotation_deg=90))]


def _other_codecs(stage: _Set) -> list[FilmTruth]:
    """HEVC, VP9 and AV1."""
    films = list[FilmTruth]()
    for number, (name, encoding) in enumerate(
        (("garden.mp4", HEVC), ("river.webm", VP9), ("desert.mp4", AV1))
    ):
        unit = stage.unit(8 + number, 24)
        plan = _plan([unit.shoot(length, Style()) for length in (84, 36, 86)], 24, stage.seed, SMALL)
        films.append(stage.shoot(name, plan, encoding=encoding))
    return films


def _broken_off(stage: _Set) -> list[FilmTruth]:
    """Two transfers that broke off: one file still has its index, the other never got it."""
    unit = stage.unit(11, 25)
    plan = _plan([unit.shoot(length, Style()) for length in (95, 90, 80, 70)], 25, stage.seed, SMALL)
    with TemporaryDirectory() as folder:
        whole = _Set(Path(folder), stage.seed)
        film = whole.shoot("whole.mp4", plan)
        copies.cut_short(Path(folder) / film.name, stage.directory / "wreck.mp4", share=SHARE_OF_CUT_SHORT)
        copies.move_index_first(Path(folder) / film.name, Path(folder) / "street.mp4")
        copies.cut_short(
            Path(folder) / "street.mp4", stage.directory / "street.mp4", share=SHARE_OF_CUT_SHORT
        )
    left = _num_decodable(stage.directory / "street.mp4")
    kept = tuple(cut for cut in film.cuts.hard if cut < left)
    street = replace(
        film, name="street.mp4", num_frames=left, cuts=replace(film.cuts, hard=kept), is_partial=True
    )
    return [street, _rejected("wreck.mp4", VideoReason.UNREADABLE)]


def _no_videos(stage: _Set) -> list[FilmTruth]:
    """A letter, an empty file and a radio play that call themselves mp4."""
    (stage.directory / "letter.mp4").write_text("The film will follow by post.\n" * 40, encoding="utf-8")
    (stage.directory / "nothing.mp4").write_bytes(b"")
    write_sound(stage.directory / "radio.mp4", sound_bed(6.0, seed=stage.seed))
    return [
        _rejected("letter.mp4", VideoReason.NOT_A_VIDEO),
        _rejected("nothing.mp4", VideoReason.NOT_A_VIDEO),
        replace(_rejected("radio.mp4", VideoReason.NO_VIDEO_STREAM), has_audio=True),
    ]


def _rejected(name: str, reason: VideoReason) -> FilmTruth:
    return FilmTruth(name, outcome=Outcome.REJECTED, reason=reason)


def _num_decodable(path: Path) -> int:
    """Frames up to the first error."""
    num_frames = 0
    with av.open(path) as container:
        try:
            for _ in container.decode(video=0):
                num_frames += 1
        except FFmpegError:
            return num_frames
    return num_frames


DRAWERS: tuple[Callable[[_Set], list[FilmTruth]], ...] = (
    _hard_cuts_and_copies,
    _gradual,
    _false_friends,
    _still_and_black,
    _sound_in_step,
    _varying_rate,
    _turned,
    _other_codecs,
    _broken_off,
    _no_videos,
)
