"""Runs in an environment of its own: ``make test-vllm``."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where the tiny checkpoint of a kind lies; each is made once."""
    from tests.support.checkpoints.tiny_vlm import VLMS, save_language_model

    root = tmp_path_factory.mktemp("checkpoints")
    makers = {**VLMS, "language": save_language_model}

    def folder(kind: str) -> Path:
        return root / kind if (root / kind).exists() else makers[kind](root / kind)

    return folder


@pytest.fixture(autouse=True)
def _engine_on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
    }.items():
        monkeypatch.setenv(name, value)
