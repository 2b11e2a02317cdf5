"""TransNetV2 against its formulas, its file, and its other backend."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from clipmill.errors import ModelUnavailable
from clipmill.models.shots.base import ShotNetwork, colour_histograms
from clipmill.models.shots.open import open_shot_network
from clipmill.models.shots.transnetv2 import TransNetV2, load_network, neighbour_similarities
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from tests.support.checkpoints.shot_weights import cut_finding_weights, random_weights, save

# --- an independent, slow reference: the paper's formulas, one after the other, in double precision ---


def over_picture(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``x`` (C, T, H, W), ``weight`` (O, C, 1, 3, 3); zeros around the picture."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = x.shape[2:]
    return sum(
        np.tensordot(weight[:, :, 0, i, j], padded[:, :, i : i + height, j : j + width], axes=1)
        for i in range(3)
        for j in range(3)
    )


def over_time(x: np.ndarray, weight: np.ndarray, dilation: int) -> np.ndarray:
    """Taps at t - dilation, t, t + dilation; zeros before and after."""
    padded = np.pad(x, ((0, 0), (dilation, dilation), (0, 0), (0, 0)))
    length = x.shape[1]
    return sum(
        np.tensordot(weight[:, :, k, 0, 0], padded[:, k * dilation : k * dilation + length], axes=1)
        for k in range(3)
    )


def cell(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    branches = [
        over_time(
            over_picture(x, weights[f"{name}.Conv3D_{dilation}.layers.0.weight"]),
            weights[f"{name}.Conv3D_{dilation}.layers.1.weight"],
            dilation,
        )
        for dilation in (1, 2, 4, 8)
    ]
    scale = weights[f"{name}.bn.weight"] / np.sqrt(weights[f"{name}.bn.running_var"] + 1e-3)
    shift = weights[f"{name}.bn.bias"] - weights[f"{name}.bn.running_mean"] * scale
    return np.concatenate(branches) * scale[:, None, None, None] + shift[:, None, None, None]


def stage(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    first = np.maximum(cell(x, weights, f"{name}.DDCNN.0"), 0)
    y = np.maximum(cell(first, weights, f"{name}.DDCNN.1"), 0) + first
    height, width = y.shape[2] // 2, y.shape[3] // 2
    y = y[:, :, : 2 * height, : 2 * width]
    return y.reshape(*y.shape[:2], height, 2, width, 2).mean(axis=(3, 5))


def with_neighbours(unit: np.ndarray) -> np.ndarray:
    length = len(unit)
    rows = np.zeros((length, 101))
    for t in range(length):
        for k in range(101):
            if 0 <= t + k - 50 < length:
                rows[t, k] = unit[t] @ unit[t + k - 50]
    return rows


def layer(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def histograms(frames: np.ndarray) -> np.ndarray:
    counts = np.zeros((len(frames), 512))
    for t, frame in enumerate(frames):
        for red, green, blue in frame.reshape(-1, 3).tolist():
            counts[t, (red // 32) * 64 + (green // 32) * 8 + blue // 32] += 1
    return counts / np.sqrt((counts**2).sum(axis=1, keepdims=True))


def reference(frames: np.ndarray, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every layer gives for one window ``(T, 27, 48, 3)``."""
    found: dict[str, np.ndarray] = {}
    x = frames.transpose(3, 0, 1, 2) / 255
    for number in range(3):
        x = found[f"SDDCNN.{number}"] = stage(x, weights, f"SDDCNN.{number}")
    means = np.concatenate([found[f"SDDCNN.{number}"].mean(axis=(2, 3)) for number in range(3)]).T
    projected = found["frame_sim_layer.projection"] = layer(means, weights, "frame_sim_layer.projection")
    unit = projected / np.sqrt((projected**2).sum(axis=1, keepdims=True))
    similar = found["frame_sim_layer"] = np.maximum(
        layer(with_neighbours(unit), weights, "frame_sim_layer.fc"), 0
    )
    colours = found["color_hist_layer"] = np.maximum(
        layer(with_neighbours(histograms(frames)), weights, "color_hist_layer.fc"), 0
    )
    seen = x.transpose(1, 2, 3, 0).reshape(len(frames), -1)
    hidden = found["fc1"] = layer(np.concatenate([colours, similar, seen], axis=1), weights, "fc1")
    logit = found["cls_layer1"] = layer(np.maximum(hidden, 0), weights, "cls_layer1")
    found[""] = 1 / (1 + np.exp(-logit[:, 0]))
    return found


# --- tests ---


def noise(num_frames: int, seed: int = 1) -> np.ndarray:
    """Blocks of colour that change now and then, with noise: uint8 ``(n, 27, 48, 3)``."""
    rng = np.random.default_rng(seed)
    worlds = rng.integers(0, 256, (num_frames // 7 + 1, 9, 16, 3)).repeat(3, axis=1).repeat(3, axis=2)
    pictures = worlds.repeat(7, axis=0)[:num_frames] + rng.integers(-20, 20, (num_frames, 27, 48, 3))
    return np.clip(pictures, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def compared() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Outputs of every layer for 20 frames: the network's, and the reference's."""
    weights, frames, seen = random_weights(), noise(20), dict[str, np.ndarray]()
    network = TransNetV2().eval()
    network.load_state_dict(weights)
    for name, module in network.named_modules():
        module.register_forward_hook(keep_output(name, seen))
    with torch.inference_mode():
        network(torch.from_numpy(frames)[None], torch.from_numpy(colour_histograms(frames))[None])
    in_double = {key: weight.double().numpy() for key, weight in weights.items()}
    return seen, reference(frames, in_double)


def keep_output(name: str, seen: dict[str, np.ndarray]) -> Callable[[object, object, torch.Tensor], None]:
    def keep(_module: object, _inputs: object, output: torch.Tensor) -> None:
        seen[name] = output[0].numpy()

    return keep


LAYERS = (
    "SDDCNN.0", "SDDCNN.1", "SDDCNN.2", "frame_sim_layer.projection", "frame_sim_layer", "color_hist_layer",
    "fc1", "cls_layer1", "",
)  # fmt: skip


@pytest.mark.parametrize("name", LAYERS, ids=lambda name: name or "probability")
def test_every_layer_is_the_papers(
    compared: tuple[dict[str, np.ndarray], dict[str, np.ndarray]], name: str
) -> None:
    found, expected = compared[0][name], compared[1][name]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max())


def test_the_answers_of_random_weights_differ(compared: tuple[dict[str, np.ndarray], object]) -> None:
    assert np.ptp(compared[0][""]) > 0.05


def released_entries() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the released file, as the model notes of its makers have them."""
    entries: dict[str, tuple[int, ...]] = {}
    for number, (num_in, filters) in enumerate([(3, 16), (64, 32), (128, 64)]):
        for block, channels in enumerate((num_in, 4 * filters)):
            name = f"SDDCNN.{number}.DDCNN.{block}"
            for dilation in (1, 2, 4, 8):
                entries[f"{name}.Conv3D_{dilation}.layers.0.weight"] = (2 * filters, channels, 1, 3, 3)
                entries[f"{name}.Conv3D_{dilation}.layers.1.weight"] = (filters, 2 * filters, 3, 1, 1)
            for entry in ("weight", "bias", "running_mean", "running_var"):
                entries[f"{name}.bn.{entry}"] = (4 * filters,)
            entries[f"{name}.bn.num_batches_tracked"] = ()
    linear = {
        "frame_sim_layer.projection": (128, 448), "frame_sim_layer.fc": (128, 101),
        "color_hist_layer.fc": (128, 101), "fc1": (1024, 4864), "cls_layer1": (1, 1024),
        "cls_layer2": (1, 1024),
    }  # fmt: skip
    for name, shape in linear.items():
        entries[f"{name}.weight"], entries[f"{name}.bias"] = shape, shape[:1]
    return entries


def test_names_and_shapes_are_the_released_ones() -> None:
    network = TransNetV2()
    found = {key: tuple(weight.shape) for key, weight in network.state_dict().items()}
    assert found == released_entries()
    assert len(found) == 90
    assert sum(weight.numel() for weight in network.parameters()) == 7_616_258


def test_neighbours_at_the_ends_are_zero() -> None:
    unit = torch.nn.functional.normalize(torch.rand(2, 130, 5), dim=2)
    expected = np.stack([with_neighbours(one.numpy()) for one in unit])
    np.testing.assert_allclose(neighbour_similarities(unit).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_either_file_is_read(tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import save_file

    path = tmp_path / f"weights{suffix}"
    (torch.save if suffix == ".pth" else save_file)(random_weights(3), path)
    assert torch.equal(load_network(path).state_dict()["fc1.bias"], random_weights(3)["fc1.bias"])


def without(key: str) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in random_weights().items() if name != key}


WRONG = {
    "missing": (lambda: without("cls_layer2.bias"), "lacks cls_layer2.bias"),
    "extra": (lambda: random_weights() | {"fc2.bias": torch.zeros(1)}, "also holds fc2.bias"),
    "shape": (
        lambda: random_weights() | {"fc1.bias": torch.zeros(512)},
        r"fc1.bias is \(512,\) where \(1024,\) is wanted",
    ),
    "no tensor": (lambda: random_weights() | {"fc1.bias": "zeros"}, "fc1.bias is str"),
    "another network": (
        lambda: torch.nn.Linear(2, 2).state_dict(), "lacks SDDCNN.0.DDCNN.0.Conv3D_1.* and 87 more"
    ),
    "a list": (lambda: [torch.zeros(2)], "holds no table of weights"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_checkpoint_is_refused_by_name(tmp_path: Path, wrong: str) -> None:
    make, message = WRONG[wrong]
    torch.save(make(), tmp_path / "weights.pth")
    with pytest.raises(ModelUnavailable, match=message):
        load_network(tmp_path / "weights.pth")


class Trap:
    """Runs code when a pickle of it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("sprung"),)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(random_weights() | {"fc1.bias": Trap()}, tmp_path / "weights.pth")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        load_network(tmp_path / "weights.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"half a file" * 9], ids=["empty", "garbage"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ModelUnavailable, match=r"weights.pth: it cannot be read"):
        load_network(tmp_path / "weights.pth")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save(random_weights(), folder)
    return folder


@pytest.fixture(scope="module")
def by_torch(model_dir: Path) -> ShotNetwork:
    return opened(model_dir, "torch")


def opened(model_dir: Path, backend: str, **options: object) -> ShotNetwork:
    spec = {
        "model_dir": str(model_dir), "backend": backend, "device": "cpu", "precision": "float32", **options
    }  # fmt: skip
    return open_shot_network(TransNetV2ClipExtractionStage.model_validate(spec).network_options())


def test_windows_do_not_see_each_other(model_dir: Path, by_torch: ShotNetwork) -> None:
    windows = np.stack([noise(100, seed) for seed in range(2)])
    together = opened(model_dir, "torch", batch_windows=2)
    np.testing.assert_allclose(together.predict(windows), by_torch.predict(windows), atol=1e-6)


def test_no_windows_have_no_answers(by_torch: ShotNetwork) -> None:
    assert by_torch.predict(np.zeros((0, 100, 27, 48, 3), np.uint8)).shape == (0, 100)


def test_openvino_answers_as_torch_does(
    model_dir: Path, by_torch: ShotNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    windows = noise(200).reshape(2, 100, 27, 48, 3)
    expected = by_torch.predict(windows)
    np.testing.assert_allclose(opened(model_dir, "openvino").predict(windows), expected, atol=1e-3)

    # The second time nothing is converted.
    monkeypatch.setattr(subprocess, "run", None)
    again = opened(model_dir, "openvino", precision="bfloat16").predict(windows[:1])
    np.testing.assert_allclose(again, expected[:1], atol=0.02)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_by_default_frames_are_over_the_threshold_that_are_in_float32(
    model_dir: Path, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    windows = noise(100)[None]
    exact = opened(model_dir, backend).predict(windows)[:, 25:75]
    threshold = float(np.median(exact))  # many are near it
    found = opened(model_dir, backend, precision="auto", threshold=threshold).predict(windows)[:, 25:75]
    assert np.array_equal(found > threshold, exact > threshold)


def test_openvino_refuses_a_wrong_checkpoint_in_the_same_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    save(without("cls_layer2.bias"), tmp_path / "models")
    with pytest.raises(ModelUnavailable, match=r"weights.pth: it lacks cls_layer2.bias; put the released"):
        opened(tmp_path / "models", "openvino")


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.02)])
def test_a_gpu_answers_as_the_cpu_does(
    model_dir: Path, by_torch: ShotNetwork, precision: str, tolerance: float
) -> None:
    windows = np.stack([noise(100, seed) for seed in range(3)])
    found = opened(model_dir, "torch", device="cuda", precision=precision).predict(windows)
    np.testing.assert_allclose(found, by_torch.predict(windows), atol=tolerance)


def test_half_as_many_windows_where_memory_is_short(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = opened(model_dir, "torch", batch_windows=4)
    sizes: list[int] = []

    def answer(windows: np.ndarray) -> np.ndarray:
        sizes.append(len(windows))
        if len(windows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return np.full((1, 100), windows[0, 0, 0, 0, 0] / 255, np.float32)

    monkeypatch.setattr(network, "_answer", answer)
    windows = np.stack([np.full((100, 27, 48, 3), 51 * number, np.uint8) for number in range(5)])
    assert network.predict(windows)[:, 0] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert sizes == [4, 2, 1, 1, 1, 1, 1]


def test_weights_made_by_hand_find_a_cut(tmp_path: Path) -> None:
    save(cut_finding_weights(), tmp_path)
    window = np.full((1, 100, 27, 48, 3), 40, np.uint8)
    window[:, 37:] = 200
    assert np.flatnonzero(opened(tmp_path, "torch").predict(window)[0, 25:75] > 0.4).tolist() == [11]
