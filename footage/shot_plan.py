"""Plans shots that differ: every shot has its own place, colours and camera."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from footage.camera import Camera, Whip
from footage.film import FilmPlan, ShotPlan
from footage.worlds import PAINTERS, Painter

GOLDEN_SHARE = 0.618034
WORLD_MARGIN = 0.3


@dataclass(frozen=True)
class Style:
    """How a film is shot. Speeds in frame widths per second, ``shake`` in frame widths, ``gain`` exposure.

    ``palette`` is the share of the colour wheel that the film uses, ``saturation`` 0 for black and white,
    ``return_share`` how often the next shot is taken in the same place, ``figure_size`` in frame heights.
    """

    painters: tuple[Painter, ...] = PAINTERS
    min_pan: float = 0.06
    max_pan: float = 0.14
    max_zoom: float = 1.03
    shake: float = 0.003
    min_gain: float = 0.8
    max_gain: float = 1.05
    max_figures: int = 3
    figure_speed: float = 0.4
    hold: int = 1
    palette: float = 1.0
    saturation: float = 1.0
    return_share: float = 0.0
    figure_size: tuple[float, float] = (0.15, 0.4)


STILL = Style(min_pan=0.0, max_pan=0.0, max_zoom=1.0, shake=0.0, max_figures=0)


class Unit:
    """A film unit: plans one shot after the other, never twice the same place in a row."""

    def __init__(self, seed: int, *, fps: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._fps = fps
        self._first_hue = float(self._rng.random())
        self._num_shots = 0
        self._place: tuple[Painter, float] | None = None

    def shoot(self, num_frames: int, style: Style, *, whips: tuple[Whip, ...] = ()) -> ShotPlan:
        """A shot of ``num_frames`` in ``style``, in a place and colours unlike those of the shot before.

        Where it returns to the same place, the camera looks elsewhere.
        """
        pan = float(self._rng.uniform(style.min_pan, style.max_pan) * self._rng.choice([-1, 1]))
        zoom = float(self._rng.uniform(1.0, style.max_zoom))
        camera = self._camera(num_frames, pan=pan, zoom=zoom, shake=style.shake, whips=whips)
        travel = abs(pan) * num_frames / self._fps + sum(whip.distance for whip in whips)
        painter, hue = self._next_place(style)
        return ShotPlan(
            num_frames=num_frames,
            painter=painter,
            hue=hue,
            seed=int(self._rng.integers(2**31)),
            camera=camera,
            world=(1 + WORLD_MARGIN + travel, 1.25),
            gain=float(self._rng.uniform(style.min_gain, style.max_gain)),
            num_figures=int(self._rng.integers(0, style.max_figures + 1)),
            figure_speed=style.figure_speed,
            figure_size=style.figure_size,
            saturation=style.saturation,
            hold=style.hold,
        )

    def whole(self, least: int, most: int) -> int:
        """A whole number in ``[least, most]``, such as a length in frames."""
        return int(self._rng.integers(least, most + 1))

    def _next_place(self, style: Style) -> tuple[Painter, float]:
        self._num_shots += 1
        if self._place and style.return_share and self._rng.random() < style.return_share:
            return self._place
        last = self._place[0] if self._place else None
        others = [painter for painter in style.painters if painter is not last] or list(style.painters)
        hue = self._first_hue + style.palette * (self._num_shots * GOLDEN_SHARE % 1)
        self._place = others[int(self._rng.integers(len(others)))], hue % 1
        return self._place

    def _camera(
        self, num_frames: int, *, pan: float, zoom: float, shake: float, whips: tuple[Whip, ...]
    ) -> Camera:
        """Starts where the whole way fits onto the canvas; whip pans go to the right."""
        margin = 0.5 + WORLD_MARGIN / 2
        start = margin + max(0.0, -pan) * num_frames / self._fps
        return Camera(
            start=(start, 0.625),
            pan=(pan, float(self._rng.uniform(-0.01, 0.01)) if pan else 0.0),
            zoom=zoom,
            shake=shake,
            shake_seed=int(self._rng.integers(2**31)),
            whips=whips,
        )


def plan_film(
    seed: int,
    *,
    duration_s: float,
    width_px: int = 1280,
    height_px: int = 720,
    fps: Fraction = Fraction(25),
    style: Style | None = None,
) -> FilmPlan:
    """A film of any length and size, for measurements: hard cuts every two to five seconds."""
    unit = Unit(seed, fps=float(fps))
    left = max(1, round(duration_s * fps))
    shots = list[ShotPlan]()
    while left > 0:
        length = min(left, unit.whole(round(2 * fps), round(5 * fps)))
        shots.append(unit.shoot(length, style or Style()))
        left -= length
    return FilmPlan(tuple(shots), width_px=width_px, height_px=height_px, fps=fps, seed=seed)
