"""The numbers of a clip that a report plots, sorts by and shows on cards."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

LENGTH = "length_s"
"""The one measure that is no column: the seconds of a clip."""


@dataclass(frozen=True)
class Measure:
    """One number of a clip: its column, how it is called (``short`` on cards), and the scale it is drawn on.

    ``bounds`` are the ends of its scale where they are known beforehand.
    """

    column: str
    label: str
    short: str
    hint: str
    unit: str = ""
    is_log: bool = False
    bounds: tuple[float, float] | None = None


MEASURES = (
    Measure(LENGTH, "Clip length", "length", "from the first to the end of the last frame", unit="s"),
    Measure("motion_global_mean", "Motion, mean", "motion", "mean flow over height + width", is_log=True),
    Measure(
        "motion_per_patch_min_256",
        "Motion, least patch",
        "least motion",
        "the stillest 256 px patch of the picture",
        is_log=True,
    ),
    Measure("motion_camera_mean", "Motion, camera", "camera", "flow of pan, zoom and roll", is_log=True),
    Measure("motion_object_mean", "Motion, objects", "objects", "flow besides the camera's", is_log=True),
    Measure("sharpness", "Sharpness", "sharpness", "log-variance of the Laplacian; more is sharper"),
    Measure("exposure", "Exposure", "exposure", "mean luma; 0 black, 1 white", bounds=(0.0, 1.0)),
    Measure("colourfulness", "Colourfulness", "colour", "0 is grey"),
    Measure("blockiness", "Blockiness", "blocks", "steps at 8 px borders over steps inside; 1 is none"),
    Measure("black_ratio", "Black frames", "black", "share of the samples", bounds=(0.0, 1.0)),
    Measure("frozen_ratio", "Frozen frames", "frozen", "share of the samples", bounds=(0.0, 1.0)),
    Measure(
        "letterbox_ratio", "Letterbox", "letterbox", "share of the picture that is bars", bounds=(0.0, 1.0)
    ),
    Measure("text_likeness", "Text-likeness", "text", "share of picture and time like overlaid text"),
    Measure("aesthetic_score", "Aesthetic score", "aesthetic", "of the learned head"),
)

CARD_MEASURES = (
    "motion_global_mean", "sharpness", "exposure", "colourfulness", "blockiness", "letterbox_ratio",
)  # fmt: skip
"""Scores that every card names, beside its length."""


def measure_values(clips: pa.Table, column: str) -> np.ndarray:
    """The values of a measure, float64 ``(N,)`` for N clips, NaN where there is none."""
    if column == LENGTH:
        return clips["end_s"].to_numpy() - clips["start_s"].to_numpy()
    return clips[column].to_numpy().astype(np.float64)
