"""The aesthetic stage: its worker with a scorer of a few lines, its threshold, what names its results."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from clipmill.models import aesthetic
from clipmill.models.registry import model_named
from clipmill.stages.base import Resources
from clipmill.stages.video.filtering.clip_aesthetic_filter import (
    NO_SCORES,
    AestheticWorker,
    ClipAestheticFilterStage,
)
from tests.support.stages.clip_items import batch, clip_of, item, reason, table
from tests.support.stages.stage_context import PlainContext

SCORES = [np.array([5.1234567, 4.7654321, 6.0], np.float32), np.zeros(0, np.float32), np.float32([3.3])]


class Told:
    """Scores the clips as it was told."""

    def score(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        return SCORES[: len(clips)]


def test_both_reductions_of_the_rounded_scores_are_kept() -> None:
    clips = batch(*(item(name, frames=clip_of(3)) for name in "abc"))
    found = AestheticWorker(Told(), PlainContext().log)(clips)
    rounded = SCORES[0].round(6)
    least, mean = round(float(rounded.min()), 6), round(float(rounded.mean()), 6)
    assert found.columns == {"aesthetic_min": [least, None, 3.3], "aesthetic_mean": [mean, None, 3.3]}
    assert found.failed == {1: NO_SCORES}


@pytest.mark.parametrize("reduction", ["min", "mean"])
def test_the_published_score_is_the_reduction(reduction: str) -> None:
    stage = ClipAestheticFilterStage(reduction=reduction)
    rows = stage.published(table(stage, {"aesthetic_min": 1.0, "aesthetic_mean": 2.0}, {}))
    assert rows["aesthetic_score"].to_pylist() == [{"min": 1.0, "mean": 2.0}[reduction], None]


def test_a_score_below_the_threshold_is_low() -> None:
    stage = ClipAestheticFilterStage(score_threshold=3.5)
    assert [reason(stage, aesthetic_score=score) for score in (3.499999, 3.5, None)] == [
        "low_aesthetic", None, None,
    ]  # fmt: skip
    assert ClipAestheticFilterStage(score_only=True).rules() == ()


def test_verdicts_and_where_it_runs_do_not_name_results() -> None:
    stage = ClipAestheticFilterStage()
    other = ClipAestheticFilterStage(
        model_dir="s3://weights", score_threshold=9, reduction="mean", score_only=True, device="cpu",
        batch_size=1, num_gpus_per_worker=1,
    )  # fmt: skip
    assert other.digest() == stage.digest() != ClipAestheticFilterStage(target_fps=2).digest()


def test_it_reads_frames_of_its_rate_and_asks_for_its_share_of_a_gpu() -> None:
    frames = ClipAestheticFilterStage(target_fps=0.5).reads().frames
    assert frames is not None
    assert (frames.fps, frames.height_px) == (0.5, 240)
    assert ClipAestheticFilterStage().resources() == Resources(gpus=0.25)
    assert ClipAestheticFilterStage(device="cpu").resources() == Resources()


def test_its_models_are_the_encoder_and_the_head() -> None:
    found = [(ref.name, ref.revision, ref.place) for ref in ClipAestheticFilterStage(model_dir="w").models()]
    names = ("clip", "laion-aesthetic")
    assert found == [(name, model_named(name).revision, "w") for name in names]


@pytest.mark.parametrize(("asked", "used"), [("auto", "lent"), ("cuda", "cuda")])
def test_the_worker_is_opened_on_what_it_is_lent(
    asked: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []

    def load(*weights: Path, **options: object) -> Told:
        opened.extend((*weights, options))
        return Told()

    monkeypatch.setattr(aesthetic, "load_aesthetic_scorer", load)
    context = PlainContext(device="lent", num_threads=3)
    context.model_dirs = {"clip": Path("c"), "laion-aesthetic": Path("h")}
    ClipAestheticFilterStage(device=asked, batch_size=5).open(context)
    assert opened == [Path("c"), Path("h"), {"device": used, "batch_size": 5, "num_threads": 3}]
