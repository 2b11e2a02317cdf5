"""Films in which each moment tells its time: by the numbers of frames, and by the pitch of a chirp."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from av.audio.resampler import AudioResampler
from av.packet import Packet

from clipmill.media.cut.cut import cut_clips
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.records import ClipSpan, CutClip, FrameSpan
from clipmill.stages.decoder import Deinterlace
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.numbered_films import numbered, read_numbers

FPS = 25
RATE = 48000
LOWEST_HZ, HZ_PER_S = 400.0, 150.0
WINDOW = 2048
SMOOTHED_S = 0.005
MEDIAN_OF = 11
SILENT = 0.1
"""A chirp is louder at any time."""


@dataclass(frozen=True)
class Codecs:
    """Encoders of a container's films."""

    video: str
    audio: str
    options: dict[str, str]
    sound_id: int | None = None
    """Number of the audio stream in the file, such as a PID."""
    video_id: int | None = None


X264 = {
    "preset": "ultrafast",
    "g": "12",
    "bf": "2",
    "sc_threshold": "0",
    "crf": "12",
    "x264-params": "b-adapt=0",
}
_WEB = Codecs("libvpx", "libopus", {"g": "12", "cpu-used": "8", "deadline": "realtime", "b": "1500000"})
CODECS = {
    ".mp4": Codecs("libx264", "aac", X264),
    ".mov": Codecs("libx264", "pcm_s16le", X264),
    ".mkv": Codecs("libx264", "aac", X264),
    ".ts": Codecs("libx264", "mp2", X264),
    ".mpg": Codecs("mpeg2video", "ac3", {"g": "12", "bf": "2", "b": "2000000"}),
    ".avi": Codecs("mpeg4", "libmp3lame", {"g": "12", "b": "2000000"}),
    ".webm": _WEB,
    ".ogv": _WEB,
    ".flv": Codecs("libx264", "aac", X264),
    ".wmv": Codecs("libx264", "aac", X264),
    ".mxf": Codecs("libx264", "pcm_s16le", X264),
}

Edit = Callable[[Packet], Packet | None]
"""Changes a packet before it is written, or leaves it out."""


def chirp(start_s: float, num_samples: int, rate: int = RATE) -> np.ndarray:
    """float32 (num_samples,): the chirp from ``start_s`` of its time on."""
    at = start_s + np.arange(num_samples) / rate
    return (0.5 * np.sin(2 * np.pi * (LOWEST_HZ * at + HZ_PER_S * at * at / 2))).astype(np.float32)


def draw_chirp(
    path: Path,
    num_frames: int,
    *,
    first: int = 0,
    codecs: Codecs | None = None,
    channels: int = 1,
    edit: Edit = lambda packet: packet,
    container_options: dict[str, str] | None = None,
    sar: Fraction | None = None,
    size: tuple[int, int] = (128, 72),
) -> Path:
    """Writes frames from the number ``first`` on, and their sound; ``edit`` sees every packet.

    The film's own times begin at 0, the numbers and the chirp go on where those of another film end.
    """
    codecs = codecs or CODECS[path.suffix]
    layout = "mono" if channels == 1 else "stereo"
    with av.open(str(path), "w", options=container_options or {}) as output:
        video = output.add_stream(codecs.video, rate=FPS, options=codecs.options)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.thread_count = 1
        if sar is not None:
            video.codec_context.sample_aspect_ratio = sar
        sound = output.add_stream(codecs.audio, rate=RATE, layout=layout)
        if codecs.video_id is not None:
            video.id = codecs.video_id
        if codecs.sound_id is not None:
            sound.id = codecs.sound_id
        resampler = AudioResampler(
            format=sound.codec_context.format.name, layout=layout, rate=RATE, frame_size=_frame_size(sound)
        )
        packets: list[Packet] = []
        wave = chirp(first / FPS, num_frames * RATE // FPS)
        for number in range(num_frames):
            picture = numbered(first + number, width=size[0], height=size[1])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            packets += video.encode(frame)
            part = wave[number * RATE // FPS : (number + 1) * RATE // FPS]
            heard = av.AudioFrame.from_ndarray(part[None], format="flt", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, number * RATE // FPS, Fraction(1, RATE)
            packets += [each for ready in resampler.resample(heard) for each in sound.encode(ready)]
        packets += [each for ready in resampler.resample(None) for each in sound.encode(ready)]
        packets += [*video.encode(None), *sound.encode(None)]
        for packet in sorted(packets, key=lambda each: (each.dts or 0) * each.time_base):
            edited = edit(packet)
            if edited is not None:
                output.mux_one(edited)
    return path


def recoded(path: Path, source: Path, *arguments: str) -> Path:
    """Writes a film by the ffmpeg program, which has encoders that PyAV's wheel lacks."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(source), *arguments]
    subprocess.run([*command, "-strict", "-2", str(path)], check=True)
    return path


def _frame_size(sound: av.AudioStream) -> int:
    return sound.codec_context.frame_size or 1024


def join(path: Path, *parts: Path) -> Path:
    """Puts films one behind the other, as ``cat`` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def zero_packets(path: Path, start: int, end: int) -> Path:
    """Overwrites sound packets of a file with zeros."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    data = bytearray(path.read_bytes())
    for at, size in places[start:end]:
        header = 4 if path.suffix == ".mkv" else 0  # of a block, before its data
        data[at + header : at + size] = bytes(size - header)
    path.write_bytes(data)
    return path


@dataclass(frozen=True)
class ReadBack:
    """What a clip file holds.

    ``numbers`` are those of its frames, ``times_s`` their times. ``heard`` is the time that the chirp tells,
    by time in the clip; silence is left out. ``silent_s`` counts seconds without a chirp.
    """

    numbers: list[int]
    times_s: list[float]
    heard: dict[float, float]
    silent_s: float

    def lags_s(self) -> list[float]:
        """Seconds by which the sound is late, as medians of a tenth of a second.

        A window that holds the border of two films, or of silence, tells no time; what lasts longer counts.
        """
        shown = np.searchsorted(np.add(self.times_s, -1e-3), list(self.heard), side="right") - 1
        lags = [
            self.numbers[index] / FPS + at - self.times_s[index] - tells
            for (at, tells), index in zip(self.heard.items(), shown, strict=True)
        ]
        if len(lags) < MEDIAN_OF:
            return lags
        return np.median(np.lib.stride_tricks.sliding_window_view(lags, MEDIAN_OF), axis=1).tolist()


def read_back(path: str) -> ReadBack:
    """Reads the frames and the sound of a clip file."""
    with av.open(path) as container:
        frames = list(container.decode(container.streams.video[0]))
    with av.open(path) as container:
        samples = _samples(container) if container.streams.audio else np.zeros(0, np.float32)
    starts = np.arange(0, max(0, len(samples) - WINDOW), WINDOW // 4)
    windows = samples[starts[:, None] + np.arange(WINDOW)]
    loudness = np.sqrt(np.mean(windows.reshape(-1, 16, WINDOW // 16) ** 2, axis=2)).min(axis=1)
    is_heard = loudness >= SILENT
    told = (_pitch_hz(windows[is_heard]) - LOWEST_HZ) / HZ_PER_S
    heard = dict(zip(((starts[is_heard] + WINDOW / 2) / RATE).tolist(), told.tolist(), strict=True))
    num_silent = int(np.sum(~is_heard)) * (WINDOW // 4)
    times_s = [float(frame.time or 0) for frame in frames]
    return ReadBack(read_numbers(frames), times_s, heard, num_silent / RATE)


def _samples(container: av.container.InputContainer) -> np.ndarray:
    """float32 (n,): the sound at 48 kHz, mono, from the time 0 of the file on.

    As players do, a frame that begins within ``SMOOTHED_S`` of the end of the one before follows it.
    """
    resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
    sound = container.streams.audio[0]
    placed: list[tuple[int, np.ndarray]] = []
    for frame in container.decode(sound):
        for part in resampler.resample(frame):
            at = round((part.pts or 0) * part.time_base * RATE)
            follows = placed and abs(at - placed[-1][0] - len(placed[-1][1])) < SMOOTHED_S * RATE
            place = placed[-1][0] + len(placed[-1][1]) if follows else at
            placed.append((place, part.to_ndarray()[0]))
    end = max((at + len(part) for at, part in placed), default=0)
    samples = np.zeros(end, np.float32)
    for at, part in placed:
        samples[max(at, 0) : at + len(part)] = part[max(-at, 0) :]
    return samples


def told_s(samples: np.ndarray) -> float:
    """Returns the time that the chirp tells in the middle of float32 ``(WINDOW,)`` at ``RATE``."""
    return (float(_pitch_hz(samples[None])[0]) - LOWEST_HZ) / HZ_PER_S


def _pitch_hz(windows: np.ndarray) -> np.ndarray:
    """Frequency of the strongest tone of each row, float32 (n, m), between the bins of the transform."""
    length = windows.shape[1]
    spectra = np.log(np.abs(np.fft.rfft(windows * np.hanning(length))) + 1e-9)
    peaks = np.clip(spectra[:, 8:-1].argmax(axis=1) + 8, 1, spectra.shape[1] - 2)
    left, middle, right = (spectra[np.arange(len(peaks)), peaks + step] for step in (-1, 0, 1))
    return (peaks + (left - right) / (2 * (left - 2 * middle + right))) * RATE / length


@dataclass(frozen=True)
class Curated:
    """A film that was scanned and cut."""

    facts: ScanFacts
    spans: list[ClipSpan]
    clips: list[CutClip]

    @cached_property
    def read(self) -> list[ReadBack]:
        """What the clip files hold."""
        return [read_back(clip.path) for clip in self.clips]


def curated(
    path: Path,
    out: Path,
    *,
    encoder: str = "libx264",
    clip_s: float = 2.0,
    deinterlace: Deinterlace = "auto",
    **fields: object,
) -> Curated:
    """Scans a film and cuts it by the clock into clips of ``clip_s``."""
    facts = scan(str(path), ScanPlan(thumbnails=False, deinterlace=deinterlace), str(out / "spool"))
    arrays = load_arrays(str(out / "spool"))
    starts = np.searchsorted(arrays.times_s, np.arange(0, facts.duration_s - 0.5, clip_s))
    ends = [*starts[1:].tolist(), facts.num_frames]
    spans = [
        ClipSpan(
            f"clip{start}", FrameSpan(start, end), *arrays.pts[[start, end]].tolist(),
            *arrays.times_s[[start, end]].tolist(),
        )
        for start, end in zip(starts.tolist(), ends, strict=True)
    ]  # fmt: skip
    stage = ClipTranscodingStage.model_validate({"encoder": encoder, "preset": "ultrafast", **fields})
    clips = cut_clips(
        str(path), spans, stage.options(), out_dir=str(out), min_length_s=0.2,
        repaired_times=facts.repaired_times, deinterlace=deinterlace,
    )  # fmt: skip
    return Curated(facts, spans, clips)


def worst_lag_s(read: Sequence[ReadBack]) -> float:
    """The largest distance of sound from its picture in any of the clips."""
    return max((abs(lag) for each in read for lag in each.lags_s()), default=0.0)
