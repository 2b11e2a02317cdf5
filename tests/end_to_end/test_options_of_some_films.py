"""An option that changes some films only: a changed value computes these again, and no other."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import pytest

from clipmill.curation.run import RunOptions, run_curation
from clipmill.identity import bytes_digest
from clipmill.planning.from_spec import placed_stages
from clipmill.planning.nodes import Placed
from clipmill.planning.plan import Plan, plan_of
from clipmill.specs import CurateSpec
from clipmill.stages.base import Affects
from clipmill.stages.video.io.video_reader import VideoReader
from tests.support.films.numbered_films import draw
from tests.support.runs.curation import laps, plain_spec, rows, videos

pytestmark = pytest.mark.usefixtures("shared_codec")

INTERLACED = {"flags": "+ildct+ilme", "x264-params": "interlaced=1"}


class FieldReader(VideoReader):
    """A reader that says what is done with fields."""

    fields: Annotated[str, Affects("interlaced", reads=("decode", "source"), before="kept")] = "kept"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    draw(folder / "fields.mp4", 60, options=INTERLACED)
    draw(folder / "spoken.mp4", 50, audio="aac")
    return folder


def plan(source: Path, output: Path, *, fields: str, spec: CurateSpec) -> Plan:
    placed = placed_stages(spec, source=str(source), output=str(output))
    reader = Placed(FieldReader(input_video_path=str(source), fields=fields))
    kept = [one for one in placed if not isinstance(one.stage, VideoReader)]
    return plan_of([reader, *kept], limits=spec.limits)


def test_a_changed_option_computes_only_the_films_again_that_it_applies_to(
    source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"

    def work(*, fields: str = "kept", **options: object) -> Counter[tuple[str, str]]:
        """(operator, film) -> items of this run."""
        before = len(laps(output))
        spec = plain_spec(dedup=None, **options)
        run_curation(plan(source, output, fields=fields, spec=spec), RunOptions(engine="inline"))
        names = {str(row["video_id"]): name for name, row in videos(output, source).items()}
        for row in rows(output, "clips"):
            data = (output / str(row["clip_uri"])).read_bytes()
            assert (row["status"], row["clip_digest"]) == ("kept", bytes_digest(data))
        found: Counter[tuple[str, str]] = Counter()
        for lap in laps(output)[before:]:
            found[str(lap["operator"]), names[str(lap["video_id"])]] += int(str(lap["num_items"]))
        return found

    first = work()
    assert {film for _, film in first} == {"fields.mp4", "spoken.mp4"}
    again = work(fields="woven")
    assert again.keys() == {lap for lap in first if lap[1] == "fields.mp4"}
    assert again["encode", "fields.mp4"] == 2
    assert not work(fields="woven")
    assert not work()  # the rows of the first value are still there
    assert +work(transcode={"audio": {"codec": "flac"}}) == {("encode", "spoken.mp4"): 2}
