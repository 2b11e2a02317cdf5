"""Numbers at the ends of what a spec takes: a run over a tiny film ends, and rejects by name at most."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from clipmill.specs import CurateSpec
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, rows
from tests.support.runs.one_codec import one_codec_process

SECONDS = {"clip_len_s": 1.0, "clip_stride_s": 1.0, "min_clip_length_s": 0.5}
BY_CLOCK = {"algorithm": "fixed_stride", "fixed_stride": SECONDS}


def by_clock(**lengths: float) -> Mapping[str, object]:
    return {"split": {**BY_CLOCK, "fixed_stride": {**SECONDS, **lengths}}}


EXTREMES: dict[str, Mapping[str, object]] = {
    "embedding least rate": {"embedding": {"target_fps": 0.001}},
    "embedding most rate": {"embedding": {"target_fps": 60}},
    "motion least rate": {"motion": {"target_fps": 0.001}},
    "motion most rate": {"motion": {"target_fps": 60, "target_duration_ratio": 1e-9}},
    "quality least rate": {"quality": {"sample_fps": 0.001}},
    "quality most rate": {"quality": {"sample_fps": 60}},
    "preview least": {"preview": {"target_fps": 0.001, "target_height": 16, "quality": 0}},
    "preview most": {"preview": {"target_fps": 60, "target_height": 2160, "quality": 100}},
    "frames least": {"frames": {"write": True, "target_fps": [0.001], "target_height_px": 16}},
    "frames most": {"frames": {"write": True, "target_fps": [60], "target_height_px": 4320}},
    "windows least": {"windows": {"window_size": 4, "remainder_threshold": 1}},
    "windows most": {"windows": {"window_size": 10**9, "remainder_threshold": 10**9}},
    "encoder least": {"transcode": {"max_height": 16, "quality": 51, "target_fps": 0.1}},
    "encoder most": {"transcode": {"max_height": 10**9, "quality": 0, "target_fps": 240}},
    "encoder odd": {"transcode": {"max_height": 17, "multiple_of": 2, "encoder_threads": 64}},
    "bit rate least": {"transcode": {"bit_rate_k": 1}},
    "bit rate most": {"transcode": {"bit_rate_k": 1_000_000}},
    "multiple above the picture": {"transcode": {"multiple_of": 256}},
    "clips least": {
        "split": {**BY_CLOCK, "fixed_stride": {**SECONDS, "clip_len_s": 0.5, "clip_stride_s": 0.1}}
    },
    "clips most": {
        "split": {**BY_CLOCK, "fixed_stride": {**SECONDS, "clip_len_s": 10**9, "clip_stride_s": 10**9}}
    },
    "shots least": {"split": {"content": {"min_length_s": 1e-9, "max_length_s": 0.1, "threshold": 1e-9}}},
    "shots most": {"split": {"content": {"crop_s": 10**9, "max_length_s": 10**9, "min_shot_frames": 10**9}}},
    "limits most": {"limits": {"decode_timeout_s": 1e6, "decode_stall_s": 1e6, "max_duration_s": 1e9}},
    "no size": {"limits": {"max_size_bytes": 1}},
}
SAMPLE = random.Random(11).sample(sorted(EXTREMES), 10)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extremes")
    draw_film(folder / "harbour.mp4", seed=1, shots=(28, 26))
    return folder


@pytest.mark.parametrize("name", SAMPLE)
def test_a_run_with_extreme_numbers_ends(source: Path, tmp_path: Path, name: str) -> None:
    fields = {"split": BY_CLOCK, "preview": {"target_height": 48}, **EXTREMES[name]}
    with one_codec_process():
        curate_here(source, tmp_path / "out", CurateSpec.model_validate(fields))
    (video,) = rows(tmp_path / "out", "videos")
    assert (video["status"], video["reason"]) in {("curated", None), ("rejected", "over_limit")}
