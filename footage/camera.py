"""Where the camera looks: pans, zooms, whip pans and a shaking hand."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

# A whip pan smears over the half of a frame for which a shutter is open.
SHUTTER_SHARE = 0.5
SMEAR_STEPS = 5


@dataclass(frozen=True)
class Whip:
    """A pan of ``distance`` frame widths within ``num_frames`` frames from ``start_frame`` of the shot."""

    start_frame: int
    num_frames: int
    distance: float


@dataclass(frozen=True)
class Camera:
    """How the view moves over a canvas.

    Speeds are in frame widths (``pan``: across, down) and factors (``zoom``) per second; ``shake`` is the
    reach of the hand in frame widths. ``start`` is the middle of the first view, in frame sizes from the
    canvas's top left corner (across, down).
    """

    start: tuple[float, float] = (0.5, 0.5)
    pan: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    shake: float = 0.0
    shake_seed: int = 0
    whips: tuple[Whip, ...] = ()

    def is_whipping(self, frame: float) -> bool:
        """Whether ``frame`` of the shot lies in a whip pan."""
        return any(whip.start_frame <= frame < whip.start_frame + whip.num_frames for whip in self.whips)


@dataclass(frozen=True)
class Canvas:
    """A painted world and the size of the frames that are taken of it."""

    image: Image.Image
    width_px: int
    height_px: int


def take(canvas: Canvas, camera: Camera, *, frame: float, fps: float) -> np.ndarray:
    """The view at ``frame`` of a shot: uint8 ``(height, width, 3)``, smeared during a whip pan."""
    if not camera.is_whipping(frame):
        return _still(canvas, camera, frame, fps)
    steps = np.linspace(0, SHUTTER_SHARE, SMEAR_STEPS)
    views = [_still(canvas, camera, frame + float(step), fps).astype(np.uint16) for step in steps]
    return (sum(views[1:], views[0]) // SMEAR_STEPS).astype(np.uint8)


def _still(canvas: Canvas, camera: Camera, frame: float, fps: float) -> np.ndarray:
    box = view_box(canvas, camera, frame=frame, fps=fps)
    size = (canvas.width_px, canvas.height_px)
    return np.asarray(canvas.image.resize(size, Image.Resampling.BILINEAR, box=box))


def view_box(
    canvas: Canvas, camera: Camera, *, frame: float, fps: float
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the view on the canvas, in pixels; never outside it."""
    time_s = frame / fps
    share = min(
        camera.zoom**-time_s, canvas.image.width / canvas.width_px, canvas.image.height / canvas.height_px
    )
    width, height = canvas.width_px * share, canvas.height_px * share
    shake = _shake(camera, time_s) * canvas.width_px
    across = (camera.start[0] + camera.pan[0] * time_s + _whipped(camera, frame)) * canvas.width_px + shake[0]
    down = camera.start[1] * canvas.height_px + camera.pan[1] * time_s * canvas.width_px + shake[1]
    left = float(np.clip(across - width / 2, 0, canvas.image.width - width))
    top = float(np.clip(down - height / 2, 0, canvas.image.height - height))
    return left, top, left + width, top + height


def _whipped(camera: Camera, frame: float) -> float:
    shares = [float(np.clip((frame - whip.start_frame) / whip.num_frames, 0, 1)) for whip in camera.whips]
    return sum(w.distance * s * s * (3 - 2 * s) for w, s in zip(camera.whips, shares, strict=True))


def _shake(camera: Camera, time_s: float) -> np.ndarray:
    """Sway and tremor of a hand, (across, down) in frame widths."""
    rng = np.random.default_rng(camera.shake_seed)
    hertz = np.array([0.4, 1.1, 2.3, 4.7])[:, None]
    waves = np.sin(2 * np.pi * (hertz * time_s + rng.random((4, 2))))
    return camera.shake * (waves * np.array([0.5, 0.3, 0.15, 0.05])[:, None]).sum(axis=0)
