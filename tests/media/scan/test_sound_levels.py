"""How loud a video is around its frames: in one pass, from any segment, and without sound."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.io.source import open_source
from clipmill.media.scan.scan import NO_PAUSES, load_arrays, scan
from clipmill.media.scan.sound_levels import FLOOR_DB, SoundLevels
from clipmill.media.types import ScanPlan
from footage.encode import H264, Encoding, write_film
from footage.sound import SAMPLE_RATE_HZ
from tests.support.films.chirps import recoded

pytestmark = pytest.mark.integration

FPS = 25
TONE_S = 0.4


def draw(path: Path, *, encoding: Encoding = H264, has_sound: bool = True) -> Path:
    """Twelve seconds, half of which are a tone of -13 dB, 0.4 s at a time."""
    seconds = np.arange(12 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    wave = 10_000 * np.sin(2 * np.pi * 440 * seconds) * (seconds % (2 * TONE_S) < TONE_S)
    pictures = (np.full((32, 32, 3), index % 200, np.uint8) for index in range(12 * FPS))
    sound = wave.astype(np.int16) if has_sound else None
    write_film(path, pictures, time_base=Fraction(1, FPS), encoding=encoding, sound=sound)
    return path


def levels_of(path: Path, frames: list[int]) -> list[float]:
    with open_source(str(path)) as reader, closing(SoundLevels(reader, Fraction(1, FPS))) as levels:
        return [levels.at(frame) for frame in frames]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_levels_are_those_of_the_sound_at_each_frame(tmp_path: Path, name: str) -> None:
    spool = str(tmp_path / "spool")
    scan(str(draw(tmp_path / name)), ScanPlan(thumbnails=False, sound_levels=True), spool)
    into = (np.arange(12 * FPS) / FPS) % (2 * TONE_S)
    is_loud, is_quiet = (into > 0.08) & (into < 0.32), (into > 0.48) & (into < 0.72)
    levels = load_arrays(spool).levels
    assert levels[is_loud] == pytest.approx(-13.3, abs=0.7)
    assert (levels[is_quiet] < -40).all()


def test_channels_that_cancel_out_are_heard(tmp_path: Path) -> None:
    """As of a microphone with one pole reversed."""
    with av.open(str(draw(tmp_path / "a.mkv"))) as source, av.open(str(tmp_path / "b.mkv"), "w") as output:
        sound = output.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="stereo")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        for frame in (each for one in source.decode(audio=0) for each in resampler.resample(one)):
            wave = frame.to_ndarray()[0]
            both = np.stack([wave, np.negative(wave)], axis=1).reshape(1, -1)
            stereo = av.AudioFrame.from_ndarray(np.ascontiguousarray(both), format="s16", layout="stereo")
            stereo.sample_rate, stereo.pts, stereo.time_base = frame.sample_rate, frame.pts, frame.time_base
            output.mux(sound.encode(stereo))
        output.mux(sound.encode(None))
    quiet, loud = levels_of(tmp_path / "b.mkv", [55, 65])
    assert loud == pytest.approx(-13.3, abs=0.7)
    assert quiet < -40


def test_pauses_behind_a_jump_of_the_clock_are_known_at_the_end(tmp_path: Path) -> None:
    once = draw(tmp_path / "a.ts")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(once.read_bytes() * 2)
    spool = str(tmp_path / "spool")
    plan = ScanPlan(thumbnails=False, sound_levels=True)
    facts = scan(str(joined), plan, spool)
    assert NO_PAUSES not in facts.oddities
    levels = load_arrays(spool).levels
    assert len(levels) == facts.num_frames
    into = (np.arange(12 * FPS) / FPS) % (2 * TONE_S)
    is_loud, is_quiet = (into > 0.08) & (into < 0.32), (into > 0.48) & (into < 0.72)
    second = levels[len(levels) - 12 * FPS :]
    assert second[is_loud] == pytest.approx(-13.3, abs=0.7)
    assert (second[is_quiet] < -40).all()


def test_pieces_that_are_handed_out_know_no_pauses_behind_a_jump_and_the_video_says_so(
    tmp_path: Path,
) -> None:
    once = draw(tmp_path / "a.ts")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(once.read_bytes() * 2)
    spool = str(tmp_path / "spool")
    plan = ScanPlan(thumbnails=False, sound_levels=True, piece_frames=100)
    assert NO_PAUSES in scan(str(joined), plan, spool).oddities
    assert NO_PAUSES not in scan(str(once), plan, str(tmp_path / "other")).oddities


def test_a_part_of_a_video_has_the_levels_of_the_whole(tmp_path: Path) -> None:
    film = draw(tmp_path / "a.mp4")
    whole = levels_of(film, list(range(12 * FPS)))
    assert levels_of(film, list(range(230, 300))) == whole[230:300]


def test_a_video_without_sound_has_no_level_and_one_that_ends_early_is_silent(tmp_path: Path) -> None:
    assert np.isnan(levels_of(draw(tmp_path / "mute.mp4", has_sound=False), [0, 40])).all()
    assert levels_of(draw(tmp_path / "a.mp4"), [14 * FPS, 40 * FPS]) == [FLOOR_DB, FLOOR_DB]


@pytest.mark.parametrize(("track", "is_loud"), [(None, False), (0, False), (1, True)])
def test_levels_are_those_of_the_chosen_track(tmp_path: Path, track: int | None, is_loud: bool) -> None:
    maps = ("-map", "0:v", "-map", "0:a", "-map", "0:a", "-filter:a:0", "volume=0", "-c:v", "copy")
    path = recoded(tmp_path / "two.mkv", draw(tmp_path / "one.mkv"), *maps, "-c:a", "flac")
    scan(str(path), ScanPlan(thumbnails=False, sound_levels=True, sound_track=track), str(tmp_path / "spool"))
    assert (load_arrays(str(tmp_path / "spool")).levels[5] > FLOOR_DB) == is_loud
