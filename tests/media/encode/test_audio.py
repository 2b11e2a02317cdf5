"""The sound of clips: a tone is heard while every fiftieth frame is shown, in the film and in its clips."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.cut.cut import cut_clips
from clipmill.media.sound.samples import on_timeline
from clipmill.records import CutClip
from clipmill.stages.encode_options import AudioOptions
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.chirps import recoded
from tests.support.films.numbered_films import draw, read_back, source_pts, spans

pytestmark = pytest.mark.integration


ENCODE = ClipTranscodingStage()
COPY = ClipTranscodingStage(encoder="copy")
NUM_FRAMES = 130
FRAME_S = 0.04
AAC_PACKET_S = 1024 / 48000
KEYED = {"g": "25", "bf": "2", "sc_threshold": "0"}


def cut(path: Path, out: Path, *cuts: tuple[int, int], spec: ClipTranscodingStage = ENCODE) -> list[CutClip]:
    times = source_pts(path)
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base or Fraction(1)
    clips = spans(NUM_FRAMES, *cuts, pts=times, time_base=time_base)
    return cut_clips(str(path), clips, spec.options(), out_dir=str(out), min_length_s=0.2)


def heard(path: str) -> tuple[list[float], float, str]:
    """Seconds at which a tone begins, length of the sound, codec."""
    with av.open(path) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        first = float((frames[0].pts or 0) * stream.time_base)
        name = stream.codec_context.codec.canonical_name
    samples = np.concatenate([frame.to_ndarray()[0].astype(np.float64) for frame in frames])
    loud = np.flatnonzero(np.abs(samples) > 0.25 * np.abs(samples).max())
    begins = loud[np.diff(loud, prepend=-(1 << 20)) > 4800]
    return [first + at / 48000 for at in begins.tolist()], first + len(samples) / 48000, name


def flashes(numbers: list[int]) -> list[float]:
    return [index * FRAME_S for index, number in enumerate(numbers) if number % 50 == 0]


@pytest.mark.parametrize("spec", [ENCODE, COPY], ids=["encode", "copy"])
@pytest.mark.parametrize(
    ("name", "encoder", "codec"),
    [
        ("film.mp4", "aac", "aac"),
        ("film.ts", "aac", "aac"),
        ("film.mkv", "libopus", "opus"),
        ("film.mkv", "ac3", "ac3"),
        ("film.mov", "pcm_s16le", "aac"),
        ("film.mkv", "flac", "aac"),
    ],
    ids=["AAC in mp4", "AAC in TS", "Opus", "AC-3", "PCM", "FLAC"],
)
def test_sound_stays_in_step_with_the_picture(
    tmp_path: Path, name: str, encoder: str, codec: str, spec: ClipTranscodingStage
) -> None:
    path = draw(tmp_path / name, NUM_FRAMES, audio=encoder, options=KEYED)
    for clip in cut(path, tmp_path / "out", (20, 130), (37, 110), spec=spec):
        numbers, shown = read_back(clip.path)
        begins, length_s, kept_as = heard(clip.path)
        assert shown[0] == 0
        assert kept_as == codec
        assert np.allclose(begins, flashes(numbers), atol=0.017)
        assert length_s <= len(numbers) * FRAME_S + 0.033


def test_encoded_sound_begins_at_the_exact_sample(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mov", NUM_FRAMES, audio="pcm_s16le")
    (clip,) = cut(path, tmp_path / "out", (37, 110))
    assert heard(clip.path)[0] == pytest.approx([13 * FRAME_S, 63 * FRAME_S], abs=0.001)


def test_sound_that_begins_after_the_clip_is_preceded_by_silence(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mkv", NUM_FRAMES, audio="aac", silent_frames=40)
    (clip,) = cut(path, tmp_path / "out", (10, 110))
    assert heard(clip.path)[0] == pytest.approx([40 * FRAME_S, 90 * FRAME_S], abs=0.002)


def test_a_clip_before_all_sound_has_no_audio_stream(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mkv", NUM_FRAMES, audio="aac", silent_frames=60)
    (clip,) = cut(path, tmp_path / "out", (10, 40))
    assert (clip.has_audio, clip.num_frames) == (False, 30)


def test_a_film_without_sound_gives_silent_clips(tmp_path: Path) -> None:
    (clip,) = cut(draw(tmp_path / "film.mp4", NUM_FRAMES), tmp_path / "out", (0, 20))
    assert not clip.has_audio


def test_copied_sound_is_the_source_packets(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mp4", NUM_FRAMES, audio="aac")
    (clip,) = cut(path, tmp_path / "out", (25, 75))
    packets: list[list[bytes]] = []
    for name in (str(path), clip.path):
        with av.open(name) as container:
            packets.append([bytes(packet) for packet in container.demux(audio=0) if packet.size])
    assert len(packets[1]) == pytest.approx(2.0 / AAC_PACKET_S, abs=2)
    source, copied = packets
    assert any(source[at : at + len(copied)] == copied for at in range(len(source)))


def ones(num: int) -> np.ndarray:
    return np.ones((1, num), np.float32)


@pytest.mark.parametrize(
    ("placed", "expected"),
    [
        ([(-3, 5), (2, 4)], "111111"),
        ([(2, 3)], "00111"),
        ([(0, 3), (4, 3)], "111111"),
        ([(0, 3), (8, 2)], "1110000011"),
        ([(0, 6), (3, 6)], "111111111"),
        ([(0, 6), (7, 9)], "1111111111"),
        ([(-9, 4)], ""),
    ],
    ids=["begins before", "begins late", "jitter is closed", "gap", "overlap", "ends after", "all before"],
)
def test_samples_on_the_timeline(placed: list[tuple[int, int]], expected: str) -> None:
    pieces = list(on_timeline(((at, ones(num)) for at, num in placed), num_samples=10, slack=1))
    assert "".join(str(int(value)) for piece in pieces for value in piece[0]) == expected


def test_all_tracks_keep_their_languages(tmp_path: Path) -> None:
    source = draw(tmp_path / "film.mov", NUM_FRAMES, audio="pcm_s16le")
    languages = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu")
    path = recoded(
        tmp_path / "film.mkv", source, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy",
        "-c:a:1", "aac", *languages,
    )  # fmt: skip
    spec = ClipTranscodingStage(audio=AudioOptions(track="all"))
    (clip,) = cut(path, tmp_path / "out", (20, 110), spec=spec)
    with av.open(clip.path) as container:
        assert [each.language for each in container.streams.audio] == ["eng", "deu"]
