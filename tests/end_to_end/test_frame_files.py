"""Sampled frames as files: of each clip, or of the whole video."""

from math import ceil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.runs.curation import curate_here, plain_spec, rows, stamps

FRAMES = {"write": True, "target_height_px": 48, "target_fps": [2.0]}


def written(output: Path) -> dict[str, list[str]]:
    """Owner -> names of its frame files."""
    folders = (output / "frames").iterdir()
    return {folder.name: sorted(path.name for path in folder.iterdir()) for folder in folders}


@pytest.mark.usefixtures("shared_codec")
def test_each_clip_has_its_frames(film: Path, tmp_path: Path) -> None:
    curate_here(film, tmp_path / "out", plain_spec(frames=FRAMES))
    found = written(tmp_path / "out")
    assert set(found) == {row["clip_id"] for row in rows(tmp_path / "out", "clips")}
    assert all(names[0] == "sequence-2000_00000.jpg" for names in found.values())


@pytest.mark.usefixtures("shared_codec")
def test_frames_are_pictures_of_the_height_asked_for(film: Path, tmp_path: Path) -> None:
    curate_here(film, tmp_path / "out", plain_spec(frames=FRAMES))
    picture = Image.open(next((tmp_path / "out" / "frames").rglob("*.jpg")))
    assert picture.height == 48  # though the embedding had larger ones of the same decode
    assert np.asarray(picture).std() > 5


@pytest.mark.usefixtures("shared_codec")
def test_the_middle_frame_is_one_and_not_the_first(film: Path, tmp_path: Path) -> None:
    spec = plain_spec(frames={**FRAMES, "extraction_policies": ["middle", "sequence"]})
    curate_here(film, tmp_path / "out", spec)
    folder = next((tmp_path / "out" / "frames").iterdir())
    middle = (folder / "middle-2000_00000.jpg").read_bytes()
    assert not (folder / "middle-2000_00001.jpg").exists()
    sequence = sorted(folder.glob("sequence-*.jpg"))
    assert middle == sequence[len(sequence) // 2].read_bytes() != sequence[0].read_bytes()


@pytest.mark.usefixtures("shared_codec")
def test_frames_of_the_whole_video_lie_under_its_id(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    curate_here(film, output, plain_spec(frames={**FRAMES, "target": "videos"}))
    (video,) = rows(output, "videos")
    names = written(output)[str(video["video_id"])]
    assert len(names) == ceil(float(str(video["duration_s"])) * 2)
    before = stamps(output / "frames")
    curate_here(film, output, plain_spec(frames={**FRAMES, "target": "videos"}))
    assert stamps(output / "frames") == before
