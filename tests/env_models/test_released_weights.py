"""The released TransNetV2, out of its package: it finds on real footage what its makers' code finds there.

The package index of this machine has to serve the package. What is expected was found once by the package's
own network, at a threshold of 0.4, on the same 48x27 pictures.
"""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanPlan
from clipmill.models.registry import model_named
from clipmill.models.shots.detector import NetworkCutFinder
from clipmill.models.shots.open import open_shot_network
from clipmill.models.weights.mirror import mirror
from clipmill.models.weights.package import from_package
from clipmill.pipeline import Pipeline
from clipmill.shots.content import all_cuts
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.golden.films import SHARED_VIDEOS, copy_bikes

BIKES = [30, 76, 137, 187, 242]
SHARED = {"bbb_486p_60s.mp4": [3, 487, 603, 822, 1191, 1562]}
"""Frames behind each cut; the first is the end of a fade from black."""


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("models"))
    mirror(model_named("transnetv2"), into=folder, origin=from_package)
    return folder


def cuts_of(path: Path, model_dir: str, *, cascade: bool) -> list[int]:
    """The frame behind the middle of each range that the network marks."""
    options = TransNetV2ClipExtractionStage(
        model_dir=model_dir, device="cpu", cascade=cascade
    ).network_options()
    with TemporaryDirectory() as spool:
        scan(str(path), ScanPlan(thumbnails=True), spool)
        seen = load_arrays(spool)
        finder = NetworkCutFinder(open_shot_network(options), options)
        found = all_cuts(finder, seen.thumbnails, seen.times_s[:-1])
    assert not found.hard
    return [(span.start_frame + span.end_frame + 1) // 2 for span in found.gradual]


@pytest.mark.parametrize("cascade", [True, False], ids=["cascade", "whole"])
def test_the_cuts_of_a_street_scene(model_dir: str, tmp_path: Path, cascade: bool) -> None:
    copy_bikes(tmp_path)
    assert cuts_of(tmp_path / "bikes.mp4", model_dir, cascade=cascade) == BIKES


@pytest.mark.skipif(not SHARED_VIDEOS.is_dir(), reason="needs the real footage beside the checkout")
@pytest.mark.parametrize("cascade", [True, False], ids=["cascade", "whole"])
@pytest.mark.parametrize("name", SHARED)
def test_the_cuts_of_real_footage(model_dir: str, name: str, cascade: bool) -> None:
    assert cuts_of(SHARED_VIDEOS / name, model_dir, cascade=cascade) == SHARED[name]


@pytest.mark.parametrize("role", ["detector", "verifier"])
def test_a_run_cuts_there(model_dir: str, tmp_path: Path, role: str) -> None:
    copy_bikes(tmp_path)
    pipeline = Pipeline("released").add_stage(VideoReader(input_video_path=str(tmp_path)))
    fields = {"model_dir": model_dir, "device": "cpu", "min_length_s": None, "crop_s": None, "role": role}
    pipeline.add_stage(TransNetV2ClipExtractionStage.model_validate(fields))
    clips = pipeline.run()[0].data.clips
    spans = [clip.place.frames for clip in clips if clip.place]
    # The network alone gives a frame at each cut to neither shot.
    lost = 1 if role == "detector" else 0
    expected = [*((start, end - lost) for start, end in pairwise([0, *BIKES])), (BIKES[-1], 250)]
    assert [(span.start_frame, span.end_frame) for span in spans] == expected
