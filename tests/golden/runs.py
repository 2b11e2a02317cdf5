"""Carries out a golden run in this process, with a model server that describes what it is shown."""

import hashlib
import json
from pathlib import Path

from clipmill.specs import CurateSpec
from tests.golden.specs import GoldenRun, Spec
from tests.support.runs.curation import curate_here
from tests.support.stand_ins.model_server import ModelServer, model_server


def curate_golden(run: GoldenRun, source: Path, output: Path) -> None:
    """Curate the films of a golden run into ``output``."""
    with model_server() as server:
        server.speaks = describe
        curate_here(source, output, CurateSpec.model_validate(_with_server(run.spec, server)))


def describe(body: dict) -> str:
    """Answers yes or no to a question; else returns a digest of the text and frames of the request."""
    message = body["messages"][-1]["content"]
    digest = hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()
    text = message if isinstance(message, str) else message[-1]["text"]
    if "yes or no" in text:
        return "Yes." if int(digest, 16) % 2 else "No."
    return digest


def _with_server(spec: Spec, server: ModelServer) -> Spec:
    return {
        name: {**group, "endpoint_url": server.url}
        if isinstance(group, dict) and "endpoint_model" in group
        else group
        for name, group in spec.items()
    }
