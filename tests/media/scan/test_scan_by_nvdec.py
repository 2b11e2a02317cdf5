"""A scan by way of NVDEC leaves what one by FFmpeg's decoder leaves, and says who decoded, and why."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clipmill.media.decode import nvdec
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.tracks import named_arrays
from clipmill.media.types import ScanArrays, ScanFacts, ScanPlan
from clipmill.stages.reads import Motion
from tests.support.films.container_films import ENCODERS
from tests.support.films.scan_films import write_film
from tests.support.scan_plans import plan_of
from tests.support.stand_ins.nv_stand_in import Library

PLAN = plan_of(motion_fps=5.0, quality_fps=2.0, frames_fps=5.0, height_px=48)
BY_NVDEC = replace(PLAN, decoder="nvdec")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoder, options = ENCODERS["h264"]
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_film(path, range(50), codec=encoder, options=options, sound=True)


def scanned(film: Path, plan: ScanPlan, spool: Path) -> tuple[ScanFacts, ScanArrays]:
    return scan(str(film), plan, str(spool)), load_arrays(str(spool))


def assert_same(ours: tuple[ScanFacts, ScanArrays], theirs: tuple[ScanFacts, ScanArrays]) -> None:
    neutral = {"cpu_s": 0.0, "decoder": "", "bytes_read": 0}
    assert replace(ours[0], **neutral) == replace(theirs[0], **neutral)
    ours_by_name, theirs_by_name = named_arrays(ours[1]), named_arrays(theirs[1])
    assert ours_by_name.keys() == theirs_by_name.keys()
    for name, array in ours_by_name.items():
        np.testing.assert_array_equal(array, theirs_by_name[name])


def test_facts_and_arrays_are_the_same(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvdec, "nv_library", Library)
    ours = scanned(film, BY_NVDEC, tmp_path / "ours")
    assert ours[0].decoder == "nvdec"
    assert_same(ours, scanned(film, PLAN, tmp_path / "theirs"))


def test_a_video_that_nvdec_gives_up_is_begun_again(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvdec, "nv_library", lambda: Library(fails_after=20))
    ours = scanned(film, BY_NVDEC, tmp_path / "ours")
    assert ours[0].decoder == "cpu: NVDEC: the driver has lost the device"
    assert_same(ours, scanned(film, PLAN, tmp_path / "theirs"))


def test_without_the_library_the_reason_is_named(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> nvdec.NvLibrary:
        raise nvdec.NvdecFault("PyNvVideoCodec does not load: no driver")

    monkeypatch.setattr(nvdec, "nv_library", missing)
    facts, _ = scanned(film, BY_NVDEC, tmp_path)
    assert facts.decoder == "cpu: PyNvVideoCodec does not load: no driver"


def test_vectors_are_left_to_the_decoder_that_has_them(film: Path, tmp_path: Path) -> None:
    facts, _ = scanned(film, replace(BY_NVDEC, samples=(Motion(Fraction(5), "vectors"),)), tmp_path)
    assert facts.decoder == "cpu: NVDEC gives no motion vectors"


def test_made_up_times_are_left_to_the_decoder_that_keeps_the_order(tmp_path: Path) -> None:
    encoder, options = ENCODERS["h264"]
    film = write_film(tmp_path / "film.h264", range(12), codec=encoder, options=options)
    facts, _ = scanned(film, BY_NVDEC, tmp_path / "spool")
    assert facts.decoder.startswith("cpu: the container stores no times")


def test_the_cpu_is_not_asked_for_a_reason(film: Path, tmp_path: Path) -> None:
    assert scanned(film, PLAN, tmp_path)[0].decoder == "cpu"
