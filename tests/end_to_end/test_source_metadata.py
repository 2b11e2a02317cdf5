"""What a user knows of the sources: in tables, JSON, report and export, and read by stages and rules."""

import json
import logging
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipmill.cli.main import main
from clipmill.curation.preflight import check_dedup
from clipmill.errors import SpecError
from clipmill.intake.shards import plan_shards
from clipmill.planning.from_spec import plan_of_spec
from clipmill.planning.plan import Plan
from clipmill.specs import CurateSpec
from clipmill.storage.source_columns import read_source_columns
from footage import copies
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, laps, rows
from tests.support.runs.one_codec import one_codec_process

STAGES = "tests.support.stages.source_stages"
ROWS = {
    "film.mp4": "CC-BY,Anna,The Quay,1990",
    "copy.mkv": "CC0,Bert,,1995",
    "other.mp4": "none,Carl,Market,2001",
    "old.mp4": "CC0,Dora,Night,1921",
}


def write(source: Path, rows_by_name: dict[str, str], *, more: str = "") -> Path:
    lines = ["file,licence,owner,title,year", *(f"{name},{row}" for name, row in rows_by_name.items())]
    (source / "about.csv").write_text("\n".join(lines) + "\n" + more)
    return source / "about.csv"


def spec_for(table: Path, **fields: object) -> CurateSpec:
    stages = [{"use": f"{STAGES}:{name}"} for name in ("LicenceFilter", "Headline", "Length")]
    dedup = {"which_to_keep": "columns", "rank_columns": ["source.year"]}
    common = {"metadata": str(table), "stages": stages, "dedup": dedup, "preview": None}
    return CurateSpec.model_validate({**common, "split": {"content": {"crop_s": 0.0}}, **fields})


def by_film(output: Path, table: str, key: str) -> dict[str, dict[str, object]]:
    return {Path(str(row[key])).name: row for row in rows(output, table)}


def worked(output: Path, since: int) -> dict[str, int]:
    """Stage -> items that it was called with in the runs after a number of laps."""
    found: dict[str, int] = {}
    for lap in laps(output)[since:]:
        if lap["num_items"]:
            found[str(lap["operator"])] = found.get(str(lap["operator"]), 0) + int(str(lap["num_items"]))
    return found


@pytest.mark.integration
def test_columns_of_sources_reach_everything_and_stages_follow_them(tmp_path: Path) -> None:
    source, output = tmp_path / "films", tmp_path / "out"
    film = draw_film(source / "film.mp4", seed=41, shots=[60])
    copies.reencode(film, source / "copy.mkv", crf=30, sound=None)
    draw_film(source / "other.mp4", seed=42, shots=[60])
    draw_film(source / "old.mp4", seed=43, shots=[60])
    table = write(source, ROWS)
    with one_codec_process():
        curate_here(source, output, spec_for(table))
        clips, videos = by_film(output, "clips", "source_uri"), by_film(output, "videos", "uri")
        assert {name: (row["status"], row["reason"]) for name, row in clips.items()} == {
            "film.mp4": ("duplicate", None), "copy.mkv": ("kept", None),
            "other.mp4": ("filtered", "not_licensed"), "old.mp4": ("filtered", "too_old"),
        }  # fmt: skip
        assert [(row["source.licence"], row["source.owner"], row["source.year"]) for row in
                (clips["copy.mkv"], videos["copy.mkv"])] == [("CC0", "Bert", 1995)] * 2  # fmt: skip
        assert (clips["film.mp4"]["headline"], clips["film.mp4"]["letters"]) == ("THE QUAY", 8)
        assert clips["copy.mkv"]["headline"] == "UNTITLED"
        messages = {str(row["reason"]): row["message"] for row in rows(output, "rejections")}
        assert messages["too_old"] == "source.year 1921 is below 1950"
        documented = json.loads((output / "metas/v0" / f"{clips['film.mp4']['clip_id']}.json").read_text())
        assert documented["source"] == {
            "licence": "CC-BY",
            "owner": "Anna",
            "title": "The Quay",
            "year": 1990,
        }
        video_json = json.loads((output / "processed_videos/copy.mkv.json").read_text())
        assert video_json["source"]["owner"] == "Bert"
        report = (output / "report.html").read_text()
        assert "Licence" in report
        assert "Bert" in report
        assert worked(output, 0)["headline"] == 2

        before, files = len(laps(output)), sorted(output.glob("snapshots/*"))
        curate_here(source, output, spec_for(table))
        assert (len(laps(output)), sorted(output.glob("snapshots/*"))) == (before, files)

        write(source, {**ROWS, "film.mp4": "CC-BY,Anna,The Pier,1990", "other.mp4": "CC0,Carl,Market,2001"})
        curate_here(source, output, spec_for(table))
        assert worked(output, before)["headline"] == worked(output, before)["letters"] == 2
        assert worked(output, before).get("motion", 0) == 0, "known before, although the clip was filtered"
        clips = by_film(output, "clips", "source_uri")
        assert {clips[name]["headline"] for name in ("film.mp4", "other.mp4")} == {"THE PIER", "MARKET"}

    dest = tmp_path / "export"
    assert main(["export", str(output), str(dest), "--format", "hf", "--caption", "source.owner"]) == 0
    assert "CC0" in (dest / "README.md").read_text()
    parts = ["--ratios", "train=0.5,test=0.5", "--group-by", "source.owner"]
    assert main(["split", str(output), *parts]) == 0


def planned(spec: CurateSpec, source: Path, output: Path) -> Plan:
    """The first step of a run."""
    plan = plan_of_spec(spec, source=str(source), output=str(output))
    plan_shards(plan, output=str(output), sharding=spec.sharding)
    return plan


BAD = {
    "no column of names": ("name,licence\na.mp4,CC0\n", "needs a column uri, source_uri, path or file"),
    "no CSV": ("file,licence\na.mp4,CC0,1\n", "is no CSV"),
    "twice": ("file,licence\na.mp4,CC0\na.mp4,none\n", "twice, with different licence"),
    "no name": ("file,\na.mp4,CC0\n", "has a column without a name"),
    "a name twice": ("file,year,year \na.mp4,1,2\n", "has two columns year"),
    "no UTF-8": ("file,title\na.mp4,Caf\udce9\n", "is no text in UTF-8: save it as CSV in UTF-8"),
    "of other videos": ("file,licence\nelsewhere/b.mp4,CC0\n", "names no video of the source"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_ends_the_run_before_any_work(tmp_path: Path, text: str, message: str) -> None:
    source = tmp_path / "films"
    draw_film(source / "a.mp4", seed=1, shots=[12])
    (source / "about.csv").write_text(text, errors="surrogateescape")
    spec = CurateSpec(metadata=str(source / "about.csv"))
    with pytest.raises(SpecError, match=message) as error:
        planned(spec, source, tmp_path / "out")
    assert "\n" not in str(error.value)


def test_sources_that_do_not_match_and_mixed_columns_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A relative name may count from the source, too; the same row twice is no fault."""
    source = tmp_path / "films"
    draw_film(source / "a.mp4", seed=1, shots=[12])
    draw_film(source / "b.mp4", seed=2, shots=[12])
    table = tmp_path / "elsewhere" / "about.csv"
    table.parent.mkdir()
    table.write_text("file,year\na.mp4,1990\na.mp4,1990\nc.mp4,1991\nd.mp4,1992\ne.mp4,unknown\n")
    spec = CurateSpec(metadata=str(table))
    with caplog.at_level(logging.WARNING):
        plan = planned(spec, source, tmp_path / "out")
    said = [record.getMessage() for record in caplog.records]
    assert f"{table}: column year holds numbers and texts such as 'unknown': all are texts" in said
    (unknown,) = (one for one in said if "3 rows are of no source" in one)
    assert "c.mp4" in unknown
    assert f"{table} does not name 1 sources: {source / 'b.mp4'}" in said
    with pytest.raises(SpecError, match="is a folder: name a CSV or parquet file"):
        planned(CurateSpec(metadata=str(source)), source, tmp_path / "out")
    with pytest.raises(SpecError, match=r"column source\.year holds string, not numbers"):
        check_dedup(plan, CurateSpec.model_validate(
            {"dedup": {"which_to_keep": "columns", "rank_columns": ["source.year"]}}).dedup)  # fmt: skip


def test_a_table_as_spreadsheets_write_it_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mark of the byte order, semicolons, names in capitals, rows without a file, empty cells."""
    table = tmp_path / "about.csv"
    table.write_text('\ufeff"File"; Title;Licence\r\na.mp4;"One;\nTwo";\r\n;none;CC0\r\n')
    found = read_source_columns(str(table))
    assert found.values_of(str(tmp_path / "a.mp4"), found.names) == {
        "source.Title": "One;\nTwo", "source.Licence": None
    }  # fmt: skip
    assert len(found.rows) == 1
    assert f"{table}: 1 rows name no file" in [record.getMessage() for record in caplog.records]


def test_columns_that_are_not_there_and_values_of_other_kinds_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "about.parquet"
    pq.write_table(pa.table({"uri": ["a.mp4"], "tags": [["a", "b"]]}), table)
    places = {"source": str(tmp_path), "output": str(tmp_path / "out")}
    spec = {"metadata": str(table), "stages": [{"use": f"{STAGES}:Headline"}]}
    with pytest.raises(SpecError, match=r"reads source\.title, which no source has; it has source\.tags"):
        plan_of_spec(CurateSpec.model_validate(spec), **places)
    with pytest.raises(SpecError, match="name a file of columns as metadata"):
        plan_of_spec(CurateSpec.model_validate({"stages": spec["stages"]}), **places)
    shot = pa.table(
        {
            "uri": ["a.mp4"],
            "shot": [date(2020, 1, 2)],
            "tags": [["a", "b"]],
            "small": pa.array([1], pa.int8()),
        }
    )
    pq.write_table(shot, table)
    found = read_source_columns(str(table))
    assert found.values_of(str(tmp_path / "a.mp4"), found.names) == {
        "source.shot": "2020-01-02", "source.tags": ["a", "b"], "source.small": 1
    }  # fmt: skip
    assert found.rows.schema.field("source.small").type == pa.int64()
    for value, said in (
        (pa.array([1 << 63], pa.uint64()), "holds a value that is no int64"),
        (pa.array([float("inf")]), None),
    ):
        pq.write_table(pa.table({"uri": ["a.mp4"], "x": value}), table)
        if said is None:
            assert read_source_columns(str(table)).rows["source.x"].to_pylist() == [None]
            continue
        with pytest.raises(SpecError, match=said):
            read_source_columns(str(table))
    pq.write_table(pa.table({"uri": [["a.mp4"]], "x": [1]}), table)
    with pytest.raises(SpecError, match="column uri holds list"):
        read_source_columns(str(table))
    pq.write_table(pa.table({"uri": ["a.mp4"], "pair": [{"a": 1}]}), table)
    with pytest.raises(SpecError, match="column pair holds struct"):
        plan_of_spec(CurateSpec(metadata=str(table)), **places)
