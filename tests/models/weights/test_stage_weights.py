"""Weights of the models that stages name, also of models that the table does not have."""

import json
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest

from clipmill.curation.run import RunOptions, run_curation
from clipmill.engine.runners.context import Shared, WorkerContext
from clipmill.errors import ModelUnavailable, SpecError
from clipmill.limits import LimitsSpec
from clipmill.models.registry import entry_of, model_named
from clipmill.models.weights.stage_weights import folder_of, known_of
from clipmill.planning.nodes import Node
from clipmill.planning.plan import plan_of
from clipmill.stages.base import Batch, Column, ModelRef, Reads, Stage, StageContext, Worker
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.io.clip_writer import ClipWriterStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.runs.curation import rows


class NetScore(Stage):
    """Scores every clip by a number that stands in its weights."""

    name: ClassVar = "net_score"
    grain: ClassVar = "clip"
    writes: ClassVar = (Column("net_score", pa.float64(), "the number in the weights"),)

    place: str = "models"

    def models(self) -> tuple[ModelRef, ...]:
        """Returns a model that no table has."""
        return (ModelRef("net", "v1", self.place),)

    def open(self, context: StageContext) -> Worker:
        """Returns a worker that says the number."""
        number = float((context.weights("net") / "net.onnx").read_text())

        def score(batch: Batch) -> dict[str, list[float]]:
            return {"net_score": [number] * len(batch)}

        return score


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights beside no network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "models" / "net"
    folder.mkdir(parents=True)
    (folder / "net.onnx").write_text("4.5")
    return folder


def test_a_model_of_the_table_is_itself() -> None:
    assert entry_of("clip") == model_named("clip")


@pytest.mark.parametrize(
    ("name", "source"),
    [("net", "net"), ("org/net", "org/net"), ("/weights/net", "net"), ("s3://store/net", "net")],
)
def test_a_model_that_the_table_does_not_have_is_a_hub_id_or_a_place(name: str, source: str) -> None:
    entry = entry_of(name)
    assert (entry.kind, entry.source, entry.revision) == ("own", source, "main")


def test_own_weights_lie_below_their_place_or_in_it(folder: Path) -> None:
    assert folder_of(ModelRef("net", place=str(folder.parent))) == folder
    assert folder_of(ModelRef("net", place=str(folder))) == folder


def test_own_weights_that_are_nowhere_are_named(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"model other at .*nowhere"):
        folder_of(ModelRef("other", place=str(folder / "nowhere")))


def test_own_weights_have_a_digest_where_they_can_be_seen(folder: Path) -> None:
    known = known_of(ModelRef("net", place=str(folder.parent)))
    assert known is not None
    assert list(known.files) == ["net.onnx"]
    assert known_of(ModelRef("net", place=str(folder / "nowhere"))) is None


def test_a_worker_finds_the_models_that_its_stage_names(folder: Path) -> None:
    stage = NetScore(place=str(folder))
    context = WorkerContext(Node("net_score", stage, Reads()), Shared(), output_uri=None)
    assert context.weights("net") == folder
    with pytest.raises(SpecError, match=r"net_score asks for model clip, which its models\(\) do not name"):
        context.weights("clip")


def test_a_run_with_a_model_of_its_own_names_it_in_the_manifest(
    folder: Path, film: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    writer = ClipWriterStage(
        output_path=str(output), input_path=str(film.parent), upload_clips=False, dry_run=False,
        generate_embeddings=False, generate_previews=False, generate_captions=False,
    )  # fmt: skip
    stages = [
        VideoReader(input_video_path=str(film.parent)),
        FixedStrideExtractorStage(),
        NetScore(place=str(folder)),
        writer,
    ]
    run_curation(plan_of(stages, limits=LimitsSpec()), RunOptions())
    assert {row["net_score"] for row in rows(output, "clips")} == {4.5}
    [model] = json.loads((output / "manifest.json").read_text())["models"]
    assert (model["stage"], model["name"], model["revision"], model["licence"]) == (
        "net_score",
        "net",
        "v1",
        None,
    )
    assert len(model["digest"]) == 64
