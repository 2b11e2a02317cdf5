"""The functions that stages have the pass apply to full-size frames, named by their import paths."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

import numpy as np

from clipmill.errors import foreign, said_by
from clipmill.media.frames.render import Renderer
from clipmill.media.scan.samplers import Shown
from clipmill.stages.reads import Measure

MeasureFunction = Callable[[np.ndarray, np.ndarray], object]
"""Luma, uint8 ``(H, W)``, and thumbnail, uint8 ``(27, 48, 3)`` -> float32 of the Measure's shape."""


class FullSize:
    """Luma and thumbnail of the frame on screen, made once however many functions look at them."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._pictures: tuple[np.ndarray, np.ndarray] | None = None

    def of(self, shown: Shown) -> tuple[np.ndarray, np.ndarray]:
        """Returns luma and thumbnail, read-only."""
        if self._pictures is None:
            thumbnail = shown.thumbnail
            if thumbnail is None:
                thumbnail = self._renderer.thumbnail(shown.frame)
            self._pictures = _read_only(self._renderer.luma(shown.picture)), _read_only(thumbnail)
        return self._pictures

    def let_go(self) -> None:
        """Forgets the frame, before another one is shown."""
        self._pictures = None


class FrameMeasure:
    """One Measure of a plan. What its function raises is reported once, and the row is NaN."""

    def __init__(self, read: Measure, full_size: FullSize, *, report: Callable[[Measure, str], None]) -> None:
        self._read = read
        self._full_size = full_size
        self._report = report
        self._function: MeasureFunction | None = None

    def __call__(self, shown: Shown) -> np.ndarray:
        """Returns float32 of the Measure's shape."""
        luma, thumbnail = self._full_size.of(shown)
        try:
            return self._measured(luma, thumbnail)
        except foreign() as error:
            self._report(self._read, f"{self._read.function}: {said_by(error)}")
            return np.full(self._read.shape, np.nan, np.float32)

    def _measured(self, luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        if self._function is None:
            self._function = imported(self._read.function)
        row = np.asarray(self._function(luma, thumbnail), np.float32)
        if row.shape != self._read.shape or np.isnan(row).any():
            raise ValueError(f"it must give numbers of shape {self._read.shape}, not {row.tolist()}"[:200])
        return row


def imported(function: str) -> MeasureFunction:
    """Returns the function at an import path like ``package.module:name``; ImportError and AttributeError."""
    module, _, name = function.partition(":")
    return cast(MeasureFunction, getattr(import_module(module), name))


def _read_only(pixels: np.ndarray) -> np.ndarray:
    view = pixels.view()
    view.flags.writeable = False
    return view
