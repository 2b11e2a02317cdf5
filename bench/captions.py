"""``python -m bench.captions [--model FOLDER]``: what captions cost beside the model, and what a model gives.

Without a folder: CPU time of our own work on a window (20 frames sampled at 336 lines), and of requests to a
server on this machine that answers at once. With a folder of weights that transformers runs, tiny or real:
windows per second on one core, one by one and in batches. CPU seconds, so that a busy machine counts less.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from bench import machine
from clipmill.models.captioning.chat import ChatModel, ChatRequest, answered
from clipmill.models.captioning.frames import BUDGETS, fitted_size, resized
from clipmill.models.captioning.open_chat import open_model
from clipmill.models.preprocessing.patches import video_patches
from clipmill.models.preprocessing.pixels import Preprocessing
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage

NUM_FRAMES, HEIGHT_PX, WIDTH_PX = 20, 336, 597
ANSWER = json.dumps({"choices": [{"message": {"content": "a caption"}, "finish_reason": "stop"}]}).encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench.captions", description="Measure what captions cost.")
    parser.add_argument("--model", help="folder of weights that transformers runs on a CPU")
    options = parser.parse_args(arguments)
    print(*machine.notes(), sep="\n")
    print("\n| what | CPU ms per window | windows per s |\n|---|---|---|")
    if options.model:
        _measure_model(options.model)
    else:
        _measure_own_work()
        _measure_endpoint()
    print(f"\nafterwards, {machine.load()}")
    return 0


def _frames(seed: int = 0) -> np.ndarray:
    """Smooth pictures with some noise, of which a JPEG has a usual size."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    wave = 110 + 60 * np.sin(rows / 30)[..., None] + 40 * np.cos(columns / 45)[..., None]
    noise = rng.normal(0, 6, (NUM_FRAMES, HEIGHT_PX, WIDTH_PX, 3))
    return (wave + noise).clip(0, 255).astype(np.uint8)


def _requests(num: int) -> list[ChatRequest]:
    frames = _frames()
    return [ChatRequest(f"w{index}", "Describe.", frames=frames, fps=2.0) for index in range(num)]


def _measure_own_work() -> None:
    frames = _frames()
    size = fitted_size(HEIGHT_PX, WIDTH_PX, num_frames=NUM_FRAMES, budget=BUDGETS["qwen"])
    whole = resized(frames, size)
    usual = Preprocessing((1, 1), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    _row("resize in 32-bit numbers", 3, lambda: resized(frames, size, dtype="float32"))
    _row("resize in 8-bit numbers", 3, lambda: resized(frames, size))
    _row("patches for Qwen2.5-VL", 3, lambda: video_patches(whole, usual, patch_px=14, merge=2, temporal=2))


def _measure_endpoint() -> None:
    with _server() as url:
        for concurrency in (1, 8, 32):
            served = {"endpoint_url": url, "endpoint_model": "m", "endpoint_concurrency": concurrency}
            captioner = _captioner(served)
            requests = _requests(24)
            asked = list(answered(captioner, requests[:2]))  # threads and imports are there
            _row(
                f"request with 20 JPEGs, {concurrency} at once, server included",
                1,
                lambda asked=captioner, sent=requests: list(answered(asked, sent)),
                num_windows=len(requests),
            )
            captioner.close()
            assert asked


def _measure_model(folder: str) -> None:
    for batch_size in (1, 8):
        spec = {"model": folder, "backend": "transformers", "device": "cpu", "max_output_tokens": 32}
        captioner = _captioner({**spec, "caption_batch_size": batch_size})
        requests = _requests(8)
        _row(
            f"32 tokens in batches of {batch_size}",
            1,
            lambda asked=captioner, sent=requests: list(answered(asked, sent)),
            num_windows=len(requests),
        )


def _captioner(options: Mapping[str, object]) -> ChatModel:
    return open_model(CaptionGenerationStage.model_validate(options).serving(), num_threads=1)


def _row(name: str, times: int, work: Callable[[], object], *, num_windows: int = 1) -> None:
    """The least of several times."""
    costs: list[tuple[float, float]] = []
    for _ in range(times):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        work()
        costs.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
    cpu_s, wall_s = min(costs)
    print(f"| {name} | {1000 * cpu_s / num_windows:.0f} | {num_windows / wall_s:.1f} |", flush=True)


@contextmanager
def _server() -> Generator[str]:
    """A server that answers whatever it is asked, at once."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    raise SystemExit(main())
