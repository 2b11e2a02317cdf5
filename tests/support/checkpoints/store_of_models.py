"""A store of tiny weights for every stage, laid out as ``workflows/models.py fetch`` leaves one."""

from pathlib import Path

from clipmill.models.registry import model_named
from tests.env_models.test_aesthetics import save_head
from tests.support.checkpoints.shot_weights import cut_finding_weights, save
from tests.support.checkpoints.tiny import save_clip, save_siglip
from tests.support.checkpoints.tiny_vlm import save_language_model, save_qwen2_5_vl

CAPTION_TOKENS = 6


def fill(store: Path) -> Path:
    """Weights of TransNetV2, SigLIP, CLIP with its head, Qwen2.5-VL and a Qwen language model."""
    save(cut_finding_weights(), store)
    save_siglip(store / model_named("siglip2").source)
    save_clip(store / model_named("clip").source)
    save_head(store / model_named("laion-aesthetic").source)
    save_qwen2_5_vl(store / model_named("qwen").source)
    save_language_model(store / model_named("qwen_lm").source)
    return store


def full_spec(store: Path) -> dict[str, object]:
    """Every stage that needs weights, small enough for a minute on two cores."""
    place = {"model_dir": str(store)}
    written = {**place, "max_output_tokens": CAPTION_TOKENS, "device": "cpu", "backend": "transformers"}
    return {
        "split": {"algorithm": "transnetv2", "transnetv2": {**place, "crop_s": None, "cascade": False}},
        "aesthetics": {**place, "score_threshold": -100.0},
        "embedding": {"algorithm": "siglip2", **place, "texts_to_verify": ["a harbour", "a market"]},
        "windows": {"prompt_text": "describe this video", "frame_height_px": 56, "sampling_fps": 1.0},
        "captions": written,
        "questions": [{"question": "is it day?", "score_only": True}],
        "enhancement": written,
        "preview": {"target_height": 90},
    }
