"""Every encoder gives the frames, times and sound that the default gives; only codec and size differ."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from clipmill.cli.exits import MISUSE
from clipmill.errors import SpecError
from clipmill.media.cut.cut import cut_clips
from clipmill.media.encode import availability, backends
from clipmill.media.encode.options import ENCODINGS, settings_of
from clipmill.pipeline import Pipeline
from clipmill.records import CutClip
from clipmill.stages.encode_options import PRESETS
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.films.numbered_films import boxes, draw, read_back, read_number, source_pts, spans
from workflows import command

pytestmark = pytest.mark.integration


HERE = ("libx264", "libopenh264", "libvpx-vp9", "libsvtav1")
NUM_FRAMES = 60
CUTS = [(7, 40), (30, 58)]
VFR = list(itertools.accumulate(itertools.islice(itertools.cycle([3600, 1800, 9000]), NUM_FRAMES)))
EACH = pytest.mark.parametrize("encoder", HERE)


def spec_of(encoder: str, **fields: object) -> ClipTranscodingStage:
    return ClipTranscodingStage.model_validate({"encoder": encoder, **fields})


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return draw(path, NUM_FRAMES, pts=VFR, audio="aac", options={"bf": "3", "g": "30"})


def cut(path: Path, out: Path, *cuts: tuple[int, int], spec: ClipTranscodingStage) -> list[CutClip]:
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base or Fraction(1)
    times = source_pts(path)
    clips = spans(len(times) - 1, *cuts, pts=times, time_base=time_base)
    return cut_clips(str(path), clips, spec.options(), out_dir=str(out), min_length_s=0.2)


def rgb(path: str) -> list[np.ndarray]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(container.streams.video[0])]


@EACH
def test_a_clip_holds_exactly_its_frames_at_their_times(film: Path, tmp_path: Path, encoder: str) -> None:
    times = source_pts(film)
    for clip, (start, end) in zip(cut(film, tmp_path, *CUTS, spec=spec_of(encoder)), CUTS, strict=True):
        numbers, shown = read_back(clip.path)
        assert numbers == list(range(start, end)), clip.message
        assert shown == [pts - times[start] for pts in times[start:end]]


@EACH
def test_the_file_is_an_mp4_of_the_codec(film: Path, tmp_path: Path, encoder: str) -> None:
    (clip,) = cut(film, tmp_path, CUTS[0], spec=spec_of(encoder))
    assert (Path(clip.path).suffix, clip.video_codec, clip.clip_mode) == (
        ".mp4",
        ENCODINGS[encoder].codec,
        "encode",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [Path(clip.path).name]


@pytest.mark.parametrize(
    "encoder", [name for name in HERE if name != "libsvtav1"]
)  # its wheel decodes no AV1
def test_opencv_reads_the_same_frames(film: Path, tmp_path: Path, encoder: str) -> None:
    (clip,) = cut(film, tmp_path, CUTS[0], spec=spec_of(encoder))
    capture, numbers = cv2.VideoCapture(clip.path), []
    while (read := capture.read())[0]:
        numbers.append(read_number(read[1]))
    assert numbers == list(range(*CUTS[0]))


@EACH
def test_the_index_is_at_the_front_and_there_is_no_edit_list(
    film: Path, tmp_path: Path, encoder: str
) -> None:
    (clip,) = cut(film, tmp_path, CUTS[0], spec=spec_of(encoder))
    found = list(boxes(Path(clip.path).read_bytes()))
    assert found.index("/moov") < found.index("/mdat")
    assert not [box for box in found if "elst" in box]


@EACH
def test_pictures_keep_their_colours(film: Path, tmp_path: Path, encoder: str) -> None:
    start, end = CUTS[0]
    (clip,) = cut(film, tmp_path, CUTS[0], spec=spec_of(encoder, quality=5))
    pairs = zip(rgb(clip.path), rgb(str(film))[start:end], strict=True)
    assert max(float(np.abs(ours.astype(int) - theirs).mean()) for ours, theirs in pairs) <= 3


@EACH
def test_a_clip_and_its_sound_last_until_the_end_of_the_last_frame(
    film: Path, tmp_path: Path, encoder: str
) -> None:
    start, end = CUTS[0]
    times = source_pts(film)
    (clip,) = cut(film, tmp_path, CUTS[0], spec=spec_of(encoder))
    with av.open(clip.path) as container:
        pictures, sound = container.streams.video[0], container.streams.audio[0]
        assert pictures.duration == times[end] - times[start]
        assert sound.start_time == 0
        packets = [p for p in container.demux(sound) if p.size]
    heard = sum((p.duration or 0) * p.time_base for p in packets)
    assert abs(heard - Fraction(times[end] - times[start], 90000)) < Fraction(1, 20)


@EACH
def test_two_runs_write_the_same_bytes(film: Path, tmp_path: Path, encoder: str) -> None:
    first, second = (cut(film, tmp_path / run, CUTS[0], spec=spec_of(encoder))[0] for run in "ab")
    assert Path(first.path).read_bytes() == Path(second.path).read_bytes()


@EACH
def test_key_pictures_are_never_far(film: Path, tmp_path: Path, encoder: str) -> None:
    (clip,) = cut(film, tmp_path, (0, NUM_FRAMES), spec=spec_of(encoder))
    with av.open(clip.path) as container:
        keys = [index for index, p in enumerate(container.demux(video=0)) if p.is_keyframe and p.size]
    assert max(np.diff([*keys, NUM_FRAMES])) <= 48


@EACH
def test_quality_reaches_the_encoder(film: Path, tmp_path: Path, encoder: str) -> None:
    good, bad = (
        cut(film, tmp_path / str(quality), CUTS[0], spec=spec_of(encoder, quality=quality))[0]
        for quality in (12, 45)
    )
    assert good.num_bytes > 1.5 * bad.num_bytes


@EACH
def test_a_bit_rate_reaches_the_encoder(film: Path, tmp_path: Path, encoder: str) -> None:
    much, little = (
        cut(film, tmp_path / str(rate), CUTS[0], spec=spec_of(encoder, bit_rate_k=rate))[0]
        for rate in (1200, 100)
    )
    assert much.num_bytes > 1.5 * little.num_bytes


@EACH
def test_pixel_aspect_and_colours_are_tagged(tmp_path: Path, encoder: str) -> None:
    options = {"colorspace": "1", "color_primaries": "1", "color_trc": "1", "color_range": "1"}
    path = draw(tmp_path / "film.mp4", 8, sar=Fraction(4, 3), options=options)
    (clip,) = cut(path, tmp_path / "out", (0, 8), spec=spec_of(encoder))
    with av.open(clip.path) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        assert stream.sample_aspect_ratio == Fraction(4, 3)
    assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


@pytest.mark.parametrize("encoder", ["libx264", "libvpx-vp9", "libsvtav1"])
def test_every_preset_is_known(encoder: str) -> None:
    settings = [settings_of(encoder, spec_of(encoder, preset=preset).options(), None) for preset in PRESETS]
    num_same = 1 if encoder == "libvpx-vp9" else 0  # its fastest has two names
    assert len({tuple(one.items()) for one in settings}) == len(PRESETS) - num_same


@pytest.mark.parametrize("encoder", ["libx264", "libvpx-vp9", "libsvtav1"])
@pytest.mark.parametrize("preset", ["ultrafast", "placebo"])
def test_the_ends_of_the_scale_of_presets_open_the_encoder(encoder: str, preset: str) -> None:
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.time_base = 64, 64, "yuv420p", Fraction(1, 25)
    context.options = settings_of(encoder, spec_of(encoder, preset=preset).options(), None)
    context.open()


@pytest.mark.parametrize("encoder", ["libvpx-vp9", "libsvtav1"])
def test_a_preset_reaches_the_encoder(film: Path, tmp_path: Path, encoder: str) -> None:
    fast, slow = (
        cut(film, tmp_path / preset, (0, 20), spec=spec_of(encoder, preset=preset))[0]
        for preset in ("ultrafast", "medium")
    )
    assert 0 < fast.num_bytes != slow.num_bytes > 0


@pytest.mark.parametrize("encoder", ENCODINGS)
def test_a_bit_rate_replaces_the_quality(encoder: str) -> None:
    assert not {"crf", "cq", "qmin"} & set(
        settings_of(encoder, spec_of(encoder, bit_rate_k=500).options(), 500_000)
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"encoder": "copy", "bit_rate_k": 100},
        {"encoder": "libx264", "bit_rate_k": 100, "use_input_bit_rate": True},
        {"encoder": "libopenh264", "preset": "slow"},
        {"encoder": "libvpx-vp9", "use_hwaccel": True},
    ],
    ids=str,
)
def test_options_that_do_not_suit_the_encoder_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClipTranscodingStage.model_validate(fields)


def test_hardware_decoding_goes_with_the_hardware_encoder() -> None:
    assert spec_of("h264_nvenc", use_hwaccel=True).use_hwaccel


def test_a_program_that_fails_says_why_and_leaves_nothing(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "KEY_EVERY_FRAMES", "many")
    (clip,) = cut(film, tmp_path, CUTS[0], spec=spec_of("libopenh264"))
    assert clip.path == ""
    assert clip.message.startswith("libopenh264: ")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_copied_goes_to_an_encoder_that_is_there(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "trial", lambda name: "not built in" if name == "libx264" else "")
    (clip,) = cut(film, tmp_path, (31, 50), spec=spec_of("copy"))
    assert (clip.clip_mode, clip.video_codec) == ("encode", "vp9")


# --- before a run


@pytest.fixture
def no_vp9(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        availability, "trial", lambda name: "" if name == "libx264" else f"{name} is not built in"
    )


WRONG = r"encoder 'libvpx-vp9' does not work here \(libvpx-vp9 is not built in\); these do: libx264"


@pytest.mark.usefixtures("no_vp9")
def test_a_pipeline_finds_a_missing_encoder_before_it_writes(film: Path, tmp_path: Path) -> None:
    pipeline = Pipeline("film", stages=[VideoReader(input_video_path=str(film)), FixedStrideExtractorStage()])
    pipeline.add_stage(spec_of("libvpx-vp9"))
    output = tmp_path / "out"
    pipeline.add_stage(
        ClipWriterStage(
            output_path=str(output),
            input_path=str(film),
            upload_clips=True,
            dry_run=False,
            generate_embeddings=False,
            generate_previews=False,
            generate_captions=False,
        )
    )
    with pytest.raises(SpecError, match=WRONG):
        pipeline.run()
    assert not output.exists()


@pytest.mark.usefixtures("no_vp9")
def test_the_command_finds_a_missing_encoder_in_one_line(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = '{"transcode": {"encoder": "libvpx-vp9"}}'
    code = command.main(["--source", str(film), "--output", str(tmp_path / "out"), "--spec", spec])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == MISUSE
    assert line.startswith("clipmill: encoder 'libvpx-vp9' does not work here")


def test_a_copy_needs_no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "trial", lambda name: "nothing works")
    availability.check_encoder(spec_of("copy").options())
    availability.check_encoder(None)
