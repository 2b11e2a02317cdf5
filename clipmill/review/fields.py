"""What the larger view of a clip lists, and how each of its values is worded."""

from collections.abc import Callable

from clipmill.review import wording
from clipmill.review.measures import MEASURES

_TEXT: Callable[[str | None], str] = wording.plain
_SCORE: Callable[[float | None], str] = wording.number

CLIP_FIELDS: tuple[tuple[str, str, str, Callable[..., str]], ...] = (
    ("Place", "Source", "source_uri", _TEXT),
    ("Place", "Start", "start_s", wording.timecode),
    ("Place", "End", "end_s", wording.timecode),
    ("Place", "First frame", "start_frame", wording.count),
    ("Place", "End frame", "end_frame", wording.count),
    ("Place", "Start pts", "start_pts", wording.count),
    ("Place", "End pts", "end_pts", wording.count),
    ("Place", "Time base", "time_base", _TEXT),
    ("Verdict", "Status", "status", _TEXT),
    ("Verdict", "Reason", "reason", lambda text: wording.reason(text or "")),
    ("Verdict", "Duplicate of", "duplicate_of", _TEXT),
    ("Verdict", "Duplicate group", "duplicate_group", _TEXT),
    ("Verdict", "Similarity", "similarity", lambda value: wording.number(value, digits=4)),
    ("Verdict", "Errors", "errors", _TEXT),
    *(("Scores", measure.label, measure.column, _SCORE) for measure in MEASURES[1:]),
    ("Scores", "Motion source", "motion_source", _TEXT),
    ("File", "Clip file", "clip_uri", _TEXT),
    ("File", "Size", "num_bytes", wording.size),
    ("File", "Codec", "video_codec", _TEXT),
    ("File", "Mode", "clip_mode", _TEXT),
    ("File", "Mode reason", "mode_reason", _TEXT),
    ("File", "Width, px", "width", wording.count),
    ("File", "Height, px", "height", wording.count),
    ("File", "Frames a second", "framerate", lambda value: wording.number(value, digits=5)),
    ("File", "Frames", "num_frames", wording.count),
    ("File", "Audio", "has_audio", wording.yes_no),
    ("File", "Starts at", "file_start_s", wording.timecode),
    ("Identity", "Clip id", "clip_id", _TEXT),
    ("Identity", "Video id", "video_id", _TEXT),
    ("Identity", "Embedding", "embedding_algorithm", _TEXT),
    ("Identity", "Clip digest", "clip_digest", _TEXT),
    ("Identity", "Encode digest", "encode_digest", _TEXT),
    ("Captions", "Text match", "text_match", _TEXT),
    ("Captions", "Text match score", "text_match_score", _SCORE),
)
"""Heading, label, column of the clips table, and wording."""
