"""Stages behind a barrier run in a phase of their own, for the clips that passed it."""

import json
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.errors import SpecError
from clipmill.intake.inspection import inspect_manifest
from clipmill.intake.shards import plan_shards
from clipmill.planning.environment import environment_of, environments_of
from clipmill.planning.from_spec import in_phases, placed_stages, plan_of_spec
from clipmill.planning.nodes import Placed
from clipmill.planning.plan import Plan, plan_of
from clipmill.specs import CurateSpec, DedupSpec, ShardingSpec, StageUse
from clipmill.stages.base import Column, Reads
from clipmill.stages.roles import EmbedderStage
from footage import copies
from footage.sound import sound_bed
from tests.support import hand_made
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, laps, plain_spec, rows, run_python
from tests.support.runs.one_codec import one_codec_process
from tests.support.stages.light_stage import LightFilter

pytestmark = pytest.mark.integration


LENGTH_S = 4


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phases") / "source"
    film = draw_film(folder / "film.mp4", seed=31, shots=[LENGTH_S * 24])
    copies.reencode(film, folder / "worn.mp4", crf=30, sound=sound_bed(LENGTH_S, seed=31))
    draw_film(folder / "other.mp4", seed=32, shots=[LENGTH_S * 24])
    return folder


@pytest.fixture(scope="module")
def last(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run with the stage behind deduplication left."""
    output = tmp_path_factory.mktemp("phases") / "last"
    with one_codec_process():
        curate_here(source, output, spec(after="dedup"))
    return output


def spec(*, after: str) -> CurateSpec:
    stage = {"use": "tests.support.stages.light_stage:LightFilter", "after": after}
    return CurateSpec.model_validate(
        {"preview": None, "split": {"content": {"crop_s": 0.0}}, "stages": [stage], "dedup": {}}
    )


def lights(output: Path) -> dict[str, object]:
    return {str(row["clip_id"]): row["luma_mean"] for row in rows(output, "clips")}


@pytest.mark.usefixtures("shared_codec")
def test_a_stage_behind_deduplication_runs_for_unique_clips_only(
    source: Path, last: Path, tmp_path: Path
) -> None:
    curate_here(source, tmp_path, spec(after=""))
    statuses = {str(row["clip_id"]): row["status"] for row in rows(last, "clips")}
    assert sorted(map(str, statuses.values())) == ["duplicate", "kept", "kept"]
    first = lights(tmp_path)
    assert lights(last) == {name: first[name] if statuses[name] == "kept" else None for name in first}
    assert sum(int(str(lap["num_items"])) for lap in laps(last) if lap["operator"] == "light") == 2


@pytest.mark.usefixtures("shared_codec")
def test_a_second_run_has_nothing_to_do(source: Path, last: Path) -> None:
    before = len(laps(last))
    curate_here(source, last, spec(after="dedup"))
    assert len(laps(last)) == before


@pytest.mark.usefixtures("shared_codec")
def test_a_copy_of_a_clip_that_is_rejected_behind_deduplication_stays_a_duplicate(
    source: Path, last: Path, tmp_path: Path
) -> None:
    """The stage never saw it, so that it is not kept in the other one's place."""
    stage = {"use": "tests.support.stages.light_stage:LightFilter", "after": "dedup", "threshold": 1.0}
    curate_here(source, tmp_path, spec(after="dedup").model_copy(update={"stages": [StageUse(**stage)]}))
    before = {row["clip_id"]: row["status"] for row in rows(last, "clips")}
    now = {row["clip_id"]: row["status"] for row in rows(tmp_path, "clips")}
    assert now == {name: "filtered" if status == "kept" else status for name, status in before.items()}


PHASE = """
import json, sys
from clipmill.curation.run import RunOptions, run_phase
from clipmill.planning.from_spec import plan_of_spec
from clipmill.runs.lease import take
from clipmill.runs.run_id import new_run_id
from clipmill.specs import CurateSpec
phase, source, output, listing, spec, passed = json.loads(sys.argv[1])
if __name__ == "__main__":
    plan = plan_of_spec(CurateSpec.model_validate_json(spec), source=source, output=output)
    clips = None if passed is None else frozenset(passed)
    lease = take(output, new_run_id())
    run_phase(plan, phase, listing, lease=lease, options=RunOptions(), passed=clips)
    lease.release()
"""


def test_one_phase_per_process_leaves_the_same_rows(source: Path, last: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    plan = plan_of_spec(spec(after="dedup"), source=str(source), output=str(apart))
    assert plan.num_phases == 2
    shards = plan_shards(plan, output=str(apart), sharding=ShardingSpec())
    _inspect(shards.manifest_uris, apart)
    kept = [str(row["clip_id"]) for row in rows(last, "clips") if row["status"] == "kept"]
    for phase, passed in ((0, None), (1, kept)):  # the second stands in for deduplication
        what = [
            phase,
            str(source),
            str(apart),
            shards.listing_uri,
            spec(after="dedup").model_dump_json(),
            passed,
        ]
        script = tmp_path / "phase.py"
        script.write_text(PHASE)
        done = run_python(str(script), json.dumps(what))
        assert done.returncode == 0, done.stderr
    assert _state(apart) == _state(last)
    assert {path.name: path.read_bytes() for path in (apart / "clips").iterdir()} == {
        path.name: path.read_bytes() for path in (last / "clips").iterdir()
    }


class Elsewhere(LightFilter):
    """A filter whose libraries exclude those of vLLM."""

    environment: ClassVar = "legacy"


class Waiting(LightFilter):
    """A filter that is not asked about copies."""

    can_wait: ClassVar = True


class EmbedsLight(EmbedderStage):
    """Vectors of what the filter measured, by which copies may be found."""

    name: ClassVar = "vectors"
    writes: ClassVar = (
        Column("vector", pa.list_(pa.float32()), "of the light", table="embeddings", role="embedding"),
    )

    @property
    def algorithm_name(self) -> str:
        """Returns the name of the model."""
        return "light"

    def reads(self) -> Reads:
        """Returns the column of the filter."""
        return Reads(columns=("light:luma_mean",))


class Later(LightFilter):
    """A filter behind deduplication that needs vLLM."""

    environment: ClassVar = "vllm"


def test_each_phase_has_an_environment_of_its_own() -> None:
    plan = hand_made.plan(Placed(Elsewhere(), "before"), Placed(Later(), "behind", after="dedup"))
    assert environments_of(plan) == ("legacy", "vllm")
    assert [node.key for node in plan.up_to(1).running] == ["behind"]
    with pytest.raises(SpecError, match="exclude each other"):
        environment_of(plan)


def test_phases_follow_what_a_stage_reads() -> None:
    reader = {"use": "tests.support.stages.phase_stages:ReadsLight"}
    light = {"use": "tests.support.stages.light_stage:LightFilter", "after": "dedup"}
    made = plain_spec(stages=[reader, light])
    plan = plan_of_spec(made, source="films", output="curated")
    phases = {node.key: node.phase for node in plan.nodes}
    assert phases["light"] == phases["reads_light"] == 1
    assert set(phases.values()) == {0, 1}
    assert "light" not in {node.key for node in plan.up_to(0).nodes}


def test_late_stages_run_in_both_phases_unless_an_embedding_reads_them() -> None:
    light = Placed(Waiting(), "light")

    def planned(*placed: Placed, dedup: DedupSpec | None) -> Plan:
        stages = placed_stages(plain_spec(), source="films", output="curated")
        return plan_of(in_phases([*stages, *placed], dedup), limits=CurateSpec().limits)

    plan = planned(light, dedup=DedupSpec())
    assert [node.key for node in plan.nodes if node.is_late] == ["light"]
    assert [node.key for node in plan.up_to(1).running] == ["light"]
    assert "light" in {node.key for node in plan.up_to(0).running}
    assert (plan.num_phases, plan.up_to(0).num_phases) == (2, 1)
    for other in (planned(light, dedup=None), planned(light, Placed(EmbedsLight()), dedup=DedupSpec())):
        assert other.num_phases == 1
        assert not any(node.is_late for node in other.nodes)


def _inspect(manifests: list[str], output: Path) -> None:
    for manifest in manifests:
        inspect_manifest(manifest, output=str(output), limits=CurateSpec().limits)


def _state(output: Path) -> dict[str, list[dict[str, object]]]:
    """Stage -> rows of the state, without the run that wrote them and the notes of publishing."""
    found: dict[str, list[dict[str, object]]] = {}
    for part in sorted((output / "state").rglob("*.parquet")):
        stage = part.relative_to(output / "state").parts[0]
        if stage == "complete":
            continue
        for row in pq.read_table(part).to_pylist():
            row.pop("run_id", None)
            row.pop("stage_digest", None)
            found.setdefault(stage, []).append(row)
    return {stage: sorted(of, key=lambda row: str(row["id"])) for stage, of in found.items()}
