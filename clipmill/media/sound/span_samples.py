"""The sound of clips as samples, for stages that listen: on the pictures' clock, repaired as theirs is."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction

import numpy as np

from clipmill.media.decode.seek import ClipSource
from clipmill.media.frames.missing_timestamps import stored_pts, true_times
from clipmill.media.frames.timestamps import Timeline
from clipmill.media.io.container import store_first
from clipmill.media.io.source import CountingReader, open_source
from clipmill.media.sound.clock_walk import LAG_S
from clipmill.media.sound.judgement import judged
from clipmill.media.sound.samples import samples_of
from clipmill.media.sound.source import AudioSource
from clipmill.records import ClipSpan, SourceFile
from clipmill.sandbox.heartbeat import beat


def write_samples(
    source: SourceFile | str,
    clips: Sequence[ClipSpan],
    *,
    time_base: Fraction,
    rate_hz: int,
    channels: int,
    repaired_times: str,
    out_dir: str,
) -> None:
    """Writes the sound of each clip to ``samples_path``, float32 ``(N, channels)``.

    A clip in which the source has no sound gets no file. ``time_base`` is that of the clips' places. Where
    the scan repaired times (``repaired_times``), the pictures are decoded from the beginning, and sound gets
    the repair of those beside it. The errors are those of ``cut_clips``.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(open_source(source))
        stack.enter_context(store_first(reader))
        audio = stack.enter_context(closing(AudioSource(reader)))
        track = audio.stream
        if track is None:
            return
        ordered = sorted(clips, key=lambda clip: (clip.start_pts, clip.end_pts))
        for clip in _placed(reader, audio, ordered, repaired_times) if repaired_times else ordered:
            beat(clip.frames.end_frame)
            start, end = clip.start_pts * time_base, clip.end_pts * time_base
            sound = judged(audio, track, start, end, follows=True)
            if sound is not None:
                samples = samples_of(sound, start, end, rate_hz=rate_hz, channels=channels)
                np.save(samples_path(out_dir, clip), samples)


def samples_path(out_dir: str, clip: ClipSpan) -> str:
    """Returns where the samples of a clip lie."""
    return os.path.join(out_dir, f"{clip.clip_id}.npy")


def _placed(
    reader: CountingReader, audio: AudioSource, clips: Sequence[ClipSpan], repaired_times: str
) -> Iterator[ClipSpan]:
    """Yields each clip once the pictures beside its sound are decoded, by whose times the sound goes."""
    with closing(ClipSource(reader)) as video:
        timeline = Timeline(video.time_base)
        audio.follow(timeline, repaired_times=repaired_times)
        trusted = true_times(video.container, video.stream)
        lag, waiting = int(LAG_S / video.time_base), list(clips)
        for number, frame in enumerate(video.frames_from_beginning()):
            beat(number)
            pts = timeline.place(stored_pts(frame, trusted), frame.duration)
            while waiting and waiting[0].end_pts + lag <= pts:
                yield waiting.pop(0)
            if not waiting:
                return
        yield from waiting
