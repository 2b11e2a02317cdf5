"""Clips that were cut become files of the output, and facts of their clip."""

from dataclasses import replace
from pathlib import Path

from clipmill import identity, layout
from clipmill.media.contracts import CutClip
from clipmill.storage import store
from clipmill.video import Clip

ENCODE_S_PER_MEGAPIXEL_FRAME = 2.0
"""Most seconds that encoding may take. Generous: x264's slow presets on a shared core stay below."""


def keep_clip(clip: Clip, cut: CutClip, *, output: str | None, filtered: bool = False) -> None:
    """Store the file of ``cut`` and note it in ``clip``; without ``output`` it stays in ``Clip.buffer``."""
    suffix = cut.path[cut.path.rindex(".") :]
    relative = layout.clip_path("", cut.clip_id, filtered=filtered, suffix=suffix).lstrip("/")
    data = Path(cut.path).read_bytes()
    if output is None:
        clip.buffer = data
    else:
        store.put_file(layout.join(output, relative), cut.path)
    clip.file_digest = identity.bytes_digest(data)
    clip.file = replace(cut, path=relative)
