"""``python -m bench.readers --python PYTHON [--smartcut PROGRAM]``: do all readers read the same frames?

``PYTHON`` is the interpreter of an environment with PyAV, OpenCV, decord and torchcodec (README.md). Films
with a number painted on every frame are cut in every mode; each reader must then see exactly the frames of
the span, at times within half a frame, in their colours. ``PROGRAM`` is smartcut's: it cuts the same spans.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import av

from bench import machine
from bench.process_meter import cpu_s
from bench.readers.numbered import paint
from clipmill.identity import clip_id
from clipmill.media.cut.cut import cut_clips
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage

SIZE_PX = (320, 180)
FPS = 25
NUM_FRAMES = 500
SPANS = ((63, 188), (207, 330), (395, 480))
"""Half-open, in frames; none begins at a key picture."""
FILMS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "H.264, key every 2 s": ("mp4", "libx264", {"g": "50", "bf": "3", "x264-params": "open-gop=0"}),
    "H.264, open GOP": ("mp4", "libx264", {"g": "50", "bf": "3", "x264-params": "open-gop=1"}),
    "HEVC, x265's defaults": ("mp4", "libx265", {"g": "50", "x265-params": "log-level=none"}),
    "VP9": ("webm", "libvpx-vp9", {"g": "50", "deadline": "realtime", "cpu-used": "8", "b:v": "1M"}),
    "AV1": ("mkv", "libsvtav1", {"g": "50", "preset": "10", "crf": "20"}),
}
TOO_SLOW_FOR_SMARTCUT = ("libsvtav1",)
"""It encodes AV1's ends so slowly that one span takes over a minute."""
FROM_ANY = ("smart", "copy")
FROM_THE_FIRST = ("libx264", "libopenh264", "libvpx-vp9", "libsvtav1")


@dataclass(frozen=True)
class Cut:
    """One clip: who cut it, how, from which film, and the frames that it must hold."""

    film: str
    film_path: str
    by: str
    mode: str
    path: str
    frames: tuple[int, int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a reader saw other frames in a clip of ours."""
    parser = argparse.ArgumentParser(prog="bench.readers", description="Read clips with other readers.")
    parser.add_argument("--python", type=Path, required=True, help="interpreter with the readers")
    parser.add_argument("--smartcut", type=Path, help="smartcut's program")
    options = parser.parse_args(arguments)
    print(*machine.notes(), sep="\n", flush=True)
    with TemporaryDirectory() as scratch:
        cuts = list(_cuts(Path(scratch), options.smartcut))
        answers = _answers(options.python, cuts, Path(scratch))
    print("\n| film | cut by | as | PyAV | OpenCV | decord | torchcodec |\n|---|---|---|---|---|---|---|")
    failed = False
    for (film, by, mode), same in groupby(cuts, key=lambda cut: (cut.film, cut.by, cut.mode)):
        each = [[_verdict(cut, answer) for answer in answers[cut.path].values()] for cut in same]
        verdicts = ["; ".join(dict.fromkeys(column)) for column in zip(*each, strict=True)]
        failed |= by != "smartcut" and any("frames" in verdict for verdict in verdicts)
        print(f"| {film} | {by} | {mode} | {' | '.join(verdicts)} |")
    return int(failed)


def _cuts(folder: Path, smartcut: Path | None) -> Iterator[Cut]:
    for index, (name, (suffix, codec, options)) in enumerate(FILMS.items()):
        film = _draw(folder / f"film{index}.{suffix}", codec, options)
        spans = _spans(film)
        for encoder in (*FROM_ANY, *(FROM_THE_FIRST if index == 0 else ())):
            yield from _ours(film, name, encoder, spans, folder / f"{encoder}{index}")
        if smartcut and codec not in TOO_SLOW_FOR_SMARTCUT:
            yield from _theirs(film, name, smartcut, folder)


def _draw(path: Path, codec: str, options: Mapping[str, str]) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=FPS, options=dict(options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
        for number in range(NUM_FRAMES):
            frame = av.VideoFrame.from_ndarray(paint(number, width_px=SIZE_PX[0], height_px=SIZE_PX[1]))
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _spans(film: Path) -> list[ClipSpan]:
    with av.open(str(film)) as container:
        frames = list(container.decode(video=0))
    pts = [frame.pts or 0 for frame in frames]
    base = frames[0].time_base or Fraction(0)
    return [
        ClipSpan(
            clip_id=clip_id(film.name, start, end),
            frames=FrameSpan(start, end),
            start_pts=pts[start],
            end_pts=pts[end],
            start_s=float((pts[start] - pts[0]) * base),
            end_s=float((pts[end] - pts[0]) * base),
        )
        for start, end in SPANS
    ]


def _ours(film: Path, name: str, encoder: str, spans: Sequence[ClipSpan], out: Path) -> Iterator[Cut]:
    before_s = cpu_s()
    spec = ClipTranscodingStage.model_validate({"encoder": encoder})
    clips = cut_clips(str(film), list(spans), spec.options(), out_dir=str(out), min_length_s=2.0)
    _took(f"clipmill {encoder}", name, before_s)
    for span, clip in zip(spans, clips, strict=True):
        # A copy starts at a key picture, and lacks last pictures that need one from behind the span.
        start = span.frames.start_frame + round((clip.file_start_s - span.start_s) * FPS)
        end = start + clip.num_frames if clip.clip_mode == "copy" else span.frames.end_frame
        yield Cut(name, str(film), f"clipmill, {encoder}", clip.clip_mode, clip.path, (start, end))


def _theirs(film: Path, name: str, program: Path, folder: Path) -> Iterator[Cut]:
    for index, (start, end) in enumerate(SPANS):
        path = folder / f"smartcut_{film.stem}_{index}{film.suffix}"
        before_s = cpu_s()
        command = [str(program), str(film), str(path), "--frames", "--keep", f"{start},{end}"]
        subprocess.run(command, check=False, capture_output=True)
        _took("smartcut, one span of three", name, before_s)
        yield Cut(name, str(film), "smartcut", "smart", str(path), (start, end))


def _took(who: str, film: str, before_s: float) -> None:
    print(f"{who}, {film}: {cpu_s() - before_s:.2f} CPU-s", file=sys.stderr)


def _answers(python: Path, cuts: Iterable[Cut], folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    request, answer = folder / "request.json", folder / "answer.json"
    request.write_text(json.dumps({cut.path: cut.film_path for cut in cuts}))
    script = Path(__file__).with_name("read_back.py")
    subprocess.run([str(python), str(script), str(request), str(answer)], check=True)
    return json.loads(answer.read_text())


def _verdict(cut: Cut, answer: Mapping[str, object]) -> str:
    numbers, times_s = answer.get("numbers"), answer.get("times_s")
    if not numbers:
        return "cannot read it"
    assert isinstance(numbers, list)
    assert isinstance(times_s, list)
    wanted = list(range(*cut.frames))
    if numbers != wanted:
        wrong = sum(seen != expected for seen, expected in zip(numbers, wanted, strict=False))
        return f"other frames: {len(numbers)} of {len(wanted)}, {wrong} wrong"
    late_s = max(abs(time_s - index / FPS) for index, time_s in enumerate(times_s))
    if late_s > 0.5 / FPS:
        return f"exact frames, {late_s:.3f} s off"
    off_levels = answer["off_levels"]
    return "equal" if off_levels == 0 else f"exact, {off_levels:.0f} levels"


if __name__ == "__main__":
    sys.exit(main())
