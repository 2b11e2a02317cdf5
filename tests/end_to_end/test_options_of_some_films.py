"""An option that changes some films only: a changed value computes these again, and no other."""

from collections import Counter
from pathlib import Path

import pytest

from clipmill.curation.run import RunOptions, run_curation
from clipmill.identity import bytes_digest
from clipmill.planning.from_spec import plan_of_spec
from tests.support.films.container_films import write_tagged
from tests.support.films.numbered_films import draw
from tests.support.runs.curation import laps, plain_spec, rows, videos

pytestmark = pytest.mark.usefixtures("shared_codec")

INTERLACED = {"flags": "+ildct+ilme", "x264-params": "interlaced=1"}


def clip_files(output: Path) -> dict[Path, bytes]:
    """Path -> bytes of every clip file, also in folders of later options."""
    return {path: path.read_bytes() for path in (output / "clips").rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    draw(folder / "fields.mp4", 60, options=INTERLACED)
    draw(folder / "spoken.mp4", 50, audio="aac")
    write_tagged(folder / "bright.mp4", 50, transfer=16, primaries=9, matrix=9)
    return folder


def test_a_changed_option_computes_only_the_films_again_that_it_applies_to(
    source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"

    def work(**options: object) -> Counter[tuple[str, str]]:
        """(operator, film) -> items of this run."""
        before = len(laps(output))
        spec = plain_spec(dedup=None, **options)
        plan = plan_of_spec(spec, source=str(source), output=str(output))
        run_curation(plan, RunOptions(engine="inline"))
        names = {str(row["video_id"]): name for name, row in videos(output, source).items()}
        for row in rows(output, "clips"):
            data = (output / str(row["clip_uri"])).read_bytes()
            assert (row["status"], row["clip_digest"]) == ("kept", bytes_digest(data))
        found: Counter[tuple[str, str]] = Counter()
        for lap in laps(output)[before:]:
            found[str(lap["operator"]), names[str(lap["video_id"])]] += int(str(lap["num_items"]))
        return found

    first = work()
    assert {film for _, film in first} == {"fields.mp4", "spoken.mp4", "bright.mp4"}
    again = work(deinterlace="off")
    assert again.keys() == {lap for lap in first if lap[1] == "fields.mp4"}
    assert again["encode", "fields.mp4"] == 2
    assert not work(deinterlace="off")
    assert not work()  # the rows of the first value are still there
    assert +work(transcode={"audio": {"codec": "flac"}}) == {("encode", "spoken.mp4"): 2}
    assert +work(transcode={"hdr": "keep"}) == {("encode", "bright.mp4"): 2}
    files = clip_files(output)
    draft = work(decoder_quality="draft")
    assert {film for _, film in draft} == {"fields.mp4", "spoken.mp4", "bright.mp4"}
    assert not [lap for lap in +draft if lap[0] == "encode"]  # clip files are of exact pictures
    assert files == clip_files(output)
    work(transcode={"hdr": "keep"})
    clips = {(str(row["source_uri"]), row["hdr_status"]) for row in rows(output, "clips")}
    assert (f"{source}/bright.mp4", "kept") in clips
