"""From cuts to shots, from shots to clips, from clips to windows: arithmetic on frames and their times.

``times_s`` is always float ``(N + 1,)``: the time of each of the N frames in seconds from the first one, and
the end of the last. A boundary at ``t`` seconds is the first frame whose time is at least ``t``: files with a
variable frame rate are cut where a player would cut them, and ``frame / fps`` occurs nowhere.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import ceil

import numpy as np

from clipmill.records import Cuts, DropCause, DroppedSpan, FrameSpan, Shot, Span, Split
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ShotClipRules

TIME_TOLERANCE_S = 1e-6
"""Sums of float seconds are off by less than this over a day, and frames are much further apart."""

MIN_WINDOW_FRAMES = 4
"""Clips shorter than this have no caption window."""

_IN_CLIP = 0
_CAUSES = {cause: code for code, cause in enumerate(DropCause, start=1)}
_CAUSE_OF = {code: cause for cause, code in _CAUSES.items()}


def shots_from_cuts(cuts: Cuts, *, num_frames: int) -> list[Shot]:
    """Return the shots of a video, in order.

    Frames of a gradual transition belong to no shot, and a hard cut inside one vanishes. Cuts outside the
    video are ignored.
    """
    gradual = _merged(cuts.gradual, num_frames)
    shots: list[Shot] = []
    start, before = 0, None
    for transition in [*gradual, None]:
        end = transition.start_frame if transition else num_frames
        shots += _cut_hard(start, end, cuts.hard, before=before, after=transition)
        start, before = (transition.end_frame, transition) if transition else (end, None)
    return shots


def _cut_hard(
    start: int, end: int, hard: Iterable[int], *, before: FrameSpan | None, after: FrameSpan | None
) -> list[Shot]:
    """Shots between two gradual transitions; none when the transitions touch."""
    edges = [start, *sorted({cut for cut in hard if start < cut < end}), end]
    spans = [FrameSpan(first, last) for first, last in pairwise(edges) if first < last]
    last_index = len(spans) - 1
    return [
        Shot(span, before if index == 0 else None, after if index == last_index else None)
        for index, span in enumerate(spans)
    ]


def _merged(spans: Iterable[FrameSpan], num_frames: int) -> list[FrameSpan]:
    """Spans inside the video, ascending, those that overlap or touch joined."""
    merged: list[FrameSpan] = []
    for span in sorted(span for span in spans if span.start_frame < num_frames):
        end = min(span.end_frame, num_frames)
        if merged and span.start_frame <= merged[-1].end_frame:
            merged[-1] = FrameSpan(merged[-1].start_frame, max(end, merged[-1].end_frame))
        else:
            merged.append(FrameSpan(span.start_frame, end))
    return merged


def split_long(start_s: float, end_s: float, *, max_s: float | None, min_s: float | None) -> list[Span]:
    """Cut ``[start_s, end_s)`` into consecutive pieces of ``max_s`` and drop those shorter than ``min_s``.

    An empty range has no pieces; None turns a limit off.
    """
    if end_s <= start_s:
        return []
    max_s = max_s or end_s - start_s
    num_pieces = max(1, ceil((end_s - start_s - TIME_TOLERANCE_S) / max_s))
    edges = [start_s + index * max_s for index in range(num_pieces)] + [end_s]
    pieces = [Span(first, last) for first, last in pairwise(edges)]
    return [piece for piece in pieces if not min_s or piece.duration_s >= min_s - TIME_TOLERANCE_S]


def clips_from_shots(
    shots: Sequence[Shot], times_s: np.ndarray, rules: ShotClipRules
) -> tuple[Split, tuple[int, ...]]:
    """Turn shots into clips by the documents' post-filter; also return the index of each clip's shot.

    Per shot: ``crop_s`` off both ends (also at the start and end of the video), then ``max_length_s``, then
    ``min_length_s``; at last ``limit_clips`` over the whole video. A shot of which the crop leaves nothing is
    too short. Every frame of the video is in a clip or in a dropped span.
    """
    fates = np.full(_num_frames(times_s), _CAUSES[DropCause.GRADUAL], dtype=np.uint8)
    clips: list[FrameSpan] = []
    shot_of_clip: list[int] = []
    for index, shot in enumerate(shots):
        found = _clips_of_shot(shot.span, times_s, rules, fates)
        clips += found
        shot_of_clip += [index] * len(found)
    if _is_uncut(shots, times_s) and not rules.entire_scene_as_clip:
        fates[:] = _CAUSES[DropCause.UNCUT]
        clips, shot_of_clip = [], []
    kept = _capped(clips, rules.limit_clips, fates)
    return Split(tuple(kept), _dropped(fates)), tuple(shot_of_clip[: len(kept)])


def _clips_of_shot(
    shot: FrameSpan, times_s: np.ndarray, rules: ShotClipRules, fates: np.ndarray
) -> list[FrameSpan]:
    """Clips of one shot; writes into ``fates`` what becomes of each of its frames."""
    core = _cropped(shot, times_s, rules.crop_s or 0.0)
    if core is None:
        _mark(fates, shot, DropCause.TOO_SHORT)
        return []
    _mark(fates, shot, DropCause.CROPPED)
    _mark(fates, core, DropCause.TRUNCATED)
    clips: list[FrameSpan] = []
    for piece in _pieces(core, times_s, rules):
        if _duration_s(piece, times_s) >= (rules.min_length_s or 0.0) - TIME_TOLERANCE_S:
            clips.append(piece)
            fates[piece.start_frame : piece.end_frame] = _IN_CLIP
        else:
            _mark(fates, piece, DropCause.TOO_SHORT)
    return clips


def clips_of_open_shot(shot: FrameSpan, times_s: np.ndarray, rules: ShotClipRules) -> list[FrameSpan]:
    """The clips that ``clips_from_shots`` makes of a shot, however far it goes on behind its end here."""
    core = _cropped(shot, times_s, rules.crop_s or 0.0)
    if core is None:
        return []
    sure = [piece for piece in _pieces(core, times_s, rules) if piece.end_frame < core.end_frame]
    min_s = (rules.min_length_s or 0.0) - TIME_TOLERANCE_S
    return [piece for piece in sure if _duration_s(piece, times_s) >= min_s]


def _cropped(shot: FrameSpan, times_s: np.ndarray, crop_s: float) -> FrameSpan | None:
    """The shot without ``crop_s`` at each end, or None where nothing is left."""
    if not crop_s:
        return shot
    start_s, end_s = float(times_s[shot.start_frame]), float(times_s[shot.end_frame])
    return _frames_between(start_s + crop_s, end_s - crop_s, times_s)


def _pieces(core: FrameSpan, times_s: np.ndarray, rules: ShotClipRules) -> list[FrameSpan]:
    """What ``max_length_s`` makes of a shot: consecutive pieces without a hole, or its beginning."""
    start_s, end_s = float(times_s[core.start_frame]), float(times_s[core.end_frame])
    spans = split_long(start_s, end_s, max_s=rules.max_length_s, min_s=None)
    if rules.max_length_mode == "truncate":
        spans = spans[:1]
    frames = [_frames_between(span.start_s, span.end_s, times_s) for span in spans]
    return [span for span in frames if span]


def _is_uncut(shots: Sequence[Shot], times_s: np.ndarray) -> bool:
    return [shot.span for shot in shots] == [FrameSpan(0, _num_frames(times_s))]


def fixed_stride_clips(times_s: np.ndarray, spec: FixedStrideExtractorStage) -> Split:
    """Clips of ``clip_len_s`` every ``clip_stride_s`` from the first frame on, capped at ``limit_clips``.

    Clips overlap where the stride is less than the length. Frames in no clip are dropped: ``between`` two
    clips, in a last one that is ``too_short``, or ``over_limit``.
    """
    duration_s = float(times_s[-1])
    fates = np.full(_num_frames(times_s), _CAUSES[DropCause.BETWEEN], dtype=np.uint8)
    clips: dict[FrameSpan, None] = {}  # a stride below the frame distance names the same frames twice
    for index in range(ceil((duration_s - TIME_TOLERANCE_S) / spec.clip_stride_s)):
        start_s = index * spec.clip_stride_s
        end_s = min(start_s + spec.clip_len_s, duration_s)
        frames = _frames_between(start_s, end_s, times_s)
        if frames is None:
            continue
        if end_s - start_s >= spec.min_clip_length_s - TIME_TOLERANCE_S:
            clips[frames] = None
        else:
            _mark(fates, frames, DropCause.TOO_SHORT)
    return Split(tuple(_capped(list(clips), spec.limit_clips, fates)), _dropped(fates))


def fixed_stride_clip(index: int, times_s: np.ndarray, spec: FixedStrideExtractorStage) -> FrameSpan | None:
    """The clip at one stride of ``fixed_stride_clips``, where the video goes on behind it; None for none."""
    if spec.clip_len_s < spec.min_clip_length_s - TIME_TOLERANCE_S:
        return None
    start_s = index * spec.clip_stride_s
    return _frames_between(start_s, start_s + spec.clip_len_s, times_s)


def split_windows(num_frames: int, *, window_size: int, remainder_threshold: int) -> list[FrameSpan]:
    """Cut a clip into caption windows of ``window_size`` frames.

    A remainder of at least ``remainder_threshold`` frames is a window of its own, a smaller one lengthens the
    last window. A clip of at most ``window_size`` frames is one window; one of fewer than four has none.
    """
    if num_frames < MIN_WINDOW_FRAMES:
        return []
    if num_frames <= window_size:
        return [FrameSpan(0, num_frames)]
    num_full, remainder = divmod(num_frames, window_size)
    edges = [index * window_size for index in range(num_full + 1)]
    if remainder and remainder >= remainder_threshold:
        edges.append(num_frames)
    edges[-1] = num_frames
    return [FrameSpan(start, end) for start, end in pairwise(edges)]


def _num_frames(times_s: np.ndarray) -> int:
    if times_s.ndim != 1 or len(times_s) < 2:
        raise ValueError(f"times_s must be (N + 1,) with at least one frame, got {times_s.shape = }")
    return len(times_s) - 1


def _frames_between(start_s: float, end_s: float, times_s: np.ndarray) -> FrameSpan | None:
    """Frames whose time is in ``[start_s, end_s)``, or None where there is none."""
    first, last = np.searchsorted(times_s, [start_s - TIME_TOLERANCE_S, end_s - TIME_TOLERANCE_S])
    last = min(int(last), len(times_s) - 1)
    return FrameSpan(int(first), last) if first < last else None


def _duration_s(span: FrameSpan, times_s: np.ndarray) -> float:
    return float(times_s[span.end_frame] - times_s[span.start_frame])


def _capped(clips: list[FrameSpan], limit: int, fates: np.ndarray) -> list[FrameSpan]:
    """The first ``limit`` clips where ``limit`` is positive; the frames of the others are over the limit."""
    kept = clips[:limit] if limit > 0 else clips
    for clip in clips[len(kept) :]:
        _mark(fates, clip, DropCause.OVER_LIMIT)
    for clip in kept:  # after the others: clips may overlap
        fates[clip.start_frame : clip.end_frame] = _IN_CLIP
    return kept


def _mark(fates: np.ndarray, span: FrameSpan, cause: DropCause) -> None:
    fates[span.start_frame : span.end_frame] = _CAUSES[cause]


def _dropped(fates: np.ndarray) -> tuple[DroppedSpan, ...]:
    """The runs of frames that are in no clip; frames of one cause that touch are one span."""
    edges = [0, *(np.flatnonzero(np.diff(fates)) + 1).tolist(), len(fates)]
    runs = [(start, end, int(fates[start])) for start, end in pairwise(edges)]
    return tuple(
        DroppedSpan(FrameSpan(start, end), _CAUSE_OF[code]) for start, end, code in runs if code != _IN_CLIP
    )
