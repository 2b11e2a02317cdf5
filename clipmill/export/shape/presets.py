"""What video models and trainers take, with source and date. Pure.

docs/export.md repeats the table for readers.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """Frames, rate and sides of a model's training samples; ``source`` says where and when that was read."""

    frames: str
    fps: float | None
    multiple: int | None
    source: str


PRESETS: dict[str, Preset] = {
    "ltx": Preset(
        frames="8n+1",
        fps=None,
        multiple=32,
        source="Lightricks/LTX-2, packages/ltx-trainer/docs/dataset-preparation.md, 2026-11-30",
    ),
    "wan": Preset(
        frames="4n+1",
        fps=16.0,
        multiple=16,
        source="kohya-ss/musubi-tuner, docs/dataset_config.md, 2026-11-30",
    ),
    "hunyuan": Preset(
        frames="4n+1",
        fps=24.0,
        multiple=16,
        source="kohya-ss/musubi-tuner, docs/dataset_config.md, 2026-11-30",
    ),
    "cosmos": Preset(
        frames="94",  # 93 of them, from one that it draws; a shorter video ends its training
        fps=None,
        multiple=None,
        source="nvidia-cosmos/cosmos-predict2, cosmos_predict2/data/dataset_video.py, 2026-11-30",
    ),
}
