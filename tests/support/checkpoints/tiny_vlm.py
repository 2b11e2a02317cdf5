"""Tiny vision language models and language models of the real classes, saved as the hub has them."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

QWEN_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip
SMOL_SPECIAL = (
    "<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>", "<pad>",
)  # fmt: skip
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "max_position_embeddings": 32768, "initializer_range": 0.3,
}  # fmt: skip
"""Heads of 32: vLLM has no smaller ones on a CPU. Large weights, or every prompt is answered alike."""


def tokenizer(special: tuple[str, ...], **names: str) -> PreTrainedTokenizerFast:
    bytewise = Tokenizer(models.BPE())
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bytewise.train_from_iterator(["describe this video. a person walks across the street"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bytewise, **names)


def qwen_tokenizer() -> PreTrainedTokenizerFast:
    made = tokenizer(QWEN_SPECIAL, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.chat_template = TEMPLATE
    return made


def save(network: transformers.PreTrainedModel, words: PreTrainedTokenizerFast, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    network.eval().save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_qwen2_5_vl(folder: Path) -> Path:
    torch.manual_seed(0)
    words = qwen_tokenizer()
    ids = words.convert_tokens_to_ids
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            **TEXT, "vocab_size": 384, "eos_token_id": ids("<|im_end|>"),
            "pad_token_id": ids("<|endoftext|>"),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]},
        },
        vision_config={
            "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": 64,
            "window_size": 112, "fullatt_block_indexes": [1], "initializer_range": 0.3,
        },
        image_token_id=ids("<|image_pad|>"), video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"), vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )  # fmt: skip
    saved = save(transformers.Qwen2_5_VLForConditionalGeneration(config), words, folder)
    return _with_processor(saved, "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor", (56 * 56, 28 * 28 * 16), 14)


def save_qwen3_vl(folder: Path) -> Path:
    torch.manual_seed(0)
    words = qwen_tokenizer()
    ids = words.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6], "mrope_interleaved": True}
    config = transformers.Qwen3VLConfig(
        text_config={
            **TEXT, "vocab_size": 384, "head_dim": 32, "eos_token_id": ids("<|im_end|>"),
            "pad_token_id": ids("<|endoftext|>"), "rope_parameters": rope,
        },
        vision_config={
            "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": 64,
            "num_position_embeddings": 256, "deepstack_visual_indexes": [0], "initializer_range": 0.3,
        },
        image_token_id=ids("<|image_pad|>"), video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"), vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )  # fmt: skip
    saved = save(transformers.Qwen3VLForConditionalGeneration(config), words, folder)
    pixels = (64 * 64, 32 * 32 * 16 * 8)
    return _with_processor(saved, "Qwen3VLProcessor", "Qwen3VLVideoProcessor", pixels, 16)


def _with_processor(folder: Path, kind: str, video: str, pixels: tuple[int, int], patch: int) -> Path:
    """The files that the hub's repositories have beside the weights."""
    mean, std = ([0.48, 0.45, 0.4], [0.27, 0.26, 0.28]) if patch == 14 else ([0.5] * 3, [0.5] * 3)
    said = {
        "size": {"shortest_edge": pixels[0], "longest_edge": pixels[1]}, "patch_size": patch,
        "temporal_patch_size": 2, "merge_size": 2, "image_mean": mean, "image_std": std,
        "processor_class": kind,
    }  # fmt: skip
    records = {
        "preprocessor_config.json": {**said, "image_processor_type": "Qwen2VLImageProcessor"},
        "video_preprocessor_config.json": {
            **said,
            "video_processor_type": video,
            "cap_pixels_per_frame": False,
        },
    }
    for name, record in records.items():
        (folder / name).write_text(json.dumps(record))
    return folder


def save_smolvlm(folder: Path) -> Path:
    torch.manual_seed(0)
    words = tokenizer(
        SMOL_SPECIAL, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<pad>"
    )
    words.chat_template = TEMPLATE
    ids = words.convert_tokens_to_ids
    config = transformers.SmolVLMConfig(
        vision_config={
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "image_size": 64, "patch_size": 8, "initializer_range": 0.3,
        },
        text_config={
            **TEXT, "model_type": "llama", "vocab_size": 384, "pad_token_id": ids("<pad>"),
            "bos_token_id": ids("<|im_start|>"), "eos_token_id": ids("<end_of_utterance>"),
        },
        scale_factor=4, image_token_id=ids("<image>"), pad_token_id=ids("<pad>"), tie_word_embeddings=False,
    )  # fmt: skip
    saved = save(transformers.SmolVLMForConditionalGeneration(config), words, folder)
    said = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 64}}
    (saved / "preprocessor_config.json").write_text(json.dumps(said))
    return saved


def save_language_model(folder: Path) -> Path:
    torch.manual_seed(0)
    words = qwen_tokenizer()
    ids = words.convert_tokens_to_ids
    config = transformers.Qwen2Config(
        **TEXT,
        tie_word_embeddings=False,
        vocab_size=384,
        eos_token_id=ids("<|im_end|>"),
        pad_token_id=ids("<|endoftext|>"),
    )
    return save(transformers.Qwen2ForCausalLM(config), words, folder)


VLMS: dict[str, Callable[[Path], Path]] = {
    "qwen2_5_vl": save_qwen2_5_vl,
    "qwen3_vl": save_qwen3_vl,
    "smolvlm": save_smolvlm,
}
