"""The shortcut past complete videos finds the same work as a look at every part."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipmill.engine.work import Work
from clipmill.intake import complete_videos, known_clips
from clipmill.intake.admission import missing_work
from clipmill.records import SourceFile
from clipmill.state.compaction import compact
from tests.support.state_rows import Project

STAGES = ("motion", "quality", "encode", "embedding", "preview")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(complete_videos, "MIN_PARTS", 1)
    return Project(tmp_path)


def work(project: Project) -> list[Work]:
    return list(missing_work(project.sources, project.plan, project.output))


def work_of_every_part(project: Project) -> list[Work]:
    """The work of a copy of the output that has no notes."""
    aside = project.folder / "aside"
    shutil.copytree(project.output, aside)
    shutil.rmtree(aside / "state" / "complete", ignore_errors=True)
    try:
        return list(missing_work(project.sources, project.plan, str(aside)))
    finally:
        shutil.rmtree(aside)


def parts(project: Project, stage: str) -> list[Path]:
    return sorted((Path(project.output) / "state" / stage).rglob("*.parquet"))


def num_parts(project: Project) -> int:
    return sum(len(parts(project, stage)) for stage in ("content", *STAGES))


def parts_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts the parts that an admission reads for the clips of videos."""
    found: list[int] = []
    load = known_clips.KnownClips.load

    def counted(self: known_clips.KnownClips, output: str) -> bool:
        is_whole = load(self, output)
        found.append(sum(len(one.live) for one in self.parts.values()))
        return is_whole

    monkeypatch.setattr(known_clips.KnownClips, "load", counted)
    return lambda: found.pop()


def test_only_copies_and_later_parts_are_read(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    num_read = parts_read(monkeypatch)
    for index in range(4):
        project.curate(f"{index}.mp4", but="quality" if index == 2 else "")
    (first,) = work(project)
    num_before = num_parts(project)
    assert num_read() == num_before
    project.inspect("new.mp4")
    project.curate("other.mp4", but="encode")
    assert work(project) == work_of_every_part(project)
    num_read()
    assert num_read() == len(("content", *STAGES)) + num_parts(project) - num_before
    assert work(project)[0] == first


def test_a_covered_part_that_was_deleted_ends_the_notes(project: Project) -> None:
    project.curate("a.mp4")
    project.curate("b.mp4", but="quality")
    assert len(work(project)) == 1
    parts(project, "encode")[0].unlink()
    found = work(project)
    assert found == work_of_every_part(project)
    assert any("encode" in keys for one in found for keys in one.lacks.values())


def test_a_covered_part_that_was_changed_inside_is_made_again(project: Project) -> None:
    """The damage is in a column that admission never reads."""
    project.curate("a.mp4")
    project.curate("b.mp4", but="quality")
    assert len(work(project)) == 1
    part = parts(project, "encode")[0]
    column = pq.ParquetFile(part).metadata.row_group(0).column(9)
    assert column.path_in_schema == "clip_uri"
    data = bytearray(part.read_bytes())
    data[column.dictionary_page_offset : column.dictionary_page_offset + 40] = bytes(40)
    part.write_bytes(data)
    found = work(project)
    assert any("encode" in keys for one in found for keys in one.lacks.values())
    assert found == work_of_every_part(project)


class _Changes:
    """Changes of a state that a shortcut might miss."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project, self.random = project, random.Random(seed)
        self.num_videos = 0
        self.lacking: dict[str, list[str]] = {}
        self.away: list[SourceFile] = []

    def in_any_order(self) -> list[str]:
        names = [name for name in dir(self) if name.startswith("do_")]
        return self.random.sample(names, len(names))

    def _name(self) -> str:
        self.num_videos += 1
        return f"{self.random.randrange(10**6)}-{self.num_videos}.mp4"

    def do_curate(self) -> None:
        self.project.curate(self._name())

    def do_curate_all_but_one_stage(self) -> None:
        stage = self.random.choice(STAGES)
        self.lacking.setdefault(stage, []).extend(self.project.curate(self._name(), but=stage))

    def do_find(self) -> None:
        self.project.inspect(self._name())

    def do_fail_for_now(self) -> None:
        split = self.project.plan.extractor.key
        self.project.put(split, id=self.project.inspect(self._name()), outcome="retryable", reason="stalled")

    def do_finish_a_stage(self) -> None:
        for stage in STAGES[:4]:
            for clip in self.lacking.pop(stage, []):
                self.project.put(stage, id=clip)

    def do_fail_for_good_and_clear(self) -> None:
        for clip in self.lacking.pop("quality", [])[:1]:
            self.project.put("quality", id=clip, outcome="final", reason="decoder_crashed")
            work(self.project)
            self.project.put("quality", id=clip, outcome="cleared")

    def do_take_a_source_away_or_bring_it_back(self) -> None:
        if self.away:
            self.project.sources.append(self.away.pop())
        elif self.project.sources:
            self.away.append(self.project.sources.pop(self.random.randrange(len(self.project.sources))))

    def do_compact(self) -> None:
        compact(self.project.output)

    def do_cut_a_part_off(self) -> None:
        if found := parts(self.project, self.random.choice(STAGES)):
            part = self.random.choice(found)
            part.write_bytes(part.read_bytes()[: self.random.choice([0, 100])])

    def do_delete_a_part(self) -> None:
        found = parts(self.project, self.random.choice(STAGES))
        if found and (not list(found[0].parent.glob("index-*.json")) or "compacted" in found[0].name):
            self.random.choice(found).unlink()

    def do_delete_a_note(self) -> None:
        found = sorted((Path(self.project.output) / "state" / "complete").rglob("*.*"))
        if found:
            self.random.choice(found).unlink()


@pytest.mark.parametrize("seed", [2])
def test_no_change_of_the_state_is_missed(project: Project, seed: int) -> None:
    changes = _Changes(project, seed)
    changes.do_curate_all_but_one_stage()
    changes.do_curate_all_but_one_stage()
    for name in changes.in_any_order():
        getattr(changes, name)()
        assert work(project) == work_of_every_part(project), name
