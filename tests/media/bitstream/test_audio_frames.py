"""Headers of sound packets: those of real encoders look whole, damaged ones do not."""

from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.bitstream.audio_frames import HeaderTest, header_test, opus_length_s

pytestmark = pytest.mark.integration

STREAMS = {
    "aac": ("film.mp4", "aac"),
    "adts": ("film.ts", "aac"),
    "mp3": ("film.mkv", "libmp3lame"),
    "ac3": ("film.mkv", "ac3"),
    "eac3": ("film.mkv", "eac3"),
    "opus": ("film.mkv", "libopus"),
    "vorbis": ("film.mkv", "vorbis"),
}


def coded(
    path: Path, encoder: str, *, layout: str = "stereo", rate: int = 48000
) -> tuple[HeaderTest, list[bytes]]:
    """The test for the packets of noise that falls silent, and the packets."""
    options = {"strict": "-2"}
    with av.open(str(path), "w") as output:
        stream = output.add_stream(encoder, rate=rate, layout=layout, options=options)
        size = stream.codec_context.frame_size or 1024
        noise = np.random.default_rng(0).normal(0, 0.1, (1, 60 * size)).astype(np.float32)
        noise[:, 30 * size :] = 0
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name, layout=layout, rate=rate, frame_size=size
        )
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.sample_rate = rate
        for ready in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(ready))
        output.mux(stream.encode(None))
    with av.open(str(path)) as container:
        context = container.streams.audio[0].codec_context
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
        return header_test(context.codec.canonical_name, context.extradata or b""), packets


@pytest.mark.parametrize("name", STREAMS)
def test_packets_of_encoders_look_whole(tmp_path: Path, name: str) -> None:
    file, encoder = STREAMS[name]
    test, packets = coded(tmp_path / file, encoder)
    found = {test(packet) for packet in packets}
    assert None not in found
    assert len(found) == 1


@pytest.mark.parametrize("name", STREAMS)
def test_packets_of_zeros_look_damaged(tmp_path: Path, name: str) -> None:
    file, encoder = STREAMS[name]
    test, packets = coded(tmp_path / file, encoder)
    assert {test(bytes(len(packet))) for packet in packets if len(packet) >= 32} == {None}


@pytest.mark.parametrize("name", ["adts", "mp3", "ac3", "eac3"])
def test_other_channels_and_rates_are_declared(tmp_path: Path, name: str) -> None:
    file, encoder = STREAMS[name]
    test, packets = coded(tmp_path / file, encoder)
    others = [
        coded(tmp_path / file, encoder, layout="mono")[1][1],
        coded(tmp_path / file, encoder, rate=44100)[1][1],
    ]
    assert len({test(packet) for packet in (packets[1], *others)}) == 3


@pytest.mark.parametrize("name", ["adts", "ac3"])
def test_a_packet_that_is_cut_off_looks_damaged(tmp_path: Path, name: str) -> None:
    file, encoder = STREAMS[name]
    test, packets = coded(tmp_path / file, encoder)
    assert test(packets[1][:-9]) is None


@pytest.mark.parametrize("application", ["voip", "audio", "lowdelay"])
@pytest.mark.parametrize("frame_ms", ["2.5", "5", "10", "20", "40", "60", "120"])
def test_a_packet_of_opus_says_how_long_it_is(frame_ms: str, application: str) -> None:
    options = {"frame_duration": frame_ms, "application": application}
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format, encoder.options = 48000, "mono", "s16", options
    noise = np.random.default_rng(0).integers(-9000, 9000, (1, 48000), np.int16)
    frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
    frame.sample_rate, frame.pts = 48000, 0
    fifo = av.AudioFifo()
    fifo.write(frame)
    packets = [
        packet for part in fifo.read_many(round(48 * float(frame_ms))) for packet in encoder.encode(part)
    ]
    assert {float(opus_length_s(bytes(packet))) * 1000 for packet in packets} == {float(frame_ms)}
