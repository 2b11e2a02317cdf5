"""Which changes compute a stage's rows again."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Annotated, ClassVar

import pyarrow as pa
import pytest

from clipmill.planning.digests import column_digest
from clipmill.planning.from_spec import placed_stages, plan_of_spec
from clipmill.planning.nodes import Placed
from clipmill.planning.plan import Plan, plan_of
from clipmill.specs import CurateSpec
from clipmill.stages.base import SPEED, VERDICT, Affects, Column, Frames, ModelRef, Reads, Rule, Stage
from clipmill.stages.video.clipping.clip_extraction_stages import FixedStrideExtractorStage
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage
from clipmill.stages.video.filtering.clip_aesthetic_filter import ClipAestheticFilterStage
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.hand_made import plan


class Score(Stage):
    """A score with one field of each kind."""

    name: ClassVar = "score"
    grain: ClassVar = "clip"
    code: ClassVar = "version"
    writes: ClassVar = (
        Column("raw", pa.float64(), "as measured"),
        Column("scaled", pa.float64(), "times ``scale``", derived=True),
    )

    fps: float = 1.0
    least: Annotated[float, VERDICT] = 0.1
    scale: Annotated[float, VERDICT] = 1.0
    batch_size: Annotated[int, SPEED] = 8
    revision: Annotated[str, SPEED] = "r1"

    def reads(self) -> Reads:
        return Reads(frames=Frames(Fraction(self.fps), 48))

    def models(self) -> tuple[ModelRef, ...]:
        return (ModelRef("a-model", self.revision),)

    def rules(self) -> tuple[Rule, ...]:
        return (Rule("scaled", "low", min=self.least),)

    def published(self, rows: pa.Table) -> pa.Table:
        return rows.append_column("scaled", rows["raw"])


class NewScore(Score):
    version: ClassVar = 2


class Reader(Stage):
    """A number made from one column of the score."""

    name: ClassVar = "reader"
    grain: ClassVar = "clip"
    code: ClassVar = "version"
    writes: ClassVar = (Column("double", pa.float64(), "twice"),)

    of: str = "raw"

    def reads(self) -> Reads:
        return Reads(columns=(f"score:{self.of}",))


def digest(*stages: object, key: str = "score") -> str:
    return plan(*stages).by_key[key].digest


@pytest.mark.parametrize(
    "changed", [{"least": 0.5}, {"scale": 3.0}, {"batch_size": 1}], ids=["bound", "verdict", "speed"]
)
def test_verdicts_and_speed_compute_nothing_again(changed: dict[str, float]) -> None:
    assert digest(Score(**changed)) == digest(Score())  # pyright: ignore[reportArgumentType] by name


@pytest.mark.parametrize(
    "stage",
    [Score(fps=2.0), Score(revision="r2"), NewScore(), Placed(Score(), "score_2")],
    ids=["parameter", "revision of the model", "version", "key"],
)
def test_what_changes_a_result_computes_it_again(stage: Stage | Placed) -> None:
    (changed,) = plan(stage).rowed
    assert changed.digest != digest(Score())


def test_neighbours_and_the_extractor_compute_nothing_again() -> None:
    assert digest(Score(), Reader()) == digest(Score())
    by_clock = digest(Score(), FixedStrideExtractorStage())
    assert by_clock == digest(Score(), ContentClipExtractionStage())


def test_what_reads_a_column_is_computed_again_with_it() -> None:
    assert digest(Score(), Reader(), key="reader") != digest(Score(fps=2.0), Reader(), key="reader")
    assert digest(Score(), Reader(), key="reader") == digest(Score(scale=3.0), Reader(), key="reader")


@pytest.mark.parametrize("changed", [{"scale": 3.0}, {"least": 0.5}])
def test_what_reads_a_derived_column_is_computed_again_with_the_verdicts(changed: dict[str, float]) -> None:
    reader = Reader(of="scaled")
    before = digest(Score(), reader, key="reader")
    assert digest(Score(**changed), reader, key="reader") != before  # pyright: ignore[reportArgumentType] by name


def test_the_digest_of_a_column_has_the_verdicts_only_where_it_is_derived() -> None:
    def columns(of: Plan) -> dict[str, str]:
        owner = of.by_key["score"]
        refs = (ref for key in ("reader", "derived") for ref in of.by_key[key].inputs)
        return {ref.column.name: column_digest(ref, owner) for ref in refs}

    readers = (Reader(), Placed(Reader(of="scaled"), "derived"))
    before, after = columns(plan(Score(), *readers)), columns(plan(Score(scale=3.0), *readers))
    assert before["raw"] == after["raw"] == digest(Score())
    assert before["scaled"] != after["scaled"]


def test_the_threshold_and_the_reduction_of_aesthetics_compute_nothing_again() -> None:
    before = digest(ClipAestheticFilterStage(), key="aesthetic")
    changed = ClipAestheticFilterStage(score_threshold=5.0, reduction="mean", num_gpus_per_worker=1.0)
    assert digest(changed, key="aesthetic") == before


class Toned(Score):
    """A score with an option for films of high dynamic range."""

    tone: Annotated[str, Affects("hdr")] = "kept"


class TonedReader(VideoReader):
    """The same for every stage that reads pictures."""

    tone: Annotated[str, Affects("hdr", reads=("decode",), before="mapped")] = "kept"


def test_an_option_for_some_films_is_in_no_digest_and_in_their_rows_and_what_reads_them() -> None:
    before, after = plan(Toned(), Reader()), plan(Toned(tone="mapped"), Reader())
    assert before.digests() == after.digests()
    for key in ("score", "reader"):
        assert before.by_key[key].effects_in("hdr sound") == ""
        assert after.by_key[key].effects_in("hdr sound") == 'tone="mapped"'
        assert after.by_key[key].effects_in("sound") == ""


def test_an_option_of_the_reader_concerns_what_reads_pictures() -> None:
    spec = CurateSpec()
    placed = list(placed_stages(spec, source="/videos", output="/out"))
    reader = Placed(TonedReader(input_video_path="/videos"))
    of = plan_of([reader, *placed[:-2], placed[-1]], limits=spec.limits)
    found = {node.key for node in (of.extractor, *of.rowed) if node.effects_in("hdr")}
    assert found == {"content", "motion", "quality", "encode", "embedding", "preview"}
    assert of.digests() == plan_of(placed, limits=spec.limits).digests()


@pytest.mark.parametrize(
    ("snaps", "audio", "expected"),
    [
        (True, {"track": 1}, "audio.track=1"),
        (True, {"track": "all"}, ""),
        (True, {}, ""),
        (False, {"track": 1}, ""),
    ],
    ids=["other track", "all tracks", "default track", "no pauses"],
)
def test_the_track_of_clips_concerns_where_they_end(
    snaps: bool, audio: dict[str, object], expected: str
) -> None:
    split = {"algorithm": "content", "content": {"snap_to_silence": snaps}}
    spec = CurateSpec.model_validate({"split": split, "transcode": {"audio": audio}})
    extractor = plan_of_spec(spec, source="/videos", output="/out").extractor
    assert extractor.effects_in("sound") == expected
    assert extractor.effects_in("") == ""


def test_windows_elsewhere_compute_window_stages_again_and_no_other() -> None:
    def digests(**windows: object) -> dict[str, str]:
        spec = CurateSpec.model_validate({"windows": windows})
        return plan_of_spec(spec, source="/videos", output="/out").digests()

    before, after = digests(), digests(window_size=128)
    assert {key for key in before if before[key] != after[key]} == {"preview"}


USER = """
from typing import ClassVar
import pyarrow as pa
from clipmill.stages.base import Column, Stage

class Mine(Stage):
    name: ClassVar = "mine"
    grain: ClassVar = "clip"
    code: ClassVar = "{code}"
    writes: ClassVar = (Column("number", pa.float64(), "a number"),)

    def open(self, context):
        return lambda batch: {{"number": [{number}] * len(batch)}}
"""


def users_digest(folder: Path, monkeypatch: pytest.MonkeyPatch, *, number: str, code: str = "source") -> str:
    """The digest of a stage in a package of the user's own, whose worker returns a number."""
    package = folder / f"run_{len(list(folder.iterdir()))}" / "digested"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text(USER.format(number=number, code=code))
    with monkeypatch.context() as patch:
        patch.syspath_prepend(package.parent)
        spec = CurateSpec.model_validate({"stages": [{"use": "digested.mine:Mine"}]})
        found = plan_of_spec(spec, source="/videos", output="/out").by_key["mine"].digest
    for name in ("digested", "digested.mine"):
        del sys.modules[name]
    return found


def test_the_code_of_a_users_stage_is_in_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = users_digest(tmp_path, monkeypatch, number="1.0")
    assert users_digest(tmp_path, monkeypatch, number="1.0  # as before\n") == before
    assert users_digest(tmp_path, monkeypatch, number="2.0") != before


def test_a_stage_that_trusts_its_version_is_not_computed_again_for_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        users_digest(tmp_path, monkeypatch, number=number, code="version") for number in ("1.0", "2.0")
    )
    assert first == second
