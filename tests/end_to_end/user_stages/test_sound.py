"""A stage that listens: each clip has its own sound, on the pictures' clock, whatever the file does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from clipmill.errors import SpecError
from clipmill.stages.base import (
    VERDICT,
    Batch,
    Column,
    Grain,
    Reads,
    Rule,
    Sound,
    Stage,
    StageContext,
    VideoWorker,
    Worker,
)
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.testing import run_stage
from tests.support.films.chirps import FPS, RATE, WINDOW, draw_chirp, join, told_s
from tests.support.films.scan_films import write_film

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("shared_codec")]

CLIP_S = 2
AT_S = 0.5
"""Where in a clip is listened."""


class Listener(Stage):
    """Says which time the chirp tells, and how much sound a clip has."""

    name: ClassVar[str] = "listener"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (
        Column("told_s", pa.float64(), "time that the chirp tells"),
        Column("num_samples", pa.int64(), "samples, null without sound"),
        Column("num_channels", pa.int64(), "channels"),
        Column("loudest", pa.float64(), "largest sample"),
    )
    channels: int = 1
    loudest: Annotated[float | None, VERDICT] = None

    def reads(self) -> Reads:
        """Returns sound."""
        return Reads(sound=Sound(RATE, self.channels))

    def rules(self) -> tuple[Rule, ...]:
        """Returns the bound."""
        return (Rule("loudest", "too_quiet", min=self.loudest),)

    def open(self, context: StageContext) -> Worker:
        """Returns the worker."""
        del context
        return _listened


def _listened(batch: Batch) -> dict[str, Sequence[object]]:
    sound = batch.sound
    first = int(AT_S * RATE) - WINDOW // 2
    return {
        "told_s": [None if one is None else told_s(one[first : first + WINDOW, 0]) for one in sound],
        "num_samples": [None if one is None else len(one) for one in sound],
        "num_channels": [None if one is None else one.shape[1] for one in sound],
        "loudest": [None if one is None else float(np.abs(one).max()) for one in sound],
    }


def heard_in(film: Path, stage: Listener | None = None) -> list[dict[str, object]]:
    clips = FixedStrideExtractorStage(clip_len_s=CLIP_S, clip_stride_s=CLIP_S, min_clip_length_s=1)
    return run_stage(stage or Listener(), str(film), others=[clips]).to_pylist()


def draw_joined(folder: Path) -> Path:
    """Two recordings behind each other: the clock of the second begins again."""
    parts = [draw_chirp(folder / f"{first}.ts", 100, first=first) for first in (0, 100)]
    return join(folder / "joined.ts", *parts)


@pytest.mark.parametrize(
    "draw",
    [lambda folder: draw_chirp(folder / "plain.mp4", 200), draw_joined],
    ids=["plain", "joined"],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_each_clip_has_its_own_sound(tmp_path: Path, draw: Callable[[Path], Path], channels: int) -> None:
    rows = heard_in(draw(tmp_path), Listener(channels=channels))
    assert [row["num_samples"] for row in rows] == [CLIP_S * RATE] * 4
    assert {row["num_channels"] for row in rows} == {channels}
    told = [row["told_s"] for row in rows]
    assert told == pytest.approx([index * CLIP_S + AT_S for index in range(4)], abs=0.045)


def test_rules_over_sound_reject(tmp_path: Path) -> None:
    rows = heard_in(draw_chirp(tmp_path / "plain.mp4", 2 * FPS), Listener(loudest=0.9))
    assert [row["reason"] for row in rows] == ["too_quiet"]


def test_a_mute_film_has_no_sound(tmp_path: Path) -> None:
    rows = heard_in(write_film(tmp_path / "mute.mp4", range(50)))
    assert [(row["num_samples"], row["reason"]) for row in rows] == [(None, None)]


class OfVideos(Stage):
    """Asks for the sound of a whole video."""

    name: ClassVar[str] = "of_videos"
    grain: ClassVar[Grain] = "video"
    writes: ClassVar[tuple[Column, ...]] = (Column("loudest", pa.float64(), "largest sample"),)

    def reads(self) -> Reads:
        """Returns sound."""
        return Reads(sound=Sound())

    def open(self, context: StageContext) -> VideoWorker:
        """Opens nothing."""
        raise NotImplementedError


def test_a_stage_of_whole_videos_is_not_promised_sound(tmp_path: Path) -> None:
    film = write_film(tmp_path / "mute.mp4", range(50))
    with pytest.raises(SpecError, match="stage of_videos sees whole videos and reads sound: it can read"):
        run_stage(OfVideos(), str(film))
