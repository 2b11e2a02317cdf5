"""``python -m bench.models [--only NAME] [--batch N]``: what embedders and the aesthetic encoder cost.

Networks have the real sizes but for what ``SIZES`` says, and random weights: speed does not depend on them.
Every frame count includes our own resizing. One thread; CPU seconds, so that a busy machine counts less.
Needs the ``models`` environment.
"""

# pyright: reportMissingImports=false

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers

from bench import machine
from clipmill.models.embedding.base import Tower
from clipmill.models.embedding.clip_siglip import ImageTextTower
from clipmill.models.embedding.tower_embedder import spread
from clipmill.models.embedding.videoprism import VideoPrismTower
from clipmill.models.preprocessing.pixels import pixel_values
from clipmill.models.registry import model_named
from clipmill.models.runtime import Batches

CLIP_FRAMES, HEIGHT_PX, WIDTH_PX = 20, 240, 426
SMALL_TEXT = {
    "num_hidden_layers": 1,
    "vocab_size": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


@dataclass(frozen=True)
class Size:
    """One row: a model, how it is made, what of it is measured, how much of the real network that is."""

    name: str
    make: Callable[[], transformers.PreTrainedModel]
    tower: Callable[..., Tower]
    what: str
    share: float


def _siglip2() -> transformers.PreTrainedModel:
    vision = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    }
    return transformers.SiglipModel(
        transformers.SiglipConfig(
            vision_config={**vision, "image_size": 224, "patch_size": 16}, text_config=SMALL_TEXT
        )
    )


def _clip() -> transformers.PreTrainedModel:
    vision = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 6,
        "num_attention_heads": 16,
    }
    config = transformers.CLIPConfig(
        vision_config={**vision, "image_size": 224, "patch_size": 14},
        text_config=SMALL_TEXT,
        projection_dim=768,
    )
    return transformers.CLIPModel(config)


def _videoprism() -> transformers.PreTrainedModel:
    from transformers.models.videoprism import VideoPrismClipModel, VideoPrismConfig

    layers = {"num_spatial_layers": 3, "num_temporal_layers": 1, "num_auxiliary_layers": 1}
    return VideoPrismClipModel(
        VideoPrismConfig(vision_config=layers, text_config={**SMALL_TEXT, "num_hidden_layers": 1})
    )


SIZES = (
    Size("siglip2", _siglip2, ImageTextTower, "B/16, 224 px, all 12 layers", 1.0),
    Size("clip", _clip, ImageTextTower, "L/14, 224 px, 6 of 24 layers", 0.25),
    Size("videoprism", _videoprism, VideoPrismTower, "LvT-B, 288 px, 5 of 18 layers", 5 / 18),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(prog="bench.models", description="Measure embedders on one core.")
    parser.add_argument("--only", choices=[size.name for size in SIZES])
    parser.add_argument("--batch", type=int, default=4, help="clips in a batch")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(*machine.notes(), f"torch {torch.__version__}, transformers {transformers.__version__}", sep="\n")
    print("\n| model | measured | clips a batch | frames a CPU second | of the whole network, about |")
    print("|---|---|---|---|---|")
    for size in SIZES:
        if options.only in (None, size.name):
            _measure(size, options.batch)
    print(f"| resizing to 224 px | {HEIGHT_PX}p | | {_resizing_rate():.0f} | |")


def _measure(size: Size, batch: int) -> None:
    entry = model_named(size.name)
    with tempfile.TemporaryDirectory(prefix="clipmill-bench-") as folder:
        size.make().save_pretrained(folder)
        tower = size.tower(entry, Path(folder), dtype="float32", device=torch.device("cpu"))
    for clips in (1, batch):
        rate = _rate(tower, clips=clips, num_clips=batch)
        print(f"| {size.name} | {size.what} | {clips} | {rate:.2f} | {rate * size.share:.2f} |", flush=True)


def _rate(tower: Tower, *, clips: int, num_clips: int) -> float:
    """Frames a CPU second, of ``num_clips`` clips in batches of ``clips``."""
    frames = _drawn()[spread(CLIP_FRAMES, tower.num_frames)]
    work = [frames] * num_clips
    start = time.process_time()
    Batches(clips).run(work, lambda some: tower.encode([tower.prepare(one) for one in some]))
    return num_clips * tower.num_frames / (time.process_time() - start)


def _resizing_rate() -> float:
    from clipmill.models.embedding.clip_siglip import default_preprocessing

    preprocessing = default_preprocessing("siglip2", 224)
    start = time.process_time()
    pixel_values(_drawn(), preprocessing)
    return CLIP_FRAMES / (time.process_time() - start)


def _drawn() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (CLIP_FRAMES, HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)


if __name__ == "__main__":
    main()
