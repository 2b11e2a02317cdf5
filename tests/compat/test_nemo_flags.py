"""The flags of NeMo Curator 1.4's script: all are there, with its defaults, and each does what it says."""

import json
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.cli.exits import DONE, MISUSE
from clipmill.cli.main import main
from clipmill.errors import SpecError
from clipmill.nemo.flags import Value, parse
from clipmill.nemo.split import FLAGS, OWN_FLAGS, spec_fields
from clipmill.spec_file import spec_of_fields
from clipmill.specs import CurateSpec
from tests.support.films.small_films import draw_film

SCRIPT: dict[str, Value] = {
    "--model-dir": "./models", "--video-limit": None, "--verbose": False, "--no-upload-clips": False,
    "--dry-run": False, "--splitting-algorithm": "fixed_stride", "--fixed-stride-split-duration": 10.0,
    "--fixed-stride-min-clip-length-s": 2.0, "--limit-clips": 0, "--transnetv2-frame-decoder-mode": "pynvc",
    "--transnetv2-threshold": 0.4, "--transnetv2-min-length-s": 2.0, "--transnetv2-max-length-s": 10.0,
    "--transnetv2-max-length-mode": "stride", "--transnetv2-crop-s": 0.5, "--transnetv2-gpu-memory-gb": 10.0,
    "--transcode-cpus-per-worker": 6.0, "--transcode-encoder-threads": 1, "--transcode-ffmpeg-batch-size": 16,
    "--transcode-use-hwaccel": False, "--transcode-use-input-video-bit-rate": False,
    "--clip-re-chunk-size": 32, "--motion-filter": "disable", "--motion-global-mean-threshold": 0.00098,
    "--motion-per-patch-min-256-threshold": 0.000001, "--motion-decode-target-fps": 2.0,
    "--motion-decode-target-duration-ratio": 0.5, "--motion-decode-cpus-per-worker": 4.0,
    "--motion-score-batch-size": 64, "--motion-score-gpus-per-worker": 0.5,
    "--clip-extraction-target-res": -1,
    "--aesthetic-threshold": None, "--aesthetic-reduction": "min", "--aesthetic-gpus-per-worker": 0.25,
    "--embedding-algorithm": "cosmos-embed1-224p", "--embedding-gpu-memory-gb": 20.0,
    "--no-generate-embeddings": False, "--generate-previews": False, "--preview-target-fps": 1,
    "--preview-target-height": 240, "--generate-captions": False, "--captioning-algorithm": "qwen2.5",
    "--captioning-window-size": 256, "--captioning-remainder-threshold": 128,
    "--captioning-prompt-variant": "default", "--captioning-prompt-text": None,
    "--captioning-sampling-fps": 2.0, "--captioning-preprocess-dtype": "float16",
    "--captioning-stage2-caption": False, "--captioning-stage2-prompt-text": None,
    "--captioning-batch-size": 8, "--captioning-use-fp8-weights": False,
    "--captioning-max-output-tokens": 512, "--captioning-use-vllm-mmcache": False,
    "--enhance-captions": False,
    "--enhance-captions-algorithm": "qwen2.5", "--enhance-captions-batch-size": 128,
    "--enhance-captions-use-fp8-weights": False, "--enhance-captions-max-output-tokens": 512,
    "--enhance-captioning-prompt-variant": "default", "--enhance-captions-prompt-text": None,
    "--enhanced-caption-models": "qwen_lm",
}  # fmt: skip
"""Flag -> default. ``--transcode-encoder`` is h264_nvenc there; here it is what the machine has."""

ALL_ON = ["--generate-captions", "--generate-previews", "--enhance-captions", "--motion-filter=enable",
          "--aesthetic-threshold=3.5", "--allow-remote-code"]  # fmt: skip

CHANGED = {
    "--model-dir": "weights", "--video-limit": "3", "--splitting-algorithm": "transnetv2",
    "--fixed-stride-split-duration": "4", "--fixed-stride-min-clip-length-s": "1", "--limit-clips": "5",
    "--transnetv2-frame-decoder-mode": "ffmpeg_cpu", "--transnetv2-threshold": "0.6",
    "--transnetv2-min-length-s": "1", "--transnetv2-max-length-s": "20",
    "--transnetv2-max-length-mode": "truncate", "--transnetv2-crop-s": "0.1",
    "--clip-extraction-target-res": "128",
    "--transnetv2-gpu-memory-gb": "4", "--transcode-cpus-per-worker": "2",
    "--transcode-encoder": "libvpx-vp9",
    "--transcode-encoder-threads": "2", "--transcode-ffmpeg-batch-size": "4", "--clip-re-chunk-size": "8",
    "--motion-filter": "score-only", "--motion-global-mean-threshold": "0.1",
    "--motion-per-patch-min-256-threshold": "0.1", "--motion-decode-target-fps": "4",
    "--motion-decode-target-duration-ratio": "1", "--motion-decode-cpus-per-worker": "1",
    "--motion-score-batch-size": "8", "--motion-score-gpus-per-worker": "0", "--aesthetic-threshold": "5",
    "--aesthetic-reduction": "mean", "--aesthetic-gpus-per-worker": "0.5",
    "--embedding-algorithm": "cosmos-embed1-336p", "--embedding-gpu-memory-gb": "8",
    "--preview-target-fps": "2",
    "--preview-target-height": "120", "--captioning-algorithm": "qwen3", "--captioning-window-size": "128",
    "--captioning-remainder-threshold": "64", "--captioning-prompt-variant": "av",
    "--captioning-prompt-text": "Say it.", "--captioning-sampling-fps": "1",
    "--captioning-preprocess-dtype": "uint8", "--captioning-stage2-prompt-text": "Again.",
    "--captioning-batch-size": "2", "--captioning-max-output-tokens": "64",
    "--enhance-captions-algorithm": "qwen3", "--enhance-captions-batch-size": "4",
    "--enhance-captions-max-output-tokens": "64", "--enhance-captioning-prompt-variant": "av",
    "--enhance-captions-prompt-text": "Longer.",
}  # fmt: skip
"""Flag -> another value than its default."""

REFUSED_ALONE = {"--transcode-use-hwaccel": "--transcode-encoder=h264_nvenc"}
"""Switch -> the flag that it needs."""


def spec_of(*arguments: str) -> CurateSpec:
    given = parse(
        (*FLAGS, *OWN_FLAGS), ["--video-dir=v", "--output-path=o", *arguments], prog="x", description=""
    )
    return spec_of_fields(json.loads(json.dumps(spec_fields(given))), "flags")


def test_every_flag_of_the_script_is_there_with_its_default() -> None:
    assert {flag.name: flag.default or (False if flag.kind is bool else flag.default) for flag in FLAGS
            if not flag.is_required and flag.name != "--transcode-encoder"} == SCRIPT  # fmt: skip
    assert {flag.name for flag in FLAGS if flag.is_required} == {"--video-dir", "--output-path"}


def test_the_script_without_options_cuts_ten_seconds_and_embeds() -> None:
    spec = spec_of("--allow-remote-code")
    assert spec.split.extractor.model_dump()["clip_len_s"] == 10.0
    assert spec.embedding is not None
    assert spec.embedding.algorithm == "cosmos-embed1-224p"
    off = (
        spec.motion,
        spec.motion_filter,
        spec.quality,
        spec.aesthetics,
        spec.captions,
        spec.preview,
        spec.dedup,
    )
    assert off == (None,) * 7


@pytest.mark.parametrize("flag", [flag.name for flag in FLAGS if not flag.is_required])
def test_each_flag_changes_the_spec(flag: str) -> None:
    """The last flag has one value only: the spec names it."""
    plain = spec_of(*ALL_ON)
    needs = REFUSED_ALONE.get(flag)
    if flag == "--enhanced-caption-models":
        assert plain.write.enhanced_caption_models == ["qwen_lm"]
        with pytest.raises(SpecError, match="invalid choice: 'qwen'"):
            spec_of("--enhanced-caption-models=qwen")
        return
    if flag in ("--generate-captions", "--generate-previews", "--enhance-captions"):
        changed = spec_of(*[one for one in ALL_ON if one not in (flag, "--enhance-captions")])
    else:
        value = CHANGED.get(flag)
        changed = spec_of(*ALL_ON, *([needs] if needs else []), flag if value is None else f"{flag}={value}")
        plain = spec_of(*ALL_ON, needs) if needs else plain
    assert changed != plain


FAULTS = {
    "": "read it, then add --allow-remote-code, or --no-generate-embeddings to embed nothing",
    "--no-generate-embeddings --generate-captions --captioning-algorithm=nemotron":
        "there is no caption model 'nemotron'; known are qwen, qwen2.5, qwen3, smolvlm2; for another one set "
        "captions.model or captions.endpoint_url in the spec that --print-spec prints",
    "--no-generate-embeddings --captioning-window-size=0":
        "--captioning-window-size must be at least 4, got 0\n",
    "--no-generate-embeddings --fixed-stride-split-duration=0":
        "--fixed-stride-split-duration must be at least 0.1, got 0.0\n",
    "--no-generate-embeddings --limit-clips=-5": "--limit-clips must be at least 0, got -5\n",
    "--no-generate-embeddings --clip-extraction-target-res=5":
        "--clip-extraction-target-res must be from 16 to 4320, or -1, got 5\n",
    "--generate-embeddings --motion-filter=on": "argument --motion-filter: invalid choice: 'on'",
    "--no-generate-embeddings --transnetv2-min-length-s=20":
        "--transnetv2-min-length-s 20.0 exceeds --transnetv2-max-length-s 10.0: no clip fits\n",
    "--allow-remote-code --generate-captions":
        "the two exclude each other: add --no-generate-embeddings, or set captions.endpoint_url in the spec",
}  # fmt: skip


@pytest.mark.parametrize(("flags", "said"), FAULTS.items(), ids=FAULTS)
def test_what_is_wrong_is_said_of_flags(
    flags: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [f"--video-dir={tmp_path}", f"--output-path={tmp_path}/out"]
    assert main(["nemo-split", *places, *flags.split()]) == MISUSE
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--n-clusters=0", "--n-clusters must be at least 1 or 'auto', got 0"),
        ("--n-clusters=2 --eps=2", "--eps must be below 1, got 2.0"),
        ("--n-clusters=2", "nowhere does not exist"),
    ],
)
def test_what_is_wrong_is_said_of_flags_of_deduplication(
    flags: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["nemo-dedup", "--input-path=nowhere", "--output-path=out", *flags.split()]) == MISUSE
    assert capsys.readouterr().err == f"clipmill: {said}\n"


def test_a_misspelt_flag_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nemo-split", "--video-dirs", "v"]) == MISUSE
    assert capsys.readouterr().err == "clipmill: No such option: --video-dirs; did you mean --video-dir?\n"
    assert main(["nemo-split", "--video-dir", "v"]) == MISUSE
    assert "--output-path" in capsys.readouterr().err
    assert main(["nemo-split", "--video-dir=v", "--output-path=o", "--limit-clips=many"]) == MISUSE
    assert "invalid int value: 'many'" in capsys.readouterr().err


@pytest.mark.integration
def test_the_script_runs_on_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_film(tmp_path / "in" / "one.mp4", seed=3, shots=(60,))
    where = ["--video-dir", str(tmp_path / "in"), "--output-path", str(tmp_path / "out")]
    options = ["--no-generate-embeddings", "--motion-filter=score-only", "--generate-previews"]
    options += ["--fixed-stride-split-duration=1", "--fixed-stride-min-clip-length-s=1"]
    assert main(["nemo-split", *where, *options, "--print-spec"]) == DONE
    assert "clip_len_s: 1.0" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert main(["nemo-split", *where, *options]) == DONE
    clips = sorted((tmp_path / "out" / "clips").glob("*.mp4"))
    assert len(clips) == 2
    meta = cast(
        "dict[str, object]", json.loads((tmp_path / "out/metas/v0" / f"{clips[0].stem}.json").read_text())
    )
    assert "motion_score" in meta
    assert len(list((tmp_path / "out" / "previews").rglob("*.webp"))) == 2


def write_embeddings(path: Path, names: tuple[str, str, str]) -> None:
    """Two groups of two copies, and one row by itself."""
    vectors = np.eye(8, dtype=np.float32)[[0, 0, 1, 1, 2]]
    table = pa.table({names[0]: list("abcde"), names[1]: list(vectors), names[2]: [1.0, 2.0, 4.0, 3.0, 9.0]})
    path.mkdir(parents=True)
    pq.write_table(table, path / "part.parquet")


@pytest.mark.integration
def test_the_dedup_flags_find_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_embeddings(tmp_path / "in", ("clip", "vector", "score"))
    options = [
        "--id-field=clip",
        "--embedding-field=vector",
        "--n-clusters=2",
        "--eps=0.1",
        "--rank-by=score",
    ]
    paths = [f"--input-path={tmp_path / 'in'}", f"--output-path={tmp_path / 'out'}"]
    assert main(["nemo-dedup", *paths, *options]) == DONE
    assert capsys.readouterr().out.startswith("2 duplicates: ")
    assert pq.read_table(tmp_path / "out" / "duplicates")["id"].to_pylist() == ["a", "d"]
    assert main(["nemo-dedup", *paths, *options, "--id-field=name"]) == MISUSE
    assert "has no column name; it has clip, vector, score" in capsys.readouterr().err
