"""The sample footage is what its ground truth says it is."""

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.error import FFmpegError, InvalidDataError

from clipmill.media.bitstream.digest import AudioDigest, ContentDigest
from clipmill.records import FrameSpan, VideoReason
from footage import CopyKind, Event, FilmTruth, GroundTruth, Outcome, draw_footage
from footage.copies import cut_short
from footage.sample import SHARE_OF_CUT_SHORT
from footage.sound import SAMPLE_RATE_HZ
from footage.truth import TRUTH_NAME

pytestmark = pytest.mark.integration


READABLE = [
    "chase.mp4",
    "concert.mp4",
    "desert.mp4",
    "garden.mp4",
    "harbour.mp4",
    "lobby.mp4",
    "market.mp4",
    "phone.mp4",
    "portrait.mp4",
    "river.webm",
    "street.mp4",
    *[
        f"reposts/harbour{suffix}"
        for suffix in (".mkv", "_again.mp4", "_dubbed.mp4", "_small.mp4", "_worn.mp4")
    ],
]
BROKEN = ["letter.mp4", "nothing.mp4", "radio.mp4", "wreck.mp4"]
WITH_CUTS = [name for name in READABLE if name not in ("lobby.mp4",)]


class Footage:
    """A drawn directory, its truth, and its films decoded once: upright thumbnails and times."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.truth = draw_footage(directory)
        self._decoded: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def decoded(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Thumbnails, float32 ``(N, 27, 48, 3)``, and times in seconds ``(N,)``."""
        if name not in self._decoded:
            frames = list(decode(self.directory / name))
            times = np.array([float(frame.pts * frame.time_base) for frame in frames])
            small = [
                frame.to_ndarray(format="rgb24", width=48, height=27, interpolation="AREA")
                for frame in frames
            ]
            self._decoded[name] = np.stack(small).astype(np.float32), times
        return self._decoded[name]

    def steps(self, name: str) -> np.ndarray:
        """Mean difference of each frame from the one before, ``(N,)``, first 0."""
        thumbnails, _ = self.decoded(name)
        return np.r_[0.0, np.abs(np.diff(thumbnails, axis=0)).mean(axis=(1, 2, 3))]


def decode(path: Path) -> Iterator[av.VideoFrame]:
    """Frames up to the end or the first error."""
    with av.open(path) as container:
        try:
            yield from container.decode(video=0)
        except FFmpegError:
            return


def digests(path: Path) -> tuple[str, str]:
    with av.open(path) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        both = {
            video.index: ContentDigest(video.codec_context.name, video.codec_context.extradata or b""),
            audio.index: AudioDigest(audio.codec_context.name, audio.codec_context.extradata or b""),
        }
        for packet in container.demux():
            both[packet.stream_index].update(bytes(packet))
        return both[video.index].digest(), both[audio.index].digest()


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    return Footage(tmp_path_factory.mktemp("footage"))


def event_spans(film: FilmTruth, event: Event) -> list[FrameSpan]:
    return [timed.frames for timed in film.events if timed.event is event]


def test_every_file_is_in_the_truth_and_the_other_way_round(footage: Footage) -> None:
    files = {path.relative_to(footage.directory).as_posix() for path in footage.directory.rglob("*.*")}
    assert files - {TRUTH_NAME} == {film.name for film in footage.truth.films} == {*READABLE, *BROKEN}


def test_the_truth_is_written_beside_the_films(footage: Footage) -> None:
    written = json.loads((footage.directory / TRUTH_NAME).read_text(encoding="utf-8"))
    harbour = next(film for film in written if film["name"] == "harbour.mp4")
    assert (harbour["fps"], tuple(harbour["cuts"]["hard"])) == (
        "24",
        footage.truth.by_name("harbour.mp4").cuts.hard,
    )


def test_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="lost"):
        GroundTruth(()).by_name("lost.mp4")


@pytest.mark.parametrize("name", READABLE)
def test_frame_counts_are_true(footage: Footage, name: str) -> None:
    thumbnails, _ = footage.decoded(name)
    assert len(thumbnails) == footage.truth.by_name(name).num_frames


@pytest.mark.parametrize("name", READABLE)
def test_headers_are_true(footage: Footage, name: str) -> None:
    film = footage.truth.by_name(name)
    stored = (
        (film.width_px, film.height_px) if film.rotation_deg % 180 == 0 else (film.height_px, film.width_px)
    )
    with av.open(footage.directory / name) as container:
        video = container.streams.video[0]
        assert video.codec.canonical_name == film.codec
        assert (video.width, video.height) == stored
        assert bool(container.streams.audio) == film.has_audio


@pytest.mark.parametrize("name", WITH_CUTS)
def test_pictures_change_most_at_the_cuts(footage: Footage, name: str) -> None:
    film = footage.truth.by_name(name)
    steps = footage.steps(name)
    for timed in film.events:
        steps[timed.frames.start_frame : timed.frames.end_frame + 1] = 0
    assert tuple(sorted(np.argsort(steps)[::-1][: len(film.cuts.hard)].tolist())) == film.cuts.hard


def test_the_codecs_are_those_that_people_have(footage: Footage) -> None:
    assert {film.codec for film in footage.truth.films} >= {"h264", "hevc", "vp9", "av1"}


def test_gradual_transitions_change_little_by_little(footage: Footage) -> None:
    thumbnails, _ = footage.decoded("market.mp4")
    dissolve, fade = footage.truth.by_name("market.mp4").cuts.gradual
    steps = footage.steps("market.mp4")
    hard = min(steps[cut] for cut in footage.truth.by_name("market.mp4").cuts.hard)
    for span in (dissolve, fade):
        assert steps[span.start_frame : span.end_frame + 1].max() < hard / 2
        before, after = thumbnails[span.start_frame - 1], thumbnails[span.end_frame]
        assert np.abs(before - after).mean() > 20


def test_a_fade_goes_through_black(footage: Footage) -> None:
    thumbnails, _ = footage.decoded("market.mp4")
    fade = footage.truth.by_name("market.mp4").cuts.gradual[1]
    means = thumbnails[fade.start_frame : fade.end_frame].mean(axis=(1, 2, 3))
    assert means.min() < 3 < 20 < min(means[0], means[-1])


def test_a_flash_is_bright_and_goes_by(footage: Footage) -> None:
    thumbnails, _ = footage.decoded("chase.mp4")
    (flash,) = event_spans(footage.truth.by_name("chase.mp4"), Event.FLASH)
    assert thumbnails[flash.start_frame].mean() > 200
    before, after = thumbnails[flash.start_frame - 1], thumbnails[flash.end_frame]
    assert np.abs(before - after).mean() < 15


def test_a_whip_pan_moves_far_within_one_shot(footage: Footage) -> None:
    thumbnails, _ = footage.decoded("chase.mp4")
    film = footage.truth.by_name("chase.mp4")
    (whip,) = event_spans(film, Event.WHIP_PAN)
    assert np.abs(thumbnails[whip.start_frame] - thumbnails[whip.end_frame]).mean() > 10
    assert not any(whip.start_frame <= cut <= whip.end_frame for cut in film.cuts.hard)


def test_nothing_moves_in_the_still_shot(footage: Footage) -> None:
    (still,) = event_spans(footage.truth.by_name("lobby.mp4"), Event.STILL)
    steps = footage.steps("lobby.mp4")
    inside, outside = steps[still.start_frame + 1 : still.end_frame], steps[1 : still.start_frame]
    assert inside.max() < 1 < np.median(outside)


def test_the_near_black_shot_is_dark(footage: Footage) -> None:
    thumbnails, _ = footage.decoded("lobby.mp4")
    (dark,) = event_spans(footage.truth.by_name("lobby.mp4"), Event.NEAR_BLACK)
    assert thumbnails[dark.start_frame : dark.end_frame].mean() < 6


def test_beeps_fall_on_the_flashes(footage: Footage) -> None:
    film = footage.truth.by_name("concert.mp4")
    thumbnails, times = footage.decoded("concert.mp4")
    bright = thumbnails.mean(axis=(1, 2, 3))
    flashes = [times[span.start_frame] for span in event_spans(film, Event.FLASH)]
    assert all(bright[span.start_frame] > 200 for span in event_spans(film, Event.FLASH))
    assert film.beeps_s == pytest.approx(flashes, abs=1e-3)
    assert beep_onsets_s(footage.directory / film.name) == pytest.approx(flashes, abs=0.02)


def beep_onsets_s(path: Path) -> list[float]:
    """Times at which the sound becomes loud after a pause."""
    with av.open(path) as container:
        decoded = [(frame.time, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    loud = [
        time + int(index) / SAMPLE_RATE_HZ
        for time, pcm in decoded
        for index in np.flatnonzero(np.abs(pcm) > 0.35)
    ]
    return [at for before, at in zip([-1.0, *loud], loud, strict=False) if at - before > 0.5]


def test_the_telephone_film_has_frames_of_unequal_length(footage: Footage) -> None:
    _, times = footage.decoded("phone.mp4")
    film = footage.truth.by_name("phone.mp4")
    lengths = np.diff(times)
    assert film.is_vfr
    assert lengths.max() > 1.5 * lengths.min()
    assert len(times) / float(film.fps) == pytest.approx(times[-1] + lengths.mean(), abs=0.1)


def test_the_turned_film_is_upright_when_turned_clockwise(footage: Footage) -> None:
    film = footage.truth.by_name("portrait.mp4")
    frame = next(decode(footage.directory / film.name))
    assert (film.rotation_deg, -frame.rotation % 360) == (90, 90)
    assert np.rot90(frame.to_ndarray(format="rgb24"), k=-1).shape == (film.height_px, film.width_px, 3)


def test_the_broken_off_film_says_more_frames_than_it_has(footage: Footage) -> None:
    film = footage.truth.by_name("street.mp4")
    with av.open(footage.directory / film.name) as container:
        assert film.is_partial
        assert 0.5 < film.num_frames / container.streams.video[0].frames < 0.7


@pytest.mark.parametrize("name", ["letter.mp4", "nothing.mp4", "wreck.mp4"])
def test_broken_files_cannot_be_opened(footage: Footage, name: str) -> None:
    with pytest.raises(InvalidDataError):
        av.open(footage.directory / name)


def test_the_radio_play_has_sound_only(footage: Footage) -> None:
    with av.open(footage.directory / "radio.mp4") as container:
        assert (len(container.streams.video), len(container.streams.audio)) == (0, 1)


def test_every_rejected_file_has_its_reason(footage: Footage) -> None:
    rejected = footage.truth.with_outcome(Outcome.REJECTED)
    assert {film.name: film.reason for film in rejected} == {
        "letter.mp4": VideoReason.NOT_A_VIDEO,
        "nothing.mp4": VideoReason.NOT_A_VIDEO,
        "radio.mp4": VideoReason.NO_VIDEO_STREAM,
        "wreck.mp4": VideoReason.UNREADABLE,
    }


@pytest.mark.parametrize(
    ("kind", "same_bytes", "same_pictures", "same_sound"),
    [
        (CopyKind.RENAMED, True, True, True),
        (CopyKind.REMUXED, False, True, True),
        (CopyKind.DUBBED, False, True, False),
        (CopyKind.REENCODED, False, False, True),
        (CopyKind.RESIZED, False, False, True),
    ],
)
def test_copies_share_what_their_kind_says(
    footage: Footage, kind: CopyKind, same_bytes: bool, same_pictures: bool, same_sound: bool
) -> None:
    (copy,) = (film for film in footage.truth.films if film.copy_kind is kind)
    source, target = footage.directory / str(copy.copy_of), footage.directory / copy.name
    assert (source.read_bytes() == target.read_bytes()) == same_bytes
    (pictures, sound), (copied_pictures, copied_sound) = digests(source), digests(target)
    assert (pictures == copied_pictures, sound == copied_sound) == (same_pictures, same_sound)


def test_copies_show_the_same(footage: Footage) -> None:
    original, _ = footage.decoded("harbour.mp4")
    for copy in (film for film in footage.truth.films if film.copy_of):
        assert np.abs(footage.decoded(copy.name)[0] - original).mean() < 6


def test_originals_sort_before_their_copies(footage: Footage) -> None:
    copies = [film for film in footage.truth.films if film.copy_of]
    assert all(str(film.copy_of) < film.name for film in copies)


def test_cut_short_keeps_the_share_it_says(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(bytes(1000))
    cut_short(tmp_path / "whole", tmp_path / "part", share=SHARE_OF_CUT_SHORT)
    assert (tmp_path / "part").stat().st_size == 600
