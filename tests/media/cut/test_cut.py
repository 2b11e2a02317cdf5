"""Cutting clips: which frames they hold is read from the numbers painted on the frames themselves."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from av.container import OutputContainer

from clipmill.errors import StoreError, UnreadableVideo
from clipmill.media.cut import cut as cut_module
from clipmill.media.cut.cut import cut_clips
from clipmill.media.cut.reencode import shared_runs
from clipmill.media.io.source import CountingReader, open_source
from clipmill.media.sound.clip_sound import ClipSound, SpanSound
from clipmill.records import SoundFacts
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.cut_cases import COPY, CUTS, ENCODE, FILMS, Film, cut, drawn_in, pictures, scanned
from tests.support.films.numbered_films import FRAME, boxes, draw, read_back, read_number, source_pts, spans

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return drawn_in(tmp_path_factory.mktemp("films"))


# --- encoded clips


@pytest.mark.parametrize("name", FILMS)
def test_an_encoded_clip_holds_exactly_its_frames_at_their_times(
    film: Film, tmp_path: Path, name: str
) -> None:
    path = film(name)
    times = source_pts(path)
    for clip, (start, end) in zip(cut(path, tmp_path, *CUTS), CUTS, strict=True):
        numbers, shown = read_back(clip.path)
        assert numbers == list(range(start, end)), clip.message
        assert shown == [pts - times[start] for pts in times[start:end]]
        assert clip.clip_mode == "encode"


def test_a_clip_is_read_alike_by_opencv(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("h264.mp4"), tmp_path, (40, 65))
    capture, numbers = cv2.VideoCapture(clip.path), []
    assert capture.get(cv2.CAP_PROP_POS_MSEC) == 0
    while (read := capture.read())[0]:
        numbers.append(read_number(read[1]))
    assert numbers == list(range(40, 65))


@pytest.mark.parametrize("spec", [ENCODE, COPY], ids=["encode", "copy"])
@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mp4", "h264.ts"])
def test_no_edit_list_is_written(film: Film, tmp_path: Path, name: str, spec: ClipTranscodingStage) -> None:
    for clip in cut(film(name), tmp_path, (0, 40), (25, 71), spec=spec):
        found = list(boxes(Path(clip.path).read_bytes()))
        assert "/moov/trak/mdia/minf/stbl/stts" in found
        assert not [box for box in found if "elst" in box]


def test_the_index_is_at_the_front(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("h264.mp4"), tmp_path, (0, 40))
    found = list(boxes(Path(clip.path).read_bytes()))
    assert found.index("/moov") < found.index("/mdat")


def test_two_runs_write_the_same_bytes(film: Film, tmp_path: Path) -> None:
    runs = [cut(film("h264.ts"), tmp_path / run, *CUTS) for run in "ab"]
    for first, second in zip(*runs, strict=True):
        assert Path(first.path).read_bytes() == Path(second.path).read_bytes()


def test_two_runs_copy_the_same_bytes_into_webm(film: Film, tmp_path: Path) -> None:
    first, second = (cut(film("vp8.webm"), tmp_path / run, (0, 60), spec=COPY)[0] for run in "ab")
    assert first.path.endswith(".webm")
    assert Path(first.path).read_bytes() == Path(second.path).read_bytes()


@pytest.mark.parametrize("name", ["h264.mp4", "open_gop.mp4", "refresh.mp4", "hevc.mp4", "h264.ts"])
def test_the_bytes_do_not_depend_on_where_decoding_began(film: Film, tmp_path: Path, name: str) -> None:
    (alone,) = cut(film(name), tmp_path / "alone", (72, 98))
    together = cut(film(name), tmp_path / "together", (0, 72), (72, 98))[1]
    assert Path(alone.path).read_bytes() == Path(together.path).read_bytes()


def test_threads_of_the_spec_reach_the_encoder(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.mp4", 4, size=(256, 256))  # the encoder uses one thread for less
    for threads in (1, 2):
        spec = ClipTranscodingStage(encoder_threads=threads)
        (clip,) = cut(path, tmp_path / str(threads), (0, 4), spec=spec)
        assert f" threads={threads} ".encode() in Path(clip.path).read_bytes()


def test_quality_reaches_the_encoder(film: Film, tmp_path: Path) -> None:
    good, bad = (
        cut(film("h264.mp4"), tmp_path / str(q), (0, 40), spec=ClipTranscodingStage(quality=q))[0]
        for q in (10, 40)
    )
    assert good.num_bytes > 2 * bad.num_bytes


def test_the_source_bit_rate_is_kept_when_asked_for(film: Film, tmp_path: Path) -> None:
    spec = ClipTranscodingStage(use_input_bit_rate=True)
    (clip,) = cut(film("h264.mp4"), tmp_path, (0, 100), spec=spec)
    source_bytes = film("h264.mp4").stat().st_size
    assert clip.num_bytes == pytest.approx(source_bytes, rel=0.3)


def test_a_rotated_film_becomes_upright_clips(tmp_path: Path) -> None:
    path = draw(tmp_path / "rotated.mp4", 12, rotation=90, sar=Fraction(4, 3))
    (clip,) = cut(path, tmp_path, (2, 10))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-frames:v", "3"]
    raw = subprocess.run(
        [*command, "-pix_fmt", "gray", "-f", "rawvideo", "-"], capture_output=True, check=True
    )
    upright = np.frombuffer(raw.stdout, np.uint8).reshape(3, 128, 72)[2].astype(int)
    assert (clip.width, clip.height) == (72, 128)
    assert np.abs(pictures(clip.path)[0] - upright).mean() < 5
    with av.open(clip.path) as container:
        stream = container.streams.video[0]
        assert next(container.decode(stream)).rotation == 0
        assert stream.sample_aspect_ratio == Fraction(3, 4)


@pytest.mark.parametrize("spec", [ENCODE, COPY], ids=["encode", "copy"])
def test_pixel_aspect_is_carried_over(tmp_path: Path, spec: ClipTranscodingStage) -> None:
    path = draw(tmp_path / "wide.mp4", 12, sar=Fraction(4, 3))
    (clip,) = cut(path, tmp_path / "out", (0, 12), spec=spec)
    with av.open(clip.path) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize(
    ("pixel_format", "tags"),
    [("yuv420p", (1, 9, 9, 1)), ("yuvj420p", (2, 1, 1, 1))],
    ids=["wide", "full range"],
)
def test_colour_tags_and_values_are_carried_over(
    tmp_path: Path, pixel_format: str, tags: tuple[int, int, int, int]
) -> None:
    colour_range, matrix, primaries, transfer = tags
    options = {"colorspace": str(matrix), "color_primaries": str(primaries), "color_trc": str(transfer)}
    options |= {"color_range": str(colour_range), "crf": "5"}
    path = draw(tmp_path / "tagged.mp4", 8, pixel_format=pixel_format, options=options)
    (clip,) = cut(path, tmp_path / "out", (0, 8))
    with av.open(clip.path) as container:
        frame = next(container.decode(container.streams.video[0]))
    with av.open(str(path)) as container:
        before = next(container.decode(container.streams.video[0]))
    assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == tags
    luma = [np.frombuffer(shown.planes[0], np.uint8).mean() for shown in (frame, before)]
    assert luma[0] == pytest.approx(luma[1], abs=1)


def test_an_odd_size_loses_one_pixel(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("odd.mp4"), tmp_path, (0, 10))
    assert (clip.width, clip.height) == (126, 70)


def test_key_pictures_are_never_far(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("h264.mp4"), tmp_path, (0, 100))
    with av.open(clip.path) as container:
        keys = [index for index, p in enumerate(container.demux(video=0)) if p.is_keyframe and p.size]
    assert max(np.diff([*keys, 100])) <= 48


def test_key_pictures_of_the_source_are_not_forced_on_a_clip(tmp_path: Path) -> None:
    path = draw(tmp_path / "intra.mp4", 30, options={"g": "1"})
    (clip,) = cut(path, tmp_path / "out", (0, 30))
    with av.open(clip.path) as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size) < 5


@pytest.mark.parametrize("spec", [ENCODE, COPY], ids=["encode", "copy"])
def test_a_clip_lasts_until_the_end_of_its_last_frame(
    film: Film, tmp_path: Path, spec: ClipTranscodingStage
) -> None:
    times = source_pts(film("vfr.mp4"))
    (clip,) = cut(film("vfr.mp4"), tmp_path, (30, 51), spec=spec)
    with av.open(clip.path) as container:
        assert container.streams.video[0].duration == times[30 + clip.num_frames] - times[30]


def test_a_cover_picture_is_not_the_film(tmp_path: Path) -> None:
    path = tmp_path / "covered.mkv"
    with av.open(str(draw(tmp_path / "film.mp4", 20))) as film_file, av.open(str(path), "w") as output:
        cover = output.add_attachment("cover.png", "image/png", _png())
        assert cover is not None
        target = output.add_stream_from_template(film_file.streams.video[0])
        for packet in film_file.demux(video=0):
            if packet.size:
                packet.stream = target
                output.mux(packet)
    (clip,) = cut_clips(
        str(path),
        spans(20, (5, 15), pts=[40 * index for index in range(21)], time_base=Fraction(1, 1000)),
        ENCODE.options(),
        out_dir=str(tmp_path),
        min_length_s=0.1,
    )
    assert read_back(clip.path)[0] == list(range(5, 15))


# --- one decode


def test_clips_that_touch_or_overlap_share_one_decode() -> None:
    clips = spans(100, (0, 30), (20, 50), (50, 80))
    assert len(shared_runs(clips, lambda **_: True)) == 1


def test_a_seek_is_taken_where_it_skips_frames() -> None:
    clips = spans(100, (0, 10), (50, 60), (58, 80))
    asked: list[tuple[int, int]] = []

    def saves(*, after_pts: int, before_pts: int) -> bool:
        asked.append((after_pts, before_pts))
        return True

    assert [len(run) for run in shared_runs(clips, saves)] == [1, 2]
    assert asked == [(10 * FRAME, 50 * FRAME)]


def test_frames_between_far_clips_are_not_decoded(film: Film, tmp_path: Path) -> None:
    beats: list[int] = []
    times = source_pts(film("h264.mp4"))
    with av.open(str(film("h264.mp4"))) as container:
        time_base = container.streams.video[0].time_base or Fraction(1)
    clips = spans(100, (0, 10), (90, 100), pts=times, time_base=time_base)
    cut_clips(
        str(film("h264.mp4")),
        clips,
        ENCODE.options(),
        out_dir=str(tmp_path),
        min_length_s=0.1,
        heartbeat=beats.append,
    )
    assert beats == list(range(1, len(beats) + 1))
    assert 20 <= len(beats) <= 24


def test_pictures_nobody_needs_are_not_decoded_before_a_clip_and_between_two(
    film: Film, tmp_path: Path
) -> None:
    """``bf=3`` without pyramids: three of four pictures are referred to by none."""
    beats: list[int] = []
    times = source_pts(film("h264.mp4"))
    clips = spans(100, (50, 55), (80, 85), pts=times, time_base=Fraction(1, 12800))
    cut_clips(
        str(film("h264.mp4")),
        clips,
        ENCODE.options(),
        out_dir=str(tmp_path),
        min_length_s=0.1,
        heartbeat=beats.append,
    )
    assert [read_back(str(path))[0] for path in sorted(tmp_path.iterdir(), key=_first)] == [
        list(range(50, 55)), list(range(80, 85)),
    ]  # fmt: skip
    assert len(beats) < 40  # of 85 - 30 + 1 frames from the key picture on


def test_sound_and_pictures_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = draw(tmp_path / "film.mp4", 100, audio="aac", size=(256, 144), options={"crf": "1"})
    readers: list[CountingReader] = []

    def opened(uri: str) -> CountingReader:
        readers.append(open_source(uri))
        return readers[-1]

    monkeypatch.setattr(cut_module, "open_source", opened)
    cut(path, tmp_path / "out", (0, 50), (50, 100))
    assert readers[0].bytes_read <= 1.05 * path.stat().st_size


def test_times_that_jump_back_are_repaired_as_in_the_scan(tmp_path: Path) -> None:
    parts = [
        draw(tmp_path / f"{first}.ts", 50, options={"g": "10"}, first_number=first) for first in (0, 500)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clips, facts = scanned(path, tmp_path / "spool", (20, 40), (45, 55), (70, 90))
    assert "jump back" in facts.repaired_times
    expected = [[*range(20, 40)], [*range(45, 50), *range(500, 505)], [*range(520, 540)]]
    for spec in (ENCODE, COPY):
        out = cut_clips(
            str(path),
            clips,
            spec.options(),
            out_dir=str(tmp_path / spec.encoder),
            min_length_s=0.1,
            repaired_times=facts.repaired_times,
        )
        assert [read_back(clip.path)[0] for clip in out] == expected


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.mp4", "mpeg4.avi"])
def test_a_damaged_film_is_cut_as_it_was_scanned(film: Film, tmp_path: Path, name: str) -> None:
    data = bytearray(film(name).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = b"\xff" * 3000
    path = tmp_path / name
    path.write_bytes(data)
    num_frames = scanned(path, tmp_path / "spool")[1].num_frames
    cuts = [(0, 30), (30, num_frames - 20), (num_frames - 20, num_frames)]
    clips, facts = scanned(path, tmp_path / "spool", *cuts)
    assert facts.is_partial
    out = cut_clips(
        str(path),
        clips,
        ENCODE.options(),
        out_dir=str(tmp_path / "out"),
        min_length_s=0.1,
        repaired_times=facts.repaired_times,
    )
    assert [clip.num_frames for clip in out] == [end - start for start, end in cuts]


# --- facts and faults


def test_facts_are_those_of_the_file(film: Film, tmp_path: Path) -> None:
    (clip,) = cut(film("h264.ts"), tmp_path, (40, 65))
    assert (clip.width, clip.height, clip.framerate, clip.num_frames) == (128, 72, 25.0, 25)
    assert clip.num_bytes == Path(clip.path).stat().st_size
    assert (clip.video_codec, clip.has_audio, clip.file_start_s) == ("h264", True, pytest.approx(1.6))


def test_clips_come_back_in_the_order_given(film: Film, tmp_path: Path) -> None:
    clips = cut(film("h264.mp4"), tmp_path, (40, 65), (0, 10), (30, 50))
    assert [clip.num_frames for clip in clips] == [25, 10, 20]


def test_a_clip_that_fails_leaves_its_neighbours(film: Film, tmp_path: Path) -> None:
    times = [*source_pts(film("h264.mp4")), 1 << 30]
    clips = spans(101, (0, 20), (10, 101), (30, 40), pts=times)
    out = cut_clips(str(film("h264.mp4")), clips, ENCODE.options(), out_dir=str(tmp_path), min_length_s=0.1)
    assert [clip.num_frames for clip in out] == [20, 0, 10]
    assert (out[1].path, out[1].message) == ("", "90 of 91 frames could be decoded")
    assert len(list(tmp_path.iterdir())) == 2


def test_sound_that_cannot_be_written_does_not_cost_the_clip(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no such sample format")

    monkeypatch.setattr(SpanSound, "add_to", fail)
    (clip,) = cut(film("h264.ts"), tmp_path, (0, 10))
    assert (clip.num_frames, clip.has_audio, clip.mode_reason) == (10, False, "")
    assert clip.sound == SoundFacts("lost", "no such sample format")


def test_sound_that_a_file_does_not_take_is_encoded(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_to = SpanSound.add_to

    def refused(self: SpanSound, output: OutputContainer, suffix: str) -> ClipSound:
        if self.is_copied(suffix):
            raise ValueError("non monotonically increasing dts")
        return add_to(self, output, suffix)

    monkeypatch.setattr(SpanSound, "add_to", refused)
    (clip,) = cut(film("h264.ts"), tmp_path, (0, 10))
    assert (clip.has_audio, clip.sound.status) == (True, "encoded")


def test_a_preset_that_does_not_exist_fails_its_clips(film: Film, tmp_path: Path) -> None:
    spec = ENCODE.model_copy(update={"preset": "warp"})
    (clip,) = cut(film("h264.mp4"), tmp_path, (0, 10), spec=spec)
    assert clip.path == ""
    assert clip.message
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_no_fault_of_a_clip(film: Film, tmp_path: Path) -> None:
    (clip,) = spans(100, (0, 10))
    (tmp_path / f"{clip.clip_id}.part.mp4").symlink_to("/dev/full")
    with pytest.raises(StoreError, match="No space left"):
        cut(film("h264.mp4"), tmp_path, (0, 10))


def test_a_source_that_is_no_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("not a film")
    with pytest.raises(UnreadableVideo, match=r"notes\.mp4"):
        cut_clips(str(path), spans(10, (0, 5)), ENCODE.options(), out_dir=str(tmp_path), min_length_s=0.1)


def test_a_truncated_film_gives_the_clips_it_still_holds(tmp_path: Path) -> None:
    path = draw(tmp_path / "film.ts", 100, options={"bf": "0", "g": "20"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 5])
    with av.open(str(path)) as container:
        offset = next(container.decode(container.streams.video[0])).pts or 0
    clips = spans(100, (0, 30), (60, 90), pts=[offset + index * FRAME for index in range(101)])
    first, second = cut_clips(
        str(path), clips, ENCODE.options(), out_dir=str(tmp_path / "out"), min_length_s=0.1
    )
    assert first.num_frames == 30
    assert "of 30 frames could be decoded" in second.message


def _png() -> bytes:
    return bytes(cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1])


def _first(path: Path) -> int:
    return read_back(str(path))[0][0]
