"""How a stage is tried: on one video, and on items made by hand."""

from pathlib import Path

import numpy as np
import pytest

from clipmill.engine.runners.result_rows import BadResults
from clipmill.stages.base import Batch, StageContext, Worker
from clipmill.testing import clip_item, run_items, run_stage
from tests.support.stages.light_stage import LightFilter


def test_a_stage_runs_on_one_video(film: Path) -> None:
    table = run_stage(LightFilter(threshold=1.0), film)
    assert len(table) > 0
    assert set(table["reason"].to_pylist()) == {"dark"}
    assert all(0 < luma < 1 for luma in table["luma_mean"].to_pylist())
    assert "is below 1" in table["message"][0].as_py()


def test_a_stage_runs_on_items_made_by_hand() -> None:
    grey = [np.full((3, 4, 4, 3), level, np.uint8) for level in (0, 51, 255)]
    table = run_items(LightFilter(threshold=0.3), [clip_item(frames=one) for one in grey])
    assert table["id"].to_pylist() == ["clip", "clip 2", "clip 3"]
    assert table["luma_mean"].to_pylist() == [0.0, 0.2, 1.0]
    assert table["reason"].to_pylist() == ["dark", "dark", None]


class WrongFilter(LightFilter):
    """Answers for one clip too many."""

    name = "wrong"

    def open(self, context: StageContext) -> Worker:
        del context
        return lambda batch: {"luma_mean": [0.0] * (len(batch) + 1)}


def test_a_wrong_answer_is_named() -> None:
    with pytest.raises(BadResults, match="column luma_mean has 2 values for 1 items"):
        run_items(WrongFilter(), [clip_item(frames=np.zeros((1, 4, 4, 3), np.uint8))])


def test_an_item_shows_nothing_that_was_not_passed() -> None:
    with pytest.raises(ValueError, match="no thumbnails"):
        assert Batch((clip_item(),)).thumbnails
