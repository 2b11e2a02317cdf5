"""Each trainer's rule as arithmetic: frames, rates, sizes, buckets, and shards of equal size."""

import json
import re

import numpy as np
import pytest

from clipmill.errors import SpecError
from clipmill.export.sample_rows import Columns, Cut, Sample, row_of
from clipmill.export.shape.frame_rules import FrameRule, Run, frames_of_run, frames_on_grid, runs
from clipmill.export.shape.sizes import cosmos_bucket, size_of
from clipmill.export.shards import BucketTally, ShardFiller, shares
from clipmill.export.spec import export_spec


@pytest.mark.parametrize(
    ("rule", "available", "most"),
    [
        ("8n+1", 8, None), ("8n+1", 9, 9), ("8n+1", 128, 121), ("8n+1", 129, 129),  # LTX
        ("4n+1", 4, None), ("4n+1", 80, 77), ("4n+1", 81, 81),  # Wan, HunyuanVideo
        ("33,65,97", 32, None), ("33,65,97", 64, 33), ("97, 33,65", 400, 97),  # diffusion-pipe
        ("93", 92, None), ("93", 93, 93),  # Cosmos-Predict2
        ("1", 1, 1),
    ],
)  # fmt: skip
def test_the_most_frames_that_a_rule_allows(rule: str, available: int, most: int | None) -> None:
    assert FrameRule.parse(rule).most(available) == most


def test_samples_lie_first_in_the_middle_or_one_behind_the_other() -> None:
    rule = FrameRule.parse("33,65")
    assert runs(110, rule, "first") == [Run(0, 65)]
    assert runs(110, rule, "middle") == [Run(22, 65)]
    assert runs(110, rule, "chunks") == [Run(0, 65), Run(65, 33)]
    assert runs(32, rule, "chunks") == []


def test_a_rate_takes_the_nearest_frames_and_asks_for_no_more_than_there_are() -> None:
    assert frames_on_grid(240, 24.0, 16.0) == 160
    assert frames_on_grid(240, 23.976, 24.0) == 240  # NTSC film is not refused for a thousandth
    assert frames_on_grid(240, 15.0, 16.0) is None
    assert frames_of_run(Run(0, 81), 240, 24.0, 16.0) == (0, 121)
    assert frames_of_run(Run(10, 3), 240, 30.0, 10.0) == (30, 37)
    assert frames_of_run(Run(10, 3), 240, 30.0, None) == (10, 13)


def test_sizes_are_never_enlarged_unless_that_is_asked_for() -> None:
    exact = {"wanted": (768, 448), "multiple": None, "fit": "crop", "upscale": False}
    assert size_of((1280, 720), **exact) == (768, 448)
    assert size_of((1280, 446), **exact) is None
    assert size_of((1280, 446), **{**exact, "upscale": True}) == (768, 448)
    assert size_of((640, 360), **{**exact, "fit": "pad"}) == (768, 448)
    assert size_of((1281, 727), wanted=None, multiple=32, fit="crop", upscale=False) == (1280, 704)
    assert size_of((30, 727), wanted=None, multiple=32, fit="crop", upscale=False) is None


@pytest.mark.parametrize(
    ("size", "length_s", "bucket"),
    [
        ((1280, 720), 7.0, "resolution_720/aspect_ratio_16_9/duration_5_10"),
        ((1920, 1080), 10.0, "resolution_1080/aspect_ratio_16_9/duration_5_10"),
        ((640, 640), 31.0, "resolution_lt_720/aspect_ratio_1_1/duration_30_inf"),
        ((720, 1280), 30.0, "resolution_720/aspect_ratio_9_16/duration_10_30"),
        ((1280, 720), 4.9, None),
    ],
)
def test_buckets_are_those_of_cosmos_curate(
    size: tuple[int, int], length_s: float, bucket: str | None
) -> None:
    assert cosmos_bucket(size, length_s) == bucket


def test_no_shard_is_too_large_and_none_is_empty() -> None:
    rng = np.random.default_rng(1)
    for number in (1, 7, 999, 5000):
        sizes = rng.lognormal(13, 1.2, number).astype(np.int64)
        own = np.minimum(shares(sizes, max_bytes=40_000_000, max_samples=300), 1.0)
        tally = BucketTally()
        tally.add(own)
        filler = ShardFiller(tally, tally.num_shards(4))
        found = np.concatenate([filler.indices(part) for part in np.array_split(own, 3)])
        filled = np.bincount(found, weights=own)
        assert filled.max() <= 1 + 1e-9
        assert (filled > 0).all()
        assert (np.diff(found) >= 0).all()
        assert len(filled) >= min(4, number)
        if number == 5000:
            assert np.median(filled) > 0.85
            assert np.bincount(found).max() <= 300


def test_equal_samples_make_equal_shards() -> None:
    own = shares(np.full(25_000, 1000), max_bytes=10**9, max_samples=10_000)
    tally = BucketTally()
    tally.add(own)
    counts = np.bincount(ShardFiller(tally, tally.num_shards(1)).indices(own))
    assert len(counts) == 3
    assert counts.max() - counts.min() <= 1


def test_a_preset_fills_in_what_is_not_said() -> None:
    spec = export_spec({"format": "ltx"})
    assert (spec.frames, spec.fps, spec.multiple) == ("8n+1", None, 32)
    assert export_spec({"format": "ltx", "frames": "25"}).frames == "25"
    wan = export_spec({"preset": "wan", "size": "832x480"})
    assert (wan.frames, wan.fps, wan.multiple, wan.size) == ("4n+1", 16.0, None, "832x480")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"frames": "8n"}, "8n+1 or 33,65,97"),
        ({"size": "768"}, "WIDTHxHEIGHT"),
        ({"format": "webdatset"}, "format"),
        ({"format": "ltx", "unit": "window"}, "materialize"),
        ({"format": "musubi", "at": "middle"}, "materialize"),
        ({"buckets": "cosmos"}, "text_embeddings"),
        ({"upscale": True}, "materialize and size"),
        ({"size": "64x64", "multiple": 32}, "exclude each other"),
    ],
)
def test_what_is_impossible_is_said_in_one_line(fields: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)) as caught:
        export_spec(fields)
    assert "\n" not in str(caught.value)


def test_numbers_that_json_does_not_know_are_null() -> None:
    clip = {
        "clip_id": "a", "clip_uri": "clips/a.mp4", "num_bytes": 1, "num_frames": 9, "framerate": 24.0,
        "width": 64, "height": 64, "score": float("nan"), "other": 1.5,
    }  # fmt: skip
    sample = Sample("a", clip, [], Cut(0, 9, 9, 0), (64, 64), "train", "all", "")
    meta = json.loads(row_of(sample, export_spec({}), Columns("", False, {}, ()))["meta"])
    assert (meta["clip"]["score"], meta["clip"]["other"]) == (None, 1.5)
