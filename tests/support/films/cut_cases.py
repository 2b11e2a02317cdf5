"""Films drawn to be cut, by name, and what cuts them."""

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from clipmill.media.cut.cut import cut_clips
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.types import ScanFacts, ScanPlan
from clipmill.records import ClipSpan, CutClip
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage
from tests.support.films.numbered_films import draw, source_pts, spans

ENCODE = ClipTranscodingStage()
COPY = ClipTranscodingStage(encoder="copy")
NUM_FRAMES = 100
X265 = "log-level=none:pools=1:frame-threads=1"
LEADING = (
    "keyint=30:open-gop=1:scenecut=0:b-adapt=0:bframes=3"  # key pictures with pictures shown before them
)
FILMS: dict[str, dict[str, object]] = {
    "h264.mp4": {"options": {"bf": "3", "g": "30", "sc_threshold": "0"}},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1:keyint=30:bframes=3:scenecut=0"}},
    "refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=30"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": f"{LEADING}:{X265}"}},
    "ten_bit.mp4": {
        "codec": "libx265",
        "pixel_format": "yuv420p10le",
        "options": {"x265-params": f"keyint=30:{X265}"},
    },
    "vp9.mp4": {"codec": "libvpx-vp9", "options": {"g": "30", "cpu-used": "8", "deadline": "realtime"}},
    "av1.mkv": {
        "codec": "libsvtav1",
        "options": {"g": "30", "preset": "12", "svtav1-params": "lp=1"},
        "time_base": Fraction(1, 1000),
        "pts": [40 * index for index in range(NUM_FRAMES)],
    },
    "mpeg4.mp4": {
        "codec": "mpeg4",
        "options": {"g": "15", "bf": "2", "qscale": "3"},
        "time_base": Fraction(1, 25),
        "pts": list(range(NUM_FRAMES)),
    },
    "mpeg4.avi": {
        "codec": "mpeg4",
        "options": {"g": "15", "bf": "2", "qscale": "3"},
        "time_base": Fraction(1, 25),
        "pts": list(range(NUM_FRAMES)),
    },
    "h264.ts": {"options": {"bf": "3", "g": "30", "sc_threshold": "0"}, "audio": "aac"},
    "vp8.webm": {
        "codec": "libvpx",
        "options": {"g": "30", "cpu-used": "8", "deadline": "realtime"},
        "audio": "libopus",
    },
    "odd.mp4": {"size": (127, 71), "pixel_format": "yuv444p"},
    "vfr.mp4": {
        "options": {"bf": "3", "g": "30", "sc_threshold": "0"},
        "pts": list(itertools.accumulate(itertools.islice(itertools.cycle([3600, 1800, 9000]), NUM_FRAMES))),
    },
}
Film = Callable[[str], Path]
CUTS = [(0, 40), (40, 65), (50, 71), (90, 100)]


def drawn_in(directory: Path) -> Film:
    """The path of a film of ``FILMS``; each is drawn when it is first asked for."""

    @cache
    def drawn(name: str) -> Path:
        return draw(directory / name, NUM_FRAMES, **FILMS[name])

    return drawn


def cut(
    path: Path, out: Path, *cuts: tuple[int, int], spec: ClipTranscodingStage = ENCODE, min_s: float = 0.2
) -> list[CutClip]:
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base
    times = source_pts(path)
    clips = spans(len(times) - 1, *cuts, pts=times, time_base=time_base or Fraction(1))
    return cut_clips(str(path), clips, spec.options(), out_dir=str(out), min_length_s=min_s)


def pictures(path: str) -> list[np.ndarray]:
    with av.open(path) as container:
        convert = VideoReformatter()
        frames = container.decode(container.streams.video[0])
        return [convert.reformat(frame, format="gray", threads=1).to_ndarray() for frame in frames]


def scanned(path: Path, spool: Path, *cuts: tuple[int, int]) -> tuple[list[ClipSpan], ScanFacts]:
    """Clips by the frame numbers and times of the analysis pass."""
    facts = scan(str(path), ScanPlan(), str(spool))
    pts = load_arrays(str(spool)).pts.tolist()
    return spans(facts.num_frames, *cuts, pts=pts, time_base=facts.time_base), facts
