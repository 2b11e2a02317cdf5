"""``python -m bench.gpu [--tiny] [--video FILE] [--seconds S]``: what a GPU does of the work, in 8 minutes.

Uses the torch and transformers of the machine. Brought along are only ``av``, PyNvVideoCodec and a short
film; of clipmill only modules that need nothing else. Models have their released sizes and random weights:
rates do not depend on weights. A part that cannot run is reported with its cause, and the others go on.
``--tiny`` runs every part on small sizes, on a CPU if there is no GPU: it measures nothing.
"""

# pyright: basic, reportMissingImports=false

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

BUDGET_S = 420.0
"""For all parts: what is left of 8 minutes pays for the imports and for the part that is under way."""
SEED = 7


@dataclass(frozen=True)
class Row:
    """A rate, or the cause of there being none."""

    part: str
    rate: float = 0.0
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Sizes:
    """How much work each part does."""

    is_tiny: bool
    seconds: float
    video: str

    def pick(self, released: int, tiny: int) -> int:
        """Returns one of two sizes."""
        return tiny if self.is_tiny else released


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table and, as the last line, the same as JSON."""
    options = argparse.ArgumentParser(prog="python -m bench.gpu")
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--video", default="")
    options.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    given = options.parse_args(arguments)
    sizes = Sizes(given.tiny, 0.01 if given.tiny else given.seconds, given.video)
    rows: list[Row] = []
    until_s = time.monotonic() + BUDGET_S
    with _watched() as used:
        for name, part in PARTS.items():
            found = _measured(name, part, sizes, until_s)
            print(*map(_line, found), sep="\n", flush=True)
            rows += found
    report = {"machine": _machine(), "rows": [asdict(row) for row in rows], "used": used}
    print(json.dumps(report))
    return 0


def _measured(name: str, part: Callable[[Sizes], Iterator[Row]], sizes: Sizes, until_s: float) -> list[Row]:
    if time.monotonic() > until_s:
        return [Row(name, note="not run: the time was over")]
    try:
        return list(part(sizes))
    except Exception as error:  # noqa: BLE001 - the other parts are measured all the same
        return [Row(name, note=f"not run: {type(error).__name__}: {str(error).splitlines()[:1]}")]
    finally:
        _free()


def _line(row: Row) -> str:
    return f"{row.part:<28} {row.note or f'{row.rate:,.1f} {row.unit}'}"


def _free() -> None:
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _rate(step: Callable[[], int], seconds: float) -> float:
    """Items a second of ``step``, which returns how many it did, after one call to warm up."""
    import torch

    step()
    started_s, num_done = time.monotonic(), 0
    while time.monotonic() - started_s < seconds or not num_done:
        num_done += step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return num_done / (time.monotonic() - started_s)


# Decoding


def decode(sizes: Sizes) -> Iterator[Row]:
    """Frames a second by FFmpeg's decoder and by NVDEC, and whether they are equal."""
    if not sizes.video:
        yield Row("decode", note="not run: no --video")
        return
    cpu_rate, cpu_sum = _decoded(sizes.video, by_gpu=False)
    yield Row("decode, CPU", cpu_rate, "frames/s")
    from clipmill.media.decode.nvdec import NvdecFault

    try:
        gpu_rate, gpu_sum = _decoded(sizes.video, by_gpu=True)
    except NvdecFault as fault:
        yield Row("decode, NVDEC", note=f"not run: {fault}")
        return
    note = "" if gpu_sum == cpu_sum else f"{gpu_rate:,.1f} frames/s, but its frames are others"
    yield Row("decode, NVDEC", gpu_rate, "frames/s", note)


def _decoded(video: str, *, by_gpu: bool) -> tuple[float, int]:
    """Frames a second, and the sum of all luma."""
    import av

    from clipmill.media.decode.nvdec import NvdecDecoder

    started_s, num_frames, total = time.monotonic(), 0, 0
    with av.open(video) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        decoder = NvdecDecoder(stream) if by_gpu else stream
        for packet in container.demux(stream):
            for frame in decoder.decode(packet if packet.size else None):
                num_frames += 1
                total += int(
                    np.frombuffer(memoryview(frame.planes[0]), np.uint8)[: frame.planes[0].line_size].sum()
                )
    return num_frames / (time.monotonic() - started_s), total


# Models


def clip(sizes: Sizes) -> Iterator[Row]:
    """Pictures a second of CLIP ViT-L/14's tower."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=sizes.pick(1024, 32), intermediate_size=sizes.pick(4096, 64),
        num_hidden_layers=sizes.pick(24, 2), num_attention_heads=sizes.pick(16, 2), patch_size=14,
        image_size=sizes.pick(224, 28), projection_dim=sizes.pick(768, 16),
    )  # fmt: skip
    yield _tower("CLIP ViT-L/14", CLIPVisionModelWithProjection(config), sizes.pick(224, 28), sizes)


def siglip2(sizes: Sizes) -> Iterator[Row]:
    """Pictures a second of SigLIP2 so400m's tower."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(
        hidden_size=sizes.pick(1152, 32), intermediate_size=sizes.pick(4304, 64),
        num_hidden_layers=sizes.pick(27, 2), num_attention_heads=sizes.pick(16, 2), patch_size=14,
        image_size=sizes.pick(384, 28),
    )  # fmt: skip
    yield _tower("SigLIP2 so400m", SiglipVisionModel(config), sizes.pick(384, 28), sizes)


def _tower(name: str, model: Any, side_px: int, sizes: Sizes) -> Row:  # noqa: ANN401 torch is not here to name it
    import torch

    device, batch = _device(), sizes.pick(64, 2)
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    model = model.to(device, kind).eval()
    pixels = torch.zeros((batch, 3, side_px, side_px), device=device, dtype=kind)

    def step() -> int:
        with torch.inference_mode():
            model(pixel_values=pixels)
        return batch

    return Row(name, _rate(step, sizes.seconds), f"pictures/s (batch {batch}, {kind})")


def transnetv2(sizes: Sizes) -> Iterator[Row]:
    """Frames a second of TransNetV2: 50 of each window of 100 are new."""
    import torch

    from clipmill.models.shots.transnetv2 import TransNetV2

    device, batch = _device(), sizes.pick(16, 1)
    network = TransNetV2().to(device).eval()
    frames = torch.zeros((batch, 100, 27, 48, 3), dtype=torch.uint8, device=device)
    histograms = torch.zeros((batch, 100, 512), device=device)

    def step() -> int:
        with torch.inference_mode():
            network(frames, histograms)
        return 50 * batch

    yield Row("TransNetV2", _rate(step, sizes.seconds), f"frames/s (batch {batch}, float32)")


def qwen(sizes: Sizes) -> Iterator[Row]:
    """Tokens a second that a Qwen2.5-VL of 3B writes behind a prompt as long as a window's pictures."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    hidden = sizes.pick(2048, 64)
    text = {
        "vocab_size": sizes.pick(151_936, 256), "hidden_size": hidden,
        "intermediate_size": sizes.pick(11_008, 128), "num_hidden_layers": sizes.pick(36, 2),
        "num_attention_heads": sizes.pick(16, 4), "num_key_value_heads": 2, "max_position_embeddings": 8192,
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 1e6,
            "mrope_section": [16, 24, 24] if hidden > 64 else [2, 3, 3],
        },
        "bos_token_id": 0, "eos_token_id": None, "pad_token_id": 0,
    }  # fmt: skip
    vision = {
        "depth": sizes.pick(32, 2), "hidden_size": sizes.pick(1280, 32), "out_hidden_size": hidden,
        "intermediate_size": sizes.pick(3420, 64), "num_heads": sizes.pick(16, 2),
        "fullatt_block_indexes": [7, 15, 23, 31] if hidden > 64 else [1],
    }  # fmt: skip
    device = _device()
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True)
        model = Qwen2_5_VLForConditionalGeneration(config).to(kind).eval()
    batch, num_new = sizes.pick(16, 1), sizes.pick(64, 2)
    prompt = torch.ones((batch, sizes.pick(1500, 8)), dtype=torch.long, device=device)

    def step() -> int:
        with torch.inference_mode():
            model.generate(prompt, max_new_tokens=num_new, min_new_tokens=num_new, do_sample=False)
        return batch * num_new

    num_parameters = sum(one.numel() for one in model.parameters())
    unit = f"tokens/s (batch {batch}, prompts of {prompt.shape[1]}, {num_parameters / 1e9:.1f}B parameters)"
    yield Row("Qwen2.5-VL, random", _rate(step, sizes.seconds), unit)


# Deduplication


def clusters(sizes: Sizes) -> Iterator[Row]:
    """Rows a second that find their nearest of the centroids: a round of k-means does little else."""
    from clipmill.dedup.backends import torch_backend

    rows = _directions(sizes.pick(1_000_000, 200))
    centroids = rows[: sizes.pick(1000, 4)]

    def step() -> int:
        torch_backend.nearest_few(rows, centroids, count=1, block_rows=16_384)
        return len(rows)

    yield Row("k-means, a round", _rate(step, sizes.seconds), f"rows/s ({len(rows)} x 768, {len(centroids)})")


def pairs(sizes: Sizes) -> Iterator[Row]:
    """Pairs a second within a cluster, each row with all earlier ones."""
    from clipmill.dedup.backends import torch_backend

    rows = _directions(sizes.pick(100_000, 100))

    def step() -> int:
        torch_backend.nearest_earlier(rows, batch_size=sizes.pick(8192, 32))
        return len(rows) * (len(rows) - 1) // 2

    yield Row("pairs of a cluster", _rate(step, sizes.seconds), f"pairs/s ({len(rows)} x 768)")


def _directions(num_rows: int) -> np.ndarray:
    rows = np.random.default_rng(SEED).standard_normal((num_rows, 768), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


PARTS: dict[str, Callable[[Sizes], Iterator[Row]]] = {
    "decode": decode,
    "CLIP": clip,
    "SigLIP2": siglip2,
    "TransNetV2": transnetv2,
    "k-means": clusters,
    "pairs": pairs,
    "Qwen2.5-VL": qwen,
}

# The machine


def _machine() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in ("torch", "transformers", "av"):
        module = sys.modules.get(name)
        found[name] = str(getattr(module, "__version__", "not imported"))
    if "torch" in sys.modules:
        import torch

        found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return found


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Lines of ``nvidia-smi``, one a second: use in percent and memory in MiB; none without it."""
    lines: list[str] = []
    command = [
        "nvidia-smi",
        "--query-gpu=utilization.gpu,memory.used",
        "--format=csv,noheader,nounits",
        "-l",
        "1",
    ]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        yield lines
        return
    said = process.stdout
    assert said is not None
    reader = threading.Thread(target=lambda: lines.extend(map(str.strip, said)), daemon=True)
    reader.start()
    try:
        yield lines
    finally:
        process.kill()
        process.wait()
        reader.join()


if __name__ == "__main__":
    assert Path("clipmill").is_dir(), "run it from the root of the repository"
    raise SystemExit(main())
