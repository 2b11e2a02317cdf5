"""``clipmill nemo-split``: the flags of NeMo Curator 1.4's script that splits videos into clips."""

import json
from collections.abc import Mapping
from typing import cast

import typer
import yaml

from clipmill.cli.curate import curate
from clipmill.engine.machine_check import Engine
from clipmill.errors import SpecError
from clipmill.media.encode.availability import trial
from clipmill.models.runtime import num_gpus_here
from clipmill.nemo.flags import Flag, Value, in_flags, parse

_SPLIT, _FIXED, _SHOTS = "split.", "split.fixed_stride.", "split.transnetv2."
_EMBEDDERS = tuple(f"cosmos-embed1-{size}p" for size in (224, 336, 448))
_PROMPTS = ("default", "av", "av-surveillance")

FLAGS = (
    Flag("--video-dir", str, is_required=True),
    Flag("--output-path", str, is_required=True),
    Flag("--model-dir", str, "./models", to=(
        _SHOTS + "model_dir", "aesthetics.model_dir", "embedding.model_dir", "captions.model_dir",
        "enhancement.model_dir",
    )),
    Flag("--video-limit", int, to=("video_limit",)),
    Flag("--verbose", bool, to=("verbose",)),
    Flag("--no-upload-clips", bool),
    Flag("--dry-run", bool, to=("write.dry_run",)),
    Flag("--splitting-algorithm", str, "fixed_stride", ("fixed_stride", "transnetv2"),
         to=(_SPLIT + "algorithm",)),
    Flag("--fixed-stride-split-duration", float, 10.0, to=(_FIXED + "clip_len_s", _FIXED + "clip_stride_s")),
    Flag("--fixed-stride-min-clip-length-s", float, 2.0, to=(_FIXED + "min_clip_length_s",)),
    Flag("--limit-clips", int, 0),
    Flag("--transnetv2-frame-decoder-mode", str, "pynvc", ("pynvc", "ffmpeg_gpu", "ffmpeg_cpu")),
    Flag("--transnetv2-threshold", float, 0.4, to=(_SHOTS + "threshold",)),
    Flag("--transnetv2-min-length-s", float, 2.0, to=(_SHOTS + "min_length_s",)),
    Flag("--transnetv2-max-length-s", float, 10.0, to=(_SHOTS + "max_length_s",)),
    Flag("--transnetv2-max-length-mode", str, "stride", ("truncate", "stride"),
         to=(_SHOTS + "max_length_mode",)),
    Flag("--transnetv2-crop-s", float, 0.5, to=(_SHOTS + "crop_s",)),
    Flag("--transnetv2-gpu-memory-gb", float, 10.0, to=(_SHOTS + "gpu_memory_gb",)),
    Flag("--transcode-cpus-per-worker", float, 6.0, to=("transcode.num_cpus_per_worker",)),
    Flag("--transcode-encoder", str, choices=("h264_nvenc", "libvpx-vp9", "libopenh264", "libx264"),
         to=("transcode.encoder",)),
    Flag("--transcode-encoder-threads", int, 1, to=("transcode.encoder_threads",)),
    Flag("--transcode-ffmpeg-batch-size", int, 16, to=("transcode.encode_batch_size",)),
    Flag("--transcode-use-hwaccel", bool, to=("transcode.use_hwaccel",)),
    Flag("--transcode-use-input-video-bit-rate", bool, to=("transcode.use_input_bit_rate",)),
    Flag("--clip-re-chunk-size", int, 32, to=("transcode.num_clips_per_chunk",)),
    Flag("--motion-filter", str, "disable", ("disable", "enable", "score-only")),
    Flag("--motion-global-mean-threshold", float, 0.00098, to=("motion_filter.global_mean_threshold",)),
    Flag("--motion-per-patch-min-256-threshold", float, 0.000001,
         to=("motion_filter.per_patch_min_256_threshold",)),
    Flag("--motion-decode-target-fps", float, 2.0, to=("motion.target_fps",)),
    Flag("--motion-decode-target-duration-ratio", float, 0.5, to=("motion.target_duration_ratio",)),
    Flag("--motion-decode-cpus-per-worker", float, 4.0, to=("motion.num_cpus_per_worker",)),
    Flag("--motion-score-batch-size", int, 64, to=("motion_filter.motion_filter_batch_size",)),
    Flag("--motion-score-gpus-per-worker", float, 0.5, to=("motion_filter.num_gpus_per_worker",)),
    Flag("--clip-extraction-target-res", int, -1,
         note="the side of the squares that aesthetics and embeddings look at"),
    Flag("--aesthetic-threshold", float, to=("aesthetics.score_threshold",)),
    Flag("--aesthetic-reduction", str, "min", ("mean", "min"), to=("aesthetics.reduction",)),
    Flag("--aesthetic-gpus-per-worker", float, 0.25, to=("aesthetics.num_gpus_per_worker",)),
    Flag("--embedding-algorithm", str, "cosmos-embed1-224p", _EMBEDDERS, to=("embedding.algorithm",)),
    Flag("--embedding-gpu-memory-gb", float, 20.0, to=("embedding.gpu_memory_gb",)),
    Flag("--no-generate-embeddings", bool),
    Flag("--generate-previews", bool),
    Flag("--preview-target-fps", int, 1, to=("preview.target_fps",)),
    Flag("--preview-target-height", int, 240, to=("preview.target_height",)),
    Flag("--generate-captions", bool),
    Flag("--captioning-algorithm", str, "qwen2.5", to=("captions.model_variant", "windows.model_variant")),
    Flag("--captioning-window-size", int, 256, to=("windows.window_size",)),
    Flag("--captioning-remainder-threshold", int, 128, to=("windows.remainder_threshold",)),
    Flag("--captioning-prompt-variant", str, "default", _PROMPTS, to=("windows.prompt_variant",)),
    Flag("--captioning-prompt-text", str, to=("windows.prompt_text",)),
    Flag("--captioning-sampling-fps", float, 2.0, to=("windows.sampling_fps",)),
    Flag("--captioning-preprocess-dtype", str, "float16",
         ("float32", "float16", "bfloat16", "uint8"), to=("windows.preprocess_dtype",)),
    Flag("--captioning-stage2-caption", bool, to=("captions.generate_stage2_caption",)),
    Flag("--captioning-stage2-prompt-text", str, to=("captions.stage2_prompt_text",)),
    Flag("--captioning-batch-size", int, 8, to=("captions.caption_batch_size",)),
    Flag("--captioning-use-fp8-weights", bool, to=("captions.fp8",)),
    Flag("--captioning-max-output-tokens", int, 512, to=("captions.max_output_tokens",)),
    Flag("--captioning-use-vllm-mmcache", bool),
    Flag("--enhance-captions", bool),
    Flag("--enhance-captions-algorithm", str, "qwen2.5", ("qwen2.5", "qwen3"),
         to=("enhancement.model_variant",)),
    Flag("--enhance-captions-batch-size", int, 128, to=("enhancement.model_batch_size",)),
    Flag("--enhance-captions-use-fp8-weights", bool, to=("enhancement.fp8",)),
    Flag("--enhance-captions-max-output-tokens", int, 512, to=("enhancement.max_output_tokens",)),
    Flag("--enhance-captioning-prompt-variant", str, "default", _PROMPTS, to=("enhancement.prompt_variant",)),
    Flag("--enhance-captions-prompt-text", str, to=("enhancement.prompt_text",)),
    Flag("--enhanced-caption-models", str, "qwen_lm", ("qwen_lm",),
         note="whose enhanced captions are in the JSON"),
)  # fmt: skip

OWN_FLAGS = (
    Flag("--allow-remote-code", bool, note="run the Python code that the embedding's weights bring"),
    Flag("--engine", str, "inline", ("inline", "ray"), note="where the stages run"),
    Flag("--generate-embeddings", bool, note="the default; NeMo Curator's pages show it"),
    Flag("--print-spec", bool, note="print the spec that the flags stand for, and do nothing"),
)

app = typer.Typer(add_completion=False)


@app.command(context_settings={
    "ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": [],
})  # fmt: skip
def nemo_split(context: typer.Context) -> int:
    """Curate videos by the flags of NeMo Curator's example script."""
    given = parse(
        (*FLAGS, *OWN_FLAGS),
        context.args,
        prog="clipmill nemo-split",
        description=str(__doc__).replace("``", ""),
    )
    fields = spec_fields(given)
    if given["print_spec"]:
        print(yaml.safe_dump(fields, sort_keys=False), end="")
        return 0
    engine = cast(Engine, given["engine"])
    places = str(given["video_dir"]), str(given["output_path"])
    try:
        return curate(*places, spec=json.dumps(fields), engine=engine)
    except SpecError as error:
        raise SpecError(in_flags(str(error), FLAGS, _WORDS)) from error


_OTHERWISE = "in the spec that --print-spec prints, and run `clipmill curate --spec`"
_WORDS = {
    r"say allow_remote_code: \[[^\]]*\]":
        "add --allow-remote-code, or --no-generate-embeddings to embed nothing",
    r"split\.transnetv2: min_length_s": "--transnetv2-min-length-s",
    r"split\.fixed_stride: min_clip_length_s": "--fixed-stride-min-clip-length-s",
    r"split\.(fixed_stride|transnetv2)\.limit_clips": "--limit-clips",
    r"frames\.target_res: .*, or null; got \[([-\d]+),.*":
        r"--clip-extraction-target-res must be from 16 to 4320, or -1, got \1",
    r"exceeds max_length_s": "exceeds --transnetv2-max-length-s",
    r"exceeds clip_len_s": "exceeds --fixed-stride-split-duration",
    r"for any other name .* as endpoint_url":
        f"for another one set captions.model or captions.endpoint_url {_OTHERWISE}",
    r"let captions come from .*":
        f"add --no-generate-embeddings, or set captions.endpoint_url {_OTHERWISE}",
}  # fmt: skip
"""What messages say of a spec where no single flag has the value -> what the flags are."""


def spec_fields(given: Mapping[str, Value]) -> dict[str, object]:
    """Returns the fields of the spec that stands for flags: key of a flag -> its value.

    Groups that the flags turn off are null. Quality scores and deduplication are no part of that script.
    """
    fields: dict[str, object] = {
        "split": {}, "transcode": {}, "windows": {}, "write": {
            "upload_clips": not given["no_upload_clips"],
            "enhanced_caption_models": [given["enhanced_caption_models"]],
        },
        "motion": None, "motion_filter": None, "quality": None, "aesthetics": None, "embedding": None,
        "captions": None, "enhancement": None, "preview": None, "dedup": None,
    }  # fmt: skip
    for group in _groups(given):
        fields[group] = {}
    for flag in FLAGS:
        for place in flag.to:
            _put(fields, place, given[flag.key])
    _put(fields, _FIXED + "limit_clips", given["limit_clips"])
    _put(fields, _SHOTS + "limit_clips", given["limit_clips"] or -1)
    _put(fields, "motion_filter.score_only", given["motion_filter"] == "score-only")
    _put(fields, "captions.disable_mmcache", not given["captioning_use_vllm_mmcache"])
    if cast(int, side := given["clip_extraction_target_res"]) > 0:
        fields["frames"] = {"target_res": [side, side]}
    if given["transnetv2_frame_decoder_mode"] == "ffmpeg_cpu":
        fields["decoder"] = "cpu"
    if given["allow_remote_code"] and not given["no_generate_embeddings"]:
        cast("dict[str, object]", fields["embedding"])["allow_remote_code"] = [given["embedding_algorithm"]]
    if given["transcode_encoder"] is None:
        _put(fields, "transcode.encoder", _default_encoder())
    return fields


def _groups(given: Mapping[str, Value]) -> list[str]:
    """The groups of the spec that the flags turn on."""
    switches = {
        "motion": given["motion_filter"] != "disable",
        "motion_filter": given["motion_filter"] != "disable",
        "aesthetics": given["aesthetic_threshold"] is not None,
        "embedding": not given["no_generate_embeddings"],
        "preview": given["generate_previews"],
        "captions": given["generate_captions"],
        "enhancement": given["generate_captions"] and given["enhance_captions"],
    }
    return [group for group, is_on in switches.items() if is_on]


def _put(fields: dict[str, object], place: str, value: Value) -> None:
    """Sets a field unless its group is off or the flag has no value."""
    *groups, name = place.split(".")
    inner = fields
    for group in groups:
        found = inner.setdefault(group, {})
        if found is None:
            return
        inner = cast("dict[str, object]", found)
    if value is not None:
        inner[name] = value


def _default_encoder() -> str:
    """NeMo Curator's default where this machine has it; libx264 runs on every machine."""
    has_nvenc = num_gpus_here() > 0 and not trial("h264_nvenc")
    return "h264_nvenc" if has_nvenc else "libx264"
