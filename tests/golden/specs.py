"""The golden runs: a name, a folder of films and a spec each.

Where stages read pixels at different rates or heights, a result of bf3cd47 depends on the neighbours: sampled
frames have the largest height that a stage asks for, their grid is a common multiple of all rates, and they
share one budget of bytes. The next design gives every stage samples of its own. ``ALONE`` turns all pixel
readers off, and the runs that build on it turn on one. Questions and captions are one reader: both look at
the frames of the windows.

Only the runs of ``TOGETHER`` have several readers, and their films show no difference. Previews and
embeddings both read frames of 240 pixels, a rate of 1 takes every second frame of a grid of 2, every clip has
an instant of both grids, the frames of a clip stay below the budget, and motion and quality have grids of
their own.
"""

from dataclasses import dataclass

Spec = dict[str, object]

ALONE: Spec = {"motion": None, "quality": None, "embedding": None, "dedup": None, "preview": None}
"""No stage that reads pixels, but the shot detector and the encoder."""
NO_FILES: Spec = {"write": {"upload_clips": False}}

LOOSE_SHOTS: Spec = {"content": {"min_length_s": 1.0, "crop_s": 0.1}}
"""Real footage of 10 s has shots that the default rules leave no clip of."""
STRIDES: Spec = {"clip_len_s": 2.0, "clip_stride_s": 1.5, "min_clip_length_s": 1.0, "limit_clips": 3}
HOLES: Spec = {"clip_len_s": 1.0, "clip_stride_s": 2.5, "min_clip_length_s": 0.5}
SHORT_WINDOWS: Spec = {"window_size": 32, "remainder_threshold": 16}
SERVED: Spec = {"endpoint_model": "tiny", "endpoint_concurrency": 1}
"""``runs`` adds the address of a model server of the test to every group that names an endpoint's model."""


@dataclass(frozen=True)
class GoldenRun:
    """``source`` is a folder that ``films`` makes, ``spec`` as in a spec file."""

    name: str
    source: str
    spec: Spec


def _by_clock(strides: Spec) -> Spec:
    return {"algorithm": "fixed_stride", "fixed_stride": strides}


TOGETHER = (
    GoldenRun("default", "drawn", {}),
    GoldenRun("default, bikes", "bikes", {"split": LOOSE_SHOTS}),
    GoldenRun("default, shared", "shared", {"split": LOOSE_SHOTS}),
)
"""Motion, quality, embedding and previews in one pass, as by default."""

SPLITS = (
    GoldenRun("fixed stride", "drawn", {**ALONE, "split": _by_clock(STRIDES)}),
    GoldenRun("fixed stride with holes", "bikes", {**ALONE, "split": _by_clock(HOLES)}),
    GoldenRun(
        "truncated shots",
        "drawn",
        {
            **ALONE,
            **NO_FILES,
            "split": {
                "content": {
                    "max_length_s": 2.0,
                    "max_length_mode": "truncate",
                    "crop_s": 0.25,
                    "limit_clips": 2,
                    "find_gradual": False,
                }
            },
        },
    ),
)

ENCODERS = (
    GoldenRun("copy", "drawn", {**ALONE, "transcode": {"encoder": "copy"}}),
    GoldenRun("smart", "drawn", {**ALONE, "transcode": {"encoder": "smart"}}),
    GoldenRun("smart, shared", "shared", {**ALONE, "split": LOOSE_SHOTS, "transcode": {"encoder": "smart"}}),
    GoldenRun("libopenh264", "drawn", {**ALONE, "transcode": {"encoder": "libopenh264"}}),
    GoldenRun(
        "libvpx-vp9, smaller",
        "bikes",
        {
            **ALONE,
            "split": LOOSE_SHOTS,
            "transcode": {
                "encoder": "libvpx-vp9",
                "max_height": 120,
                "target_fps": 12.0,
                "strip_audio": True,
            },
        },
    ),
)

FILTERS = (
    GoldenRun(
        "motion filter",
        "drawn",
        {
            **ALONE,
            "motion": {},
            "motion_filter": {"global_mean_threshold": 0.002},
            "write": {"write_filtered_clips": True},
        },
    ),
    GoldenRun(
        "quality bounds",
        "drawn",
        {**ALONE, "quality": {"sample_fps": 2.0, "black_ratio": {"max": 0.5}, "exposure": {"max": 0.45}}},
    ),
    GoldenRun(
        "motion by vectors",
        "bikes",
        {
            **ALONE,
            **NO_FILES,
            "split": LOOSE_SHOTS,
            "motion": {"target_fps": 3.0, "motion_source": "vectors", "target_duration_ratio": 0.5},
        },
    ),
    GoldenRun(
        "camera motion",
        "bikes",
        {
            **ALONE,
            **NO_FILES,
            "split": LOOSE_SHOTS,
            "motion": {"target_fps": 1.0, "separate_camera": True},
        },
    ),
)

RATES = (
    GoldenRun("quality at 0.7 a second", "drawn", {**ALONE, **NO_FILES, "quality": {"sample_fps": 0.7}}),
    GoldenRun("motion at 23.976 a second", "drawn", {**ALONE, **NO_FILES, "motion": {"target_fps": 23.976}}),
    GoldenRun(
        "embedding at 0.7 a second",
        "drawn",
        {**ALONE, **NO_FILES, "embedding": {"target_fps": 0.7}, "dedup": {}},
    ),
)

FRAMES = (
    GoldenRun(
        "mirrored embedding",
        "drawn",
        {**ALONE, "embedding": {"mirrored": True, "target_fps": 1.0}, "dedup": {}},
    ),
    GoldenRun(
        "frame files",
        "drawn",
        {
            **ALONE,
            **NO_FILES,
            "frames": {
                "extraction_policies": ["sequence", "middle"],
                "target_fps": [2.0],
                "target_height_px": 120,
                "write": True,
            },
        },
    ),
    GoldenRun(
        "previews of short windows",
        "drawn",
        {
            **ALONE,
            **NO_FILES,
            "windows": SHORT_WINDOWS,
            "preview": {"target_fps": 2.0, "target_height": 90, "quality": 70, "compression_level": 2},
        },
    ),
    GoldenRun(
        "questions and captions",
        "drawn",
        {
            **ALONE,
            **NO_FILES,
            "windows": {**SHORT_WINDOWS, "prompt_variant": "av"},
            "questions": [
                {"question": "Is it dull?", "reject_if": "yes"},
                {"question": "Is it a video?", "reject_if": "no", "score_only": True},
            ],
            "captions": SERVED,
            "enhancement": SERVED,
        },
    ),
)

RUNS = (*TOGETHER, *SPLITS, *ENCODERS, *FILTERS, *RATES, *FRAMES)
