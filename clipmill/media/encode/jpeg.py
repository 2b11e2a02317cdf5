"""Frames as JPEG files."""

from io import BytesIO

import numpy as np
from PIL import Image

JPEG_QUALITY = 92


def frame_jpeg(frame: np.ndarray, *, height_px: int) -> bytes:
    """Returns a frame, uint8 ``(h, w, 3)`` RGB, as JPEG of at most ``height_px`` lines."""
    picture = Image.fromarray(frame)
    if picture.height > height_px:
        width_px = max(1, round(picture.width * height_px / picture.height))
        picture = picture.resize((width_px, height_px), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
