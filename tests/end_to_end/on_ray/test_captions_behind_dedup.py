"""Captions are not paid for copies, and are those of any other run.

``dedup.when: before_captions`` asks for none of them, ``last`` for none of copies of earlier runs' clips.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clipmill.curation import run as curation
from clipmill.curation.publication import Published
from clipmill.engine.run import Engine
from clipmill.engine.runners.stage_group import COPIES
from clipmill.engine.scan.span_pass import AGAIN
from clipmill.pipeline import Pipeline
from clipmill.planning.from_spec import placed_stages
from clipmill.specs import CurateSpec
from footage import copies
from footage.sound import sound_bed
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, laps, rows
from tests.support.runs.one_codec import one_codec_process
from tests.support.stand_ins.model_server import ModelServer, hashes_frames, model_server

pytestmark = pytest.mark.integration

LENGTH_S = 4


def spec_for(server: ModelServer, when: str, prompt: str | None = None) -> CurateSpec:
    served = {"endpoint_url": server.url, "endpoint_model": "tiny"}
    dedup = {"when": when, "which_to_keep": "columns", "rank_columns": ["height", "num_bytes"]}
    windows = {"window_size": 48, "remainder_threshold": 24, **({"prompt_text": prompt} if prompt else {})}
    fields = {"captions": served, "enhancement": served, "windows": windows, "dedup": dedup, "preview": None}
    return CurateSpec.model_validate({**fields, "split": {"content": {"crop_s": 0.0}}})


@dataclass(frozen=True)
class Step:
    """What one run left: its windows by the name of their film, the calls that it made, and its summary."""

    windows: dict[str, list[tuple[object, ...]]]
    kept: set[str]
    num_calls: int
    summary: str
    num_laps: int


@dataclass(frozen=True)
class Place:
    """A source that grows, the server, and where runs write."""

    source: Path
    output: Path
    server: ModelServer

    def run(self, when: str, *, prompt: str | None = None, engine: Engine = "inline") -> Step:
        before = len(self.server.bodies)
        done = curate_here(self.source, self.output, spec_for(self.server, when, prompt), engine=engine)
        return step_of(self.output, done, len(self.server.bodies) - before)


def step_of(output: Path, done: Published, num_calls: int) -> Step:
    clips = {str(row["clip_id"]): row for row in rows(output, "clips")}
    windows: dict[str, list[tuple[object, ...]]] = {}
    for row in rows(output, "windows"):
        clip = clips[str(row["clip_id"])]
        said = tuple(row[name] for name in ("status", "caption", "enhanced_status", "enhanced_caption"))
        windows.setdefault(Path(str(clip["source_uri"])).stem, []).append(said)
    kept = {Path(str(row["source_uri"])).stem for row in clips.values() if row["status"] == "kept"}
    return Step(windows, kept, num_calls, done.summary(), len(laps(output)))


@dataclass(frozen=True)
class Runs:
    """Captions last; then, in another output, before: first, again, and with the keeper changed twice."""

    last: Step
    first: Step
    again: Step
    larger: Step
    smaller: Step
    back: Step
    details: set[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("behind")
    source, larger = folder / "films", folder / "films" / "larger.mp4"
    film = draw_film(source / "film.mp4", seed=31, shots=[LENGTH_S * 24])
    copies.reencode(film, source / "worn.mp4", crf=34, sound=sound_bed(LENGTH_S, seed=31))
    draw_film(source / "other.mp4", seed=32, shots=[LENGTH_S * 24])
    with model_server() as server, one_codec_process():
        server.speaks = hashes_frames
        last = Place(source, folder / "last", server).run("last")
        before = Place(source, folder / "before", server)
        first, again = before.run("before_captions"), before.run("before_captions")
        details = {str(lap["detail"]) for lap in laps(before.output)}
        draw_film(larger, seed=31, shots=[LENGTH_S * 24], size_px=(320, 180))
        grown = before.run("before_captions")
        larger.unlink()
        film.unlink()
        shrunk = before.run("before_captions")
        back = before.run("last")
    return Runs(last, first, again, grown, shrunk, back, details)


NOT_ASKED = ("duplicate", None, "duplicate", None)


def test_only_kept_clips_are_captioned_with_the_same_bytes(runs: Runs) -> None:
    """From a second decode, which is counted."""
    assert runs.first.kept == runs.last.kept == {"film", "other"}
    assert all(said[0] == said[2] == "success" for of_film in runs.last.windows.values() for said in of_film)
    assert runs.first.windows == {**runs.last.windows, "worn": [NOT_ASKED] * 2}
    assert (runs.last.num_calls, runs.first.num_calls) == (3 * 2 * 2, 2 * 2 * 2)
    assert AGAIN in runs.details


def test_the_summary_says_which_calls_were_saved(runs: Runs) -> None:
    (line, _) = (line for line in runs.first.summary.splitlines() if "calls saved" in line)
    assert line.split()[-4:-2] == ["duplicate", "2"]
    assert "calls saved" not in runs.last.summary


def test_a_second_run_has_nothing_to_do(runs: Runs) -> None:
    assert (runs.again.num_calls, runs.again.num_laps) == (0, runs.first.num_laps)
    assert "nothing left to do" in runs.again.summary


def test_a_clip_that_becomes_the_keeper_gets_its_captions_then(runs: Runs) -> None:
    """The one that was the keeper before keeps its captions."""
    assert runs.larger.kept == {"larger", "other"}
    assert runs.larger.windows["film"] == runs.first.windows["film"]
    assert {said[0] for said in runs.larger.windows["larger"]} == {"success"}
    assert runs.larger.num_calls == 2 * 2
    assert runs.smaller.kept == {"worn", "other"}
    assert runs.smaller.windows["worn"] == runs.last.windows["worn"]
    assert runs.smaller.num_calls == 2 * 2
    assert runs.back.num_calls == 0, "the same rows in either order"


@dataclass(frozen=True)
class Growth:
    """``last``: two films, one of them twice; a copy of the other and a third; nothing new; the keeper gone;
    another prompt.

    ``killed`` is the second step, ended before deduplication and done again, ``on_ray`` the same by Ray.
    ``laps`` are those of the second step.
    """

    first: Step
    grown: Step
    killed: Step
    on_ray: Step
    again: Step
    without: Step
    prompted: Step
    laps: list[dict[str, object]]
    tables: Mapping[str, Mapping[str, list[dict[str, object]]]]


@pytest.fixture(scope="module")
def growth(tmp_path_factory: pytest.TempPathFactory, ray_address: str) -> Growth:
    folder = tmp_path_factory.mktemp("growth")
    source = folder / "films"
    film = draw_film(source / "film.mp4", seed=31, shots=[LENGTH_S * 24])
    other = draw_film(source / "other.mp4", seed=32, shots=[LENGTH_S * 24])
    shutil.copy(other, source / "other_again.mp4")
    with model_server() as server, one_codec_process():
        server.speaks = hashes_frames
        places = {name: Place(source, folder / name, server) for name in ("grown", "killed", "on_ray")}
        first = places["grown"].run("last")
        for name in ("killed", "on_ray"):
            shutil.copytree(folder / "grown", folder / name)
        copies.reencode(film, source / "worn.mp4", crf=34, sound=sound_bed(LENGTH_S, seed=31))
        draw_film(source / "third.mp4", seed=33, shots=[LENGTH_S * 24])
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(curation, "dedup_input", _killed)
            before = len(server.bodies)
            with pytest.raises(Killed):
                places["killed"].run("last")
            num_calls = len(server.bodies) - before
        killed = places["killed"].run("last")
        assert killed.num_calls == 0
        killed = replace(killed, num_calls=num_calls)
        on_ray = places["on_ray"].run("last", engine="ray")
        grown = places["grown"].run("last")
        lapped = laps(folder / "grown")
        tables = {name: {one: rows(folder / name, one) for one in ("clips", "windows")} for name in places}
        again = places["grown"].run("last")
        film.unlink()
        without = places["grown"].run("last")
        prompted = places["grown"].run("last", prompt="What is there?")
    return Growth(first, grown, killed, on_ray, again, without, prompted, lapped, tables)


class Killed(BaseException):
    """Ends a run where its process would end."""


def _killed(*_: object, **__: object) -> None:
    raise Killed


def test_copies_of_earlier_clips_are_not_captioned(runs: Runs, growth: Growth) -> None:
    assert growth.first.num_calls == 2 * 2 * 2, "none of a file with the bytes of another one"
    assert growth.grown.num_calls == 2 * 2, "of the third film only"
    assert growth.grown.kept == {"film", "other", "third"}
    third = growth.grown.windows["third"]
    assert {said[0] for said in third} == {"success"}
    assert growth.grown.windows == {**runs.first.windows, "third": third}
    (line, _) = (line for line in growth.grown.summary.splitlines() if "calls saved" in line)
    assert line.split()[-4:-2] == ["duplicate", "2"]
    assert [lap["num_items"] for lap in growth.laps if lap["operator"] == COPIES and lap["num_items"]] == [1]


def test_ray_and_a_run_that_was_killed_leave_the_same(growth: Growth) -> None:
    assert growth.tables["killed"] == growth.tables["grown"]
    assert growth.tables["on_ray"] == growth.tables["grown"]
    assert growth.killed.num_calls == growth.on_ray.num_calls == growth.grown.num_calls


def test_captions_of_copies_come_when_they_are_kept(runs: Runs, growth: Growth) -> None:
    """From a second decode, with the bytes of the first; then copies are left out of what is asked anew."""
    assert growth.again.num_calls == 0
    assert "nothing left to do" in growth.again.summary
    assert growth.without.kept == {"worn", "other", "third"}
    assert growth.without.windows["worn"] == runs.last.windows["worn"]
    assert growth.without.num_calls == 2 * 2
    assert growth.prompted.num_calls == 3 * 2 * 2


def test_a_pipeline_waits_for_deduplication_too(tmp_path: Path) -> None:
    source = tmp_path / "films"
    film = draw_film(source / "film.mp4", seed=31, shots=[LENGTH_S * 24])
    copies.reencode(film, source / "worn.mp4", crf=34, sound=sound_bed(LENGTH_S, seed=31))
    with model_server() as server, one_codec_process():
        spec = spec_for(server, "before_captions")
        stages = placed_stages(spec, source=str(source), output=str(tmp_path / "out"))
        tasks = Pipeline("behind", stages=stages).run(dedup=spec.dedup)
    said = {Path(str(task.data.input_video)).stem: task.data.clips for task in tasks}
    captions = {
        name: [window.caption for clip in clips for window in clip.windows] for name, clips in said.items()
    }
    assert captions == {"film": [{"qwen": "a caption"}] * 2, "worn": [{}] * 2}
    assert all(clip.embedding is not None for clips in said.values() for clip in clips)
    assert len(server.bodies) == 2 * 2
