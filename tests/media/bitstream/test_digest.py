"""Re-muxing never changes a digest; anything that changes what is seen or heard does."""

import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.bitstream.digest import AudioDigest, ContentDigest

NUM_FRAMES = 50
ENCODERS = {
    "h264": ("libx264", "mp4", {"preset": "veryfast"}),
    "hevc": ("libx265", "mp4", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3:pools=1"}),
    "av1": ("libsvtav1", "mp4", {"preset": "12"}),
    "vp9": ("libvpx-vp9", "webm", {"deadline": "realtime", "cpu-used": "8"}),
    "mpeg4": ("mpeg4", "mp4", {"g": "20"}),
    "mpeg2": ("mpeg2video", "ts", {"g": "20"}),
}
REMUXES = [
    *[(film, suffix) for film in ("h264", "hevc") for suffix in ("frag.mp4", "mov", "mkv", "ts")],
    *[(film, suffix) for film in ("av1", "vp9") for suffix in ("mp4", "mkv", "webm")],
    *[(film, suffix) for film in ("mpeg4", "mpeg2") for suffix in ("mp4", "mkv", "ts")],
]


def draw(path: Path, film: str, *, tone_hz: float = 440.0, **options: str) -> Path:
    """Write two seconds of a sliding texture with a tone."""
    codec, _, defaults = ENCODERS[film]
    texture = np.random.default_rng(1).integers(0, 255, (24, 80, 3), dtype=np.uint8)
    texture = texture.repeat(4, axis=0).repeat(4, axis=1)
    with av.open(path, "w") as output:
        video = output.add_stream(codec, rate=25, options={**defaults, **options})
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        audio = output.add_stream("libopus" if film in ("av1", "vp9") else "aac", rate=48000)
        for index in range(NUM_FRAMES):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(texture[:, index * 3 :][:, :160]), "rgb24"
            )
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(video.encode(frame))
        pcm = 8000 * np.sin(np.arange(48000 * NUM_FRAMES // 25) * tone_hz * 2 * np.pi / 48000)
        sound = av.AudioFrame.from_ndarray(pcm.astype(np.int16)[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts = 48000, 0
        output.mux([*video.encode(), *audio.encode(sound), *audio.encode()])
    return path


def remux(source: Path, target: Path, *, drop_last: int = 0) -> Path:
    """Copy the coded streams into another container, less the last video packets."""
    flags = {"movflags": "frag_keyframe+empty_moov"} if target.name.endswith("frag.mp4") else {}
    with av.open(source) as container, av.open(target, "w", options=flags) as output:
        streams = {s.index: output.add_stream_from_template(s, opaque=True) for s in container.streams}
        packets = [packet for packet in container.demux() if packet.dts is not None]
        video = [packet for packet in packets if packet.stream.type == "video"]
        dropped = {id(packet) for packet in video[len(video) - drop_last :]}
        for packet in packets:
            if id(packet) not in dropped:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)
    return target


def packets_of(path: Path, kind: str) -> tuple[str, bytes, list[bytes]]:
    """Codec name, extradata and packets of the first stream of a kind."""
    with av.open(path) as container:
        stream = next(s for s in container.streams if s.type == kind)
        context = stream.codec_context
        packets = [bytes(packet) for packet in container.demux(stream)]
        return context.name, context.extradata or b"", packets


def content_digest(path: Path) -> str:
    return digest_packets(*packets_of(path, "video"))


def digest_packets(codec: str, extradata: bytes, packets: list[bytes]) -> str:
    digest = ContentDigest(codec, extradata)
    for packet in packets:
        digest.update(packet)
    return digest.digest()


def audio_digest(path: Path) -> str:
    codec, extradata, packets = packets_of(path, "audio")
    digest = AudioDigest(codec, extradata)
    for packet in packets:
        digest.update(packet)
    return digest.digest()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("digest")
    return {film: draw(folder / f"{film}.{suffix}", film) for film, (_, suffix, _) in ENCODERS.items()}


def test_digest_names_its_version(films: dict[str, Path]) -> None:
    assert content_digest(films["h264"]).startswith("cd1:")
    assert audio_digest(films["h264"]).startswith("ad1:")


@pytest.mark.parametrize(("film", "suffix"), REMUXES)
def test_remuxed_pictures_have_the_digest_of_the_source(
    films: dict[str, Path], tmp_path: Path, film: str, suffix: str
) -> None:
    copy = remux(films[film], tmp_path / f"copy.{suffix}")
    assert content_digest(copy) == content_digest(films[film])


@pytest.mark.parametrize(("film", "suffix"), REMUXES)
def test_remuxed_sound_has_the_digest_of_the_source(
    films: dict[str, Path], tmp_path: Path, film: str, suffix: str
) -> None:
    copy = remux(films[film], tmp_path / f"copy.{suffix}")
    assert audio_digest(copy) == audio_digest(films[film])


@pytest.mark.parametrize("film", ["h264", "hevc"])
def test_the_way_through_a_transport_stream_and_back_leaves_the_digest(
    films: dict[str, Path], tmp_path: Path, film: str
) -> None:
    stream = remux(films[film], tmp_path / "there.ts")
    assert content_digest(remux(stream, tmp_path / "back.mp4")) == content_digest(films[film])


def test_the_films_with_b_frames_have_them(films: dict[str, Path]) -> None:
    for film in ("h264", "hevc"):
        with av.open(films[film]) as container:
            packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
        assert [packet.pts for packet in packets] != sorted(packet.pts for packet in packets)


@pytest.mark.parametrize("film", ["h264", "hevc"])
def test_a_reencode_has_another_digest(films: dict[str, Path], tmp_path: Path, film: str) -> None:
    assert content_digest(draw(tmp_path / "again.mp4", film, crf="35")) != content_digest(films[film])


@pytest.mark.parametrize("film", sorted(ENCODERS))
def test_a_trimmed_copy_has_another_digest(films: dict[str, Path], tmp_path: Path, film: str) -> None:
    trimmed = remux(films[film], tmp_path / f"trimmed{films[film].suffix}", drop_last=1)
    assert content_digest(trimmed) != content_digest(films[film])


@pytest.mark.parametrize("film", sorted(ENCODERS))
def test_another_order_of_frames_has_another_digest(films: dict[str, Path], film: str) -> None:
    codec, extradata, packets = packets_of(films[film], "video")
    swapped = [*packets[:10], packets[11], packets[10], *packets[12:]]
    assert digest_packets(codec, extradata, swapped) != digest_packets(codec, extradata, packets)


def test_a_dub_has_the_pictures_of_the_film_and_another_sound(films: dict[str, Path], tmp_path: Path) -> None:
    dub = draw(tmp_path / "dub.mp4", "h264", tone_hz=660.0)
    assert content_digest(dub) == content_digest(films["h264"])
    assert audio_digest(dub) != audio_digest(films["h264"])


@pytest.mark.parametrize(("decoder", "codec"), [("libdav1d", "av1"), ("libvpx-vp9", "vp9")])
def test_the_decoder_that_was_picked_does_not_enter(decoder: str, codec: str) -> None:
    assert ContentDigest(decoder, b"").digest() == ContentDigest(codec, b"").digest()


def byte_stream(*nals: bytes) -> bytes:
    return b"".join(b"\x00\x00\x00\x01" + nal for nal in nals)


H264_SLICE = b"\x65\x88\x84\x00\x00\x03\x01\x80"
HEVC_SLICE = b"\x26\x01\xaf\x08\x80"


@pytest.mark.parametrize(
    ("codec", "inserted"),
    [
        pytest.param("h264", b"\x09\xf0", id="h264 access unit delimiter"),
        pytest.param("h264", b"\x06\x05\x01\x41\x80", id="h264 SEI"),
        pytest.param("h264", b"\x67\x64\x00\x0c", id="h264 sequence parameters"),
        pytest.param("h264", b"\x68\xee\x3c", id="h264 picture parameters"),
        pytest.param("h264", b"\x0c\xff\x80", id="h264 filler"),
        pytest.param("hevc", b"\x46\x01\x50", id="hevc access unit delimiter"),
        pytest.param("hevc", b"\x40\x01\x0c", id="hevc video parameters"),
        pytest.param("hevc", b"\x4e\x01\x05\x01\x80", id="hevc SEI"),
        pytest.param("hevc", b"\x4c\x01\xff\x80", id="hevc filler"),
    ],
)
def test_what_a_muxer_inserts_does_not_enter(codec: str, inserted: bytes) -> None:
    picture = H264_SLICE if codec == "h264" else HEVC_SLICE
    plain = digest_packets(codec, b"", [byte_stream(picture)])
    assert digest_packets(codec, b"", [byte_stream(inserted, picture) + b"\x00\x00"]) == plain


def test_short_start_codes_count_as_long_ones() -> None:
    short = b"\x00\x00\x01" + H264_SLICE + b"\x00\x00\x01" + H264_SLICE
    assert digest_packets("h264", b"", [short]) == digest_packets(
        "h264", b"", [byte_stream(H264_SLICE, H264_SLICE)]
    )


@pytest.mark.parametrize("prefix_bytes", [1, 2, 4])
def test_length_prefixes_of_any_size_read_as_start_codes(prefix_bytes: int) -> None:
    avcc = bytes([1, 100, 0, 12, 0xFC | (prefix_bytes - 1), 0xE1])
    prefixed = len(H264_SLICE).to_bytes(prefix_bytes, "big") + H264_SLICE
    assert digest_packets("h264", avcc, [prefixed]) == digest_packets("h264", b"", [byte_stream(H264_SLICE)])


AV1_FRAME_SIZED, AV1_FRAME_UNSIZED = b"\x32\x03\x10\x20\x30", b"\x30\x10\x20\x30"


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(AV1_FRAME_UNSIZED, id="no size field"),
        pytest.param(b"\x32\x83\x00\x10\x20\x30", id="longer size field"),
        pytest.param(b"\x12\x00" + AV1_FRAME_SIZED, id="temporal delimiter"),
        pytest.param(b"\x0a\x01\x7f" + AV1_FRAME_SIZED, id="sequence header"),
        pytest.param(AV1_FRAME_SIZED + b"\x7a\x02\x00\x80", id="padding"),
    ],
)
def test_av1_framing_does_not_enter(packet: bytes) -> None:
    assert digest_packets("av1", b"", [packet]) == digest_packets("av1", b"", [AV1_FRAME_SIZED])


def test_two_adts_frames_in_a_packet_are_two_raw_frames() -> None:
    frames = [b"\x21\x4c\x6c", b"\x21\x4c\x11\x22"]
    headers = [b"\xff\xf1\x4c\x80" + bytes([(size >> 3), (size & 7) << 5 | 0x1F, 0xFC]) for size in (10, 11)]
    packed, raw = AudioDigest("aac", b""), AudioDigest("aac", b"\x11\x90")
    packed.update(headers[0] + frames[0] + headers[1] + frames[1])
    for frame in frames:
        raw.update(frame)
    assert packed.digest() == raw.digest()


def test_bytes_cannot_move_from_one_unit_to_the_next() -> None:
    assert digest_packets("vp9", b"", [b"ab", b"c"]) != digest_packets("vp9", b"", [b"a", b"bc"])


@pytest.mark.parametrize("extradata", [b"", b"\x01" * 30], ids=["start codes", "prefixes"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mpeg4", "vp9"])
def test_damaged_packets_end_and_still_tell_films_apart(codec: str, extradata: bytes) -> None:
    chance = random.Random(3)
    damaged = [chance.randbytes(chance.randint(1, 40)) for _ in range(300)]
    digests = {digest_packets(codec, extradata, [packet]) for packet in damaged}
    assert len(digests) == len(set(damaged))


def test_damaged_sound_ends() -> None:
    chance = random.Random(3)
    digest = AudioDigest("aac", b"")
    for _ in range(300):
        digest.update(b"\xff\xf1" + chance.randbytes(chance.randint(0, 40)))
    assert digest.digest() != AudioDigest("aac", b"").digest()
