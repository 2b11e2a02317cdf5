import av
import ffmpeg
import pytest

from clipmill.errors import SpecError
from clipmill.media.encode import availability


@pytest.fixture(autouse=True)
def forget_trials() -> None:
    availability.trial.cache_clear()


def test_the_default_encoder_works() -> None:
    availability.probe_encoder("libx264")


def test_an_encoder_that_pyav_lacks_is_tried_with_the_program() -> None:
    with pytest.raises(av.codec.codec.UnknownCodecError):
        av.Codec("libopenh264", "w")
    availability.probe_encoder("libopenh264")


def test_an_encoder_that_does_not_work_names_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "ENCODERS", ("libx264", "libx999", "libvpx-vp9"))
    with pytest.raises(SpecError, match=r"'libx999' does not work here .*these do: libx264, libvpx-vp9"):
        availability.probe_encoder("libx999")


def test_a_name_that_is_no_clip_encoder_is_refused() -> None:
    with pytest.raises(SpecError, match="not an encoder for clips"):
        availability.probe_encoder("aac")


def test_a_trial_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    availability.probe_encoder("libopenh264")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("tried again")

    monkeypatch.setattr(ffmpeg, "input", refuse)
    availability.probe_encoder("libopenh264")


def test_without_a_program_the_cause_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("no ffmpeg found")

    monkeypatch.setattr(availability.imageio_ffmpeg, "get_ffmpeg_exe", missing)
    assert "there is no ffmpeg program" in availability.trial("libopenh264")


@pytest.mark.skipif(not availability.trial("h264_nvenc"), reason="NVENC is here")
def test_a_hardware_encoder_without_its_hardware_says_what_it_misses() -> None:
    with pytest.raises(SpecError, match=r"'h264_nvenc' does not work here \(.+\); these do: .*libx264"):
        availability.probe_encoder("h264_nvenc")


def test_an_av1_encoder_keeps_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    availability.probe_encoder("libsvtav1")
    assert "Svt" not in capfd.readouterr().err
