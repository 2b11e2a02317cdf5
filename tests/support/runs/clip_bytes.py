"""``python -m tests.support.runs.clip_bytes FILM``: a clip's digest, a line for each encoder."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import av

from clipmill.identity import bytes_digest
from clipmill.media.cut.cut import cut_clips
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.video.clipping.clip_extraction_stages import ClipTranscodingStage

ENCODERS = ("libx264", "libopenh264", "libvpx-vp9", "libsvtav1", "smart")
START, END = 10, 70


def main(film: str) -> None:
    """Cut the frames from ``START`` to ``END``."""
    with av.open(film) as container:
        times = [frame.pts or 0 for frame in container.decode(video=0)]
        time_base = container.streams.video[0].time_base
    assert time_base is not None
    start_s, end_s = (float(times[index] * time_base) for index in (START, END))
    clip = ClipSpan("clip", FrameSpan(START, END), times[START], times[END], start_s, end_s)
    for encoder in ENCODERS:
        spec = ClipTranscodingStage.model_validate({"encoder": encoder, "preset": "veryfast"})
        with TemporaryDirectory() as folder:
            (cut,) = cut_clips(film, [clip], spec.options(), out_dir=folder, min_length_s=0.2)
            print(bytes_digest(Path(cut.path).read_bytes()))


if __name__ == "__main__":
    main(sys.argv[1])
