"""Tiny checkpoints of the real classes with random weights, saved as the hub has them."""

import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = ("a", "dog", "runs", "over", "grass", "man", "rides", "horse", "the", "beach", "at", "night", "snow")
SIDE_PX = 32
TEXT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "vocab_size": 64, "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": SIDE_PX, "patch_size": 8,
}  # fmt: skip


def save_tokenizer(folder: Path) -> None:
    vocabulary = {word: index for index, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


def save(network: transformers.PreTrainedModel, folder: Path, preprocessor: dict[str, object]) -> Path:
    folder.mkdir(parents=True)
    network.eval().save_pretrained(folder)
    save_tokenizer(folder)
    if preprocessor:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


def save_clip(folder: Path, *, projection_dim: int = 24) -> Path:
    torch.manual_seed(0)
    config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=projection_dim)
    processor = transformers.CLIPImageProcessorPil(
        size={"shortest_edge": SIDE_PX}, crop_size={"height": SIDE_PX, "width": SIDE_PX}
    )
    return save(transformers.CLIPModel(config), folder, processor.to_dict())


def save_siglip(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.SiglipConfig(text_config=TEXT, vision_config=VISION)
    processor = transformers.SiglipImageProcessorPil(size={"height": SIDE_PX, "width": SIDE_PX})
    return save(transformers.SiglipModel(config), folder, processor.to_dict())


def save_naflex(folder: Path) -> Path:
    torch.manual_seed(0)
    vision = {name: value for name, value in VISION.items() if name != "image_size"} | {"num_patches": 16}
    config = transformers.Siglip2Config(text_config=TEXT, vision_config=vision)
    processor = transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    return save(transformers.Siglip2Model(config), folder, processor.to_dict())


def save_videoprism(folder: Path) -> Path:
    from transformers.models.videoprism import VideoPrismClipModel, VideoPrismConfig

    torch.manual_seed(0)
    vision = {
        "image_size": 36, "tubelet_size": [1, 18, 18], "num_frames": 4, "hidden_size": 32,
        "intermediate_size": 64, "num_attention_heads": 4, "num_spatial_layers": 2, "num_temporal_layers": 1,
        "num_auxiliary_layers": 1,
    }  # fmt: skip
    config = VideoPrismConfig(vision_config=vision, text_config=TEXT)
    return save(VideoPrismClipModel(config), folder, {})


SAVED = {"clip": save_clip, "siglip2": save_siglip, "videoprism": save_videoprism}
