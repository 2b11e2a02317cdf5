"""Sound that is moved against its pictures makes another film, in whatever container; a few frames do not."""

from pathlib import Path

import pytest

from clipmill.media.scan.scan import scan
from clipmill.media.types import ScanFacts, ScanPlan
from tests.support.films.chirps import draw_chirp, recoded

pytestmark = pytest.mark.integration


def moved(path: Path, source: Path, by_s: float) -> ScanFacts:
    """Scans a copy whose sound is later."""
    sound = ("-itsoffset", str(by_s), "-i", str(source), "-map", "0:v", "-map", "1:a", "-c", "copy")
    film = recoded(path, source, *sound)
    return scan(str(film), ScanPlan(thumbnails=False), str(path.with_suffix("")))


@pytest.mark.parametrize("by_s", [0.8, -0.8])
def test_moved_sound_has_another_digest(tmp_path: Path, by_s: float) -> None:
    source = draw_chirp(tmp_path / "source.mkv", 75)
    in_step, late, as_late = (
        moved(tmp_path / f"{name}", source, each)
        for name, each in (("in_step.ts", 0), ("late.ts", by_s), ("as_late.mkv", by_s))
    )
    assert late.audio_digest == as_late.audio_digest != in_step.audio_digest
    assert late.content_digest == in_step.content_digest


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".ts", ".flv", ".mkv"])
def test_a_container_that_moves_sound_by_some_frames_keeps_the_digest(tmp_path: Path, suffix: str) -> None:
    source = draw_chirp(tmp_path / "source.mkv", 75)
    facts = [moved(tmp_path / name, source, 0.1) for name in ("a.mkv", f"copy{suffix}")]
    assert facts[0].audio_digest == facts[1].audio_digest
    assert facts[0].audio_digest == moved(tmp_path / "in_step.mkv", source, 0).audio_digest
