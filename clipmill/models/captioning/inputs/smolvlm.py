"""Inputs of SmolVLM2: each frame is a picture of its own, with its time before it."""

# pyright: reportMissingImports=false

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipmill.models.captioning.chat import ChatRequest
from clipmill.models.captioning.inputs.base import ChatText, Prepared, video_config
from clipmill.models.preprocessing.pixels import HALF, Preprocessing, pixel_values, resized, rgb

if TYPE_CHECKING:
    import torch

MAX_FRAMES = 64
_BORDER, _PICTURE, _WHOLE = "<fake_token_around_image>", "<image>", "<global-img>"
_INTRODUCTION = "You are provided the following series of {count} frames from a {duration} [H:MM:SS] video.\n"
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


class SmolVlmInputs:
    """Frames are squares of the side that the vision tower reads; at most 64, spread evenly."""

    def __init__(self, folder: Path, chat: ChatText, config: dict[str, Any]) -> None:
        vision, said = config["vision_config"], video_config(folder)
        side_px = int((said.get("max_image_size") or {}).get("longest_edge") or vision["image_size"])
        self._chat = chat
        self._picture_id = int(config["image_token_id"])
        self._num_tokens = (int(vision["image_size"]) // int(vision["patch_size"])) ** 2 // (
            int(config.get("scale_factor", 2)) ** 2
        )
        self._longest_px = int((said.get("size") or {}).get("longest_edge") or side_px)
        self._preprocessing = Preprocessing(
            (side_px, side_px),
            mean=rgb(said.get("image_mean") or HALF),
            std=rgb(said.get("image_std") or HALF),
            resample=int(Image.Resampling.LANCZOS),
        )

    def prepare(self, request: ChatRequest) -> Prepared:
        assert request.frames is not None
        frames, fps = _at_most(request.frames, request.fps)
        asked = f"{self._video(len(frames), fps)}{request.text}"
        ids = self._chat.ids(f"<|im_start|>User: {asked}<end_of_utterance>\nAssistant:")
        pictures = np.stack([self._shrunk(frame) for frame in frames])
        pixels = {"pictures": pixel_values(pictures, self._preprocessing)}
        return Prepared(ids, [one == self._picture_id for one in ids], pixels)

    def collate(self, prepared: Sequence[Prepared]) -> "dict[str, torch.Tensor]":
        """See ``Inputs``; the network passes over pictures that are zero everywhere."""
        import torch

        most = max(len(one.pixels["pictures"]) for one in prepared)
        stacks = [one.pixels["pictures"] for one in prepared]
        filled = [np.pad(one, ((0, most - len(one)), (0, 0), (0, 0), (0, 0))) for one in stacks]
        return {"pixel_values": torch.from_numpy(np.stack(filled))}

    def _shrunk(self, frame: np.ndarray) -> np.ndarray:
        """A frame whose longer side is what the checkpoint says, before it becomes a square."""
        height, width = frame.shape[:2]
        longest = max(height, width)
        sides = [
            self._longest_px if side == longest else _even(side * self._longest_px / longest)
            for side in (height, width)
        ]
        return resized(frame, (sides[0], sides[1]), resample=self._preprocessing.resample)

    def _video(self, num_frames: int, fps: float) -> str:
        """What stands for the frames: how many, of how long a video, and each after its time."""
        duration = timedelta(seconds=int(num_frames / fps))
        places = [self._place(index / fps) for index in range(num_frames)]
        introduction = _INTRODUCTION.format(count=in_words(num_frames), duration=duration)
        return f"{introduction}{''.join(places)}\n\n"

    def _place(self, time_s: float) -> str:
        minutes, seconds = divmod(int(time_s), 60)
        tokens = _PICTURE * self._num_tokens
        return f"\nFrame from {minutes:02d}:{seconds:02d}:{_BORDER}{_WHOLE}{tokens}{_BORDER}"


def in_words(number: int) -> str:
    """A number from 0 to 999 in English words, as SmolVLM2 learned how many frames there are."""
    if number < len(_ONES):
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{_ONES[hundreds]} hundred" + (f" and {in_words(rest)}" if rest else "")


def _at_most(frames: np.ndarray, fps: float) -> tuple[np.ndarray, float]:
    if len(frames) <= MAX_FRAMES:
        return frames, fps
    chosen = np.linspace(0, len(frames) - 1, MAX_FRAMES).round().astype(int)
    return frames[chosen], fps * MAX_FRAMES / len(frames)


def _even(side_px: float) -> int:
    side = int(side_px)
    return max(1, side + side % 2)
