"""Captioners and language models: what they are asked, what they answer."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

CaptionStatus = Literal["success", "truncated", "blocked", "error", "skipped"]
"""``truncated``: at the most tokens; ``blocked``: by the model's server; ``skipped``: no model was asked."""


@dataclass(frozen=True)
class CaptionRequest:
    """One window: its frames, uint8 ``(T, H, W, 3)`` RGB, how many of them make a second, the prompt."""

    window_id: str
    frames: np.ndarray
    fps: float
    prompt: str

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(
                f"frames must be uint8 (T, H, W, 3), got {self.frames.dtype} {self.frames.shape}"
            )
        if len(self.frames) == 0 or self.fps <= 0:
            raise ValueError(f"{len(self.frames)} frames at {self.fps} a second show nothing")


@dataclass(frozen=True)
class Caption:
    """The answer of one window: text when ``success``, mostly when ``truncated``; else ``message`` says why.

    Tokens are None where they were not counted. An error ``is_retryable`` when it does not follow from
    what was asked: the server, the engine or the memory failed. ``is_remote`` says that it was a server.
    """

    window_id: str
    text: str
    status: CaptionStatus
    input_tokens: int | None = None
    output_tokens: int | None = None
    message: str = ""
    is_retryable: bool = False
    is_remote: bool = False


def skipped(window_id: str) -> Caption:
    """The answer of a window about which no model was asked."""
    return Caption(window_id, "", "skipped")


@dataclass(frozen=True)
class TextRequest:
    """One window's text, and in ``system`` what is to be made of it."""

    window_id: str
    system: str
    text: str
