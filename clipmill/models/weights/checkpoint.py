"""Loading a checkpoint of ``transformers``: safetensors only, every key in its place, faults in one line."""

# pyright: reportMissingImports=false

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipmill.errors import ModelUnavailable, one_line
from clipmill.models.registry import ModelEntry

if TYPE_CHECKING:
    import torch

_REMEDY = "fetch it again, or name the weights of another model"


def load_network(
    entry: ModelEntry, folder: Path, *, dtype: str, device: "torch.device", auto: str = "AutoModel"
) -> Any:
    """The model in a folder, ready to run; ``auto`` names the class of transformers that knows its head.

    ModelUnavailable when the weights are not all of its own.
    """
    import torch
    import transformers

    try:
        network, loading = getattr(transformers, auto).from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
        )
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise unavailable(entry, folder, str(error)) from error
    lost = sorted(loading["missing_keys"])
    if lost:
        raise unavailable(entry, folder, f"{len(lost)} weights are missing, the first is {lost[0]}")
    if other := sorted(loading["mismatched_keys"]):
        name, found, wanted = other[0]
        raise unavailable(entry, folder, f"{name} has the shape {tuple(found)}, not {tuple(wanted)}")
    return network.to(device).eval().requires_grad_(False)


def load_tokenizer(entry: ModelEntry, folder: Path) -> Any:
    """The tokenizer beside the weights. ModelUnavailable when there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise unavailable(entry, folder, f"no tokenizer: {error}") from error


def unavailable(entry: ModelEntry, folder: Path, cause: str) -> ModelUnavailable:
    """What went wrong with weights, in one line."""
    return ModelUnavailable(entry.name, str(folder), one_line(cause), _REMEDY)
