"""The Dockerfile of an environment: one extra of pyproject.toml, at the versions of the one lock file.

An image holds libraries; code travels with each registration, unless it is baked in. Ray's pods start in it
through a login shell, and KubeRay looks after them with ``bash`` and ``wget``.
"""

from collections.abc import Sequence
from typing import Literal

Environment = Literal["cpu", "nvdec", "models", "legacy", "vllm", "cuml"]
"""Extras of pyproject.toml. vLLM and cuML pin numba apart, remote-code embedders need transformers 4.55,
NVDEC's bindings clash with vLLM's."""

BASE = "python:3.11.14-slim-bookworm"
"""For GPUs too: wheels bring CUDA's libraries, and the container's runtime the driver's."""
UV = "0.13.8"
"""The version that wrote the lock."""
USER, HOME, PREFIX, WORKDIR = "clipmill", "/home/clipmill", "/opt/clipmill", "/app"
CODE = ("clipmill", "deployment", "images", "tasks", "workflows")
FILES = ("deployment.yaml", "flyte.config", "pyproject.toml", "uv.lock")

_PACKAGES = ("bash", "ca-certificates", "wget")
_COMPILER = ("gcc", "libc6-dev")
"""Triton compiles a stub for each kernel that it starts."""
_WITH_COMPILER: Sequence[Environment] = ("models", "legacy", "vllm")
_DRIVER = "ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video\n"
"""The driver's decoder library is mounted only where "video" is asked for."""


def render(environment: Environment, *, baked: bool = False) -> str:
    """Returns the Dockerfile of an environment; its context is the root of the repository."""
    packages = " ".join((*_PACKAGES, *(_COMPILER if environment in _WITH_COMPILER else ())))
    code = "".join(f"COPY --chown={USER}:{USER} {name} {WORKDIR}/{name}\n" for name in (*CODE, *FILES))
    return f"""\
FROM ghcr.io/astral-sh/uv:{UV} AS uv
FROM {BASE}

RUN apt-get update \\
 && apt-get install --yes --no-install-recommends {packages} \\
 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --home-dir {HOME} --uid 1000 --shell /bin/bash {USER} \\
 && install --directory --owner {USER} --group {USER} {PREFIX} {PREFIX}/lock {WORKDIR}
COPY --from=uv /uv /usr/local/bin/uv

USER {USER}
{_DRIVER if environment != "cpu" else ""}\
ENV VIRTUAL_ENV={PREFIX}/venv UV_PROJECT_ENVIRONMENT={PREFIX}/venv UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
ENV PATH={PREFIX}/venv/bin:$PATH PYTHONPATH={WORKDIR} PYTHONUNBUFFERED=1
COPY --chown={USER}:{USER} pyproject.toml uv.lock {PREFIX}/lock/
RUN uv sync --project {PREFIX}/lock --locked --no-dev --no-install-project --compile-bytecode \\
    --extra {environment} --extra flyte
RUN echo 'export PATH={PREFIX}/venv/bin:$PATH' >> {HOME}/.profile

WORKDIR {WORKDIR}
{code if baked else ""}"""
