"""Checkpoints that bring code of their own and answer the calls of Cosmos-Embed1 and of InternVideo2."""

import json
from pathlib import Path

from safetensors.torch import save_file

COSMOS_CODE = """
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PretrainedConfig
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin


class TinyCosmosConfig(PretrainedConfig):
    model_type = "tiny_cosmos"

    def __init__(self, embed_dim=12, **kwargs):
        super().__init__(**kwargs)
        self.embed_dim = embed_dim


@dataclass
class VideoOutput:
    visual_proj: torch.Tensor


@dataclass
class TextOutput:
    text_proj: torch.Tensor


class TinyCosmos(PreTrainedModel):
    config_class = TinyCosmosConfig

    def __init__(self, config):
        super().__init__(config)
        self.visual = torch.nn.Linear(3, config.embed_dim)
        self.text = torch.nn.Embedding(256, config.embed_dim)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_video_embeddings(self, videos):
        return VideoOutput(self.visual(videos.mean(dim=(1, 3, 4))) * 3)

    def get_text_embeddings(self, input_ids, attention_mask):
        return TextOutput(self.text(input_ids).mean(dim=1))


class TinyCosmosProcessor(ProcessorMixin):
    attributes = []
    num_video_frames = 8

    def __init__(self, num_video_frames=8, **kwargs):
        super().__init__()
        self.num_video_frames = num_video_frames

    def __call__(self, text=None, videos=None, return_tensors=None):
        if videos is not None:
            frames = torch.nn.functional.interpolate(torch.from_numpy(videos[0]).float(), size=(16, 16))
            return BatchFeature({"videos": frames[None] / 255})
        ids = torch.tensor([[*map(ord, line.ljust(32)[:32])] for line in text])
        return BatchFeature({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
"""

INTERNVIDEO_CODE = """
import torch
from transformers import PreTrainedModel, PretrainedConfig


class TinyInternVideoConfig(PretrainedConfig):
    model_type = "tiny_internvideo2"

    def __init__(self, flat=True, **kwargs):
        super().__init__(**kwargs)
        if flat:
            self.embed_dim, self.num_frames, self.image_size = 10, 4, 16


class TinyInternVideo(PreTrainedModel):
    config_class = TinyInternVideoConfig

    def __init__(self, config):
        super().__init__(config)
        self.visual = torch.nn.Linear(3, 10)
        self.text = torch.nn.Embedding(256, 10)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_vid_feat(self, frames):
        assert frames.shape[1:] == (4, 3, 16, 16), frames.shape
        return self.visual(frames.mean(dim=(1, 3, 4))).unsqueeze(1)

    def get_txt_feat(self, text):
        letters = torch.tensor([ord(letter) for letter in text], device=self.text.weight.device)
        return self.text(letters).mean(dim=0, keepdim=True)
"""


def _weights(folder: Path, dimension: int) -> None:
    import torch

    torch.manual_seed(0)
    save_file(
        {
            "visual.weight": torch.randn(dimension, 3), "visual.bias": torch.randn(dimension),
            "text.weight": torch.randn(256, dimension),
        },
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )  # fmt: skip


def save_cosmos(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "tiny_cosmos.py").write_text(COSMOS_CODE)
    code = {"AutoConfig": "tiny_cosmos.TinyCosmosConfig", "AutoModel": "tiny_cosmos.TinyCosmos"}
    processor = {"AutoProcessor": "tiny_cosmos.TinyCosmosProcessor"}
    config = {"model_type": "tiny_cosmos", "embed_dim": 12, "auto_map": code | processor}
    (folder / "config.json").write_text(json.dumps(config))
    record = {"processor_class": "TinyCosmosProcessor", "auto_map": processor, "num_video_frames": 8}
    (folder / "processor_config.json").write_text(json.dumps(record))
    _weights(folder, 12)
    return folder


def save_internvideo(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "tiny_internvideo.py").write_text(INTERNVIDEO_CODE)
    names = {"AutoConfig": "TinyInternVideoConfig", "AutoModel": "TinyInternVideo"}
    code = {key: f"tiny_internvideo.{name}" for key, name in names.items()}
    (folder / "config.json").write_text(json.dumps({"model_type": "tiny_internvideo2", "auto_map": code}))
    _weights(folder, 10)
    return folder
