"""A film is a list of shots, how each joins the next, and what happens over them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property

import numpy as np
from PIL import Image

from clipmill.records import Cuts, FrameSpan
from footage.camera import Camera, Canvas, take
from footage.figures import lay_figure, make_figure
from footage.worlds import Painter

# Grain is given as it looks at this width; averaging to a smaller frame weakens it in proportion.
GRAIN_WIDTH_PX = 640
GRAIN_MARGIN_PX = 64
THUMBNAIL_SIZE_PX = (48, 27)
# Thumbnails are averaged from frames this many times larger.
THUMBNAIL_OVERSAMPLING = 4
FLASH_STRENGTHS = (0.95, 0.7, 0.45, 0.25)


class Join(StrEnum):
    """How a shot gives way to the next."""

    CUT = "cut"
    DISSOLVE = "dissolve"
    FADE = "fade"


@dataclass(frozen=True)
class ShotPlan:
    """One shot: what is painted, how the camera moves, how it ends.

    ``num_frames`` are the frames that show this shot alone; ``join_frames`` more show it give way to the next
    (0 for a cut). ``world`` is the canvas size in frame sizes (across, down); ``gain`` the exposure; each
    drawing is held for ``hold`` frames; ``figure_size`` is in frame heights.
    """

    num_frames: int
    painter: Painter
    hue: float
    seed: int
    camera: Camera
    world: tuple[float, float]
    gain: float = 1.0
    num_figures: int = 0
    figure_speed: float = 0.4
    figure_size: tuple[float, float] = (0.15, 0.4)
    saturation: float = 1.0
    hold: int = 1
    join: Join = Join.CUT
    join_frames: int = 0


@dataclass(frozen=True)
class FilmPlan:
    """A whole film; ``flashes`` are the frames of camera flashes.

    ``grain`` is a standard deviation in grey levels at 640 pixels width, ``flicker`` one in shares of the
    exposure.
    """

    shots: tuple[ShotPlan, ...]
    width_px: int = 480
    height_px: int = 270
    fps: Fraction = Fraction(25)
    flashes: tuple[FrameSpan, ...] = ()
    grain: float = 0.0
    flicker: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.shots or self.shots[-1].join_frames:
            raise ValueError("a film needs shots, and the last one has none to give way to")

    @property
    def num_frames(self) -> int:
        """Frames of all shots and joins; the last shot joins nothing."""
        return sum(shot.num_frames + shot.join_frames for shot in self.shots)

    @property
    def duration_s(self) -> float:
        """Length at the nominal frame rate."""
        return float(self.num_frames / self.fps)


def starts(plan: FilmPlan) -> list[int]:
    """First frame that shows each shot alone."""
    lengths = [shot.num_frames + shot.join_frames for shot in plan.shots]
    return [sum(lengths[:index]) for index in range(len(lengths))]


def cuts(plan: FilmPlan) -> Cuts:
    """The true cuts: first frame of each new shot, and the frames of dissolves and fades."""
    hard, gradual = list[int](), list[FrameSpan]()
    for start, shot in zip(starts(plan)[:-1], plan.shots[:-1], strict=True):
        end = start + shot.num_frames
        if shot.join is Join.CUT:
            hard.append(end)
        else:
            gradual.append(FrameSpan(end, end + shot.join_frames))
    return Cuts(tuple(hard), tuple(gradual))


def whip_pans(plan: FilmPlan) -> tuple[FrameSpan, ...]:
    """Frames of the whip pans."""
    return tuple(
        FrameSpan(start + whip.start_frame, start + whip.start_frame + whip.num_frames)
        for start, shot in zip(starts(plan), plan.shots, strict=True)
        for whip in shot.camera.whips
    )


def frames(plan: FilmPlan) -> Iterator[np.ndarray]:
    """Every frame in order, uint8 ``(height, width, 3)`` RGB."""
    finish = _Finish(plan)
    for index, frame in enumerate(_joined_frames(plan)):
        yield finish(frame, index)


def thumbnails(plan: FilmPlan) -> np.ndarray:
    """What a scan would see, without a codec: uint8 ``(num_frames, 27, 48, 3)`` RGB."""
    width, height = (side * THUMBNAIL_OVERSAMPLING for side in THUMBNAIL_SIZE_PX)
    small = replace(plan, width_px=width, height_px=height)
    return np.stack(
        [
            np.asarray(Image.fromarray(frame).resize(THUMBNAIL_SIZE_PX, Image.Resampling.BOX))
            for frame in frames(small)
        ]
    )


def _joined_frames(plan: FilmPlan) -> Iterator[np.ndarray]:
    view = _ShotView(plan, 0)
    for index, shot in enumerate(plan.shots):
        for frame in range(shot.num_frames):
            yield view.frame(frame)
        if index + 1 == len(plan.shots):
            return
        following = _ShotView(plan, index + 1)
        for step in range(shot.join_frames):
            share = (step + 1) / (shot.join_frames + 1)
            incoming = following.frame(step - shot.join_frames)
            yield _mix(view.frame(shot.num_frames + step), incoming, shot.join, share)
        view = following


def _mix(outgoing: np.ndarray, incoming: np.ndarray, join: Join, share: float) -> np.ndarray:
    """Frame at ``share`` of a dissolve, or of a fade through black."""
    if join is Join.DISSOLVE:
        return (outgoing * np.float32(1 - share) + incoming * np.float32(share)).astype(np.uint8)
    shown = outgoing if share < 0.5 else incoming
    # The middle fifth is black.
    return (shown * np.float32(max(0.0, abs(share - 0.5) - 0.1) / 0.4)).astype(np.uint8)


class _ShotView:
    """A painted shot, ready to be looked at."""

    def __init__(self, plan: FilmPlan, index: int) -> None:
        self._plan, self._shot = plan, plan.shots[index]
        rng = np.random.default_rng(self._shot.seed)
        self._figures = [
            make_figure(
                rng,
                height_px=plan.height_px,
                hue=self._shot.hue,
                size=float(rng.uniform(*self._shot.figure_size)),
                speed=self._shot.figure_speed,
            )
            for _ in range(self._shot.num_figures)
        ]

    @cached_property
    def _canvas(self) -> Canvas:
        plan, shot = self._plan, self._shot
        shape = (round(plan.height_px * shot.world[1]), round(plan.width_px * shot.world[0]))
        painted = shot.painter(np.random.default_rng([shot.seed, 1]), shape, shot.hue)
        if shot.saturation < 1:
            grey = painted.mean(axis=2, keepdims=True)
            painted = grey + shot.saturation * (painted - grey)
        pixels = np.clip(painted * (255 * shot.gain), 0, 255).astype(np.uint8)
        return Canvas(Image.fromarray(pixels), plan.width_px, plan.height_px)

    def frame(self, index: int) -> np.ndarray:
        """Frame ``index`` of the shot; before the first and after the last the camera goes on."""
        held = index // self._shot.hold * self._shot.hold
        fps = float(self._plan.fps)
        frame = take(self._canvas, self._shot.camera, frame=held, fps=fps)
        if not self._figures:
            return frame
        frame = frame.copy()
        for figure in self._figures:
            lay_figure(frame, figure, held / fps, gain=self._shot.gain)
        return frame


class _Finish:
    """Flashes, flicker and grain over a finished frame."""

    def __init__(self, plan: FilmPlan) -> None:
        self._plan = plan
        self._rng = np.random.default_rng([plan.seed, 2])
        shape = (plan.height_px + GRAIN_MARGIN_PX, plan.width_px + GRAIN_MARGIN_PX, 1)
        sigma = plan.grain * plan.width_px / GRAIN_WIDTH_PX
        self._grain = (self._rng.standard_normal(shape, np.float32) * sigma).astype(np.int16)
        self._flash = {
            span.start_frame + step: FLASH_STRENGTHS[min(step, len(FLASH_STRENGTHS) - 1)]
            for span in plan.flashes
            for step in range(span.num_frames)
        }

    def __call__(self, frame: np.ndarray, index: int) -> np.ndarray:
        if index in self._flash:
            frame = (frame + np.float32(self._flash[index]) * (255 - frame)).astype(np.uint8)
        if not self._plan.grain:
            return frame
        down, across = self._rng.integers(0, GRAIN_MARGIN_PX, 2)
        grain = self._grain[down : down + self._plan.height_px, across : across + self._plan.width_px]
        light = 1.0 + self._plan.flicker * float(self._rng.standard_normal())
        return np.clip(frame * np.float32(light) + grain, 0, 255).astype(np.uint8)
