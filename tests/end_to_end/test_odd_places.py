"""Keys and addresses that a path or a client would take for something else; places that are refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import fsspec
import pytest

from clipmill.cli.exits import DONE, MISUSE
from clipmill.dataset.schemas import VIDEOS
from clipmill.errors import OutputError
from clipmill.storage import parquet, store
from tests.support.faults.driver import Request, as_json
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import curate_here, environment, fates, plain_spec, run_python
from tests.support.runs.one_codec import new_codec_processes
from tests.support.stand_ins.object_store import s3_server
from tests.support.stand_ins.own_authority import own_authority
from tests.support.stand_ins.web_server import web_server
from workflows import command

BUCKET = "odd"
KEYS = ("source//a.mp4", "source/b::c.mp4", "source/d/../e.mp4", "source/100%25", "source/f.mp4?versionId=1")


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with s3_server(BUCKET), new_codec_processes():
        yield


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_film(tmp_path_factory.mktemp("odd") / "a.mp4", seed=80, shots=(60,))


def test_keys_are_read_as_they_are_and_described_below_the_output(film: Path, tmp_path: Path) -> None:
    client = boto3.client("s3")
    for number, key in enumerate(KEYS):
        drawn = draw_film(tmp_path / f"{number}.mp4", seed=81 + number, shots=(60,))
        client.put_object(Bucket=BUCKET, Key=key, Body=drawn.read_bytes())
    output = f"s3://{BUCKET}/out"
    curate_here(f"s3://{BUCKET}/source", output, plain_spec(embedding=None, dedup=None))
    videos = parquet.read(f"{output}/tables/videos.parquet", schema=VIDEOS).to_pylist()
    assert {row["uri"]: row["status"] for row in videos} == {
        f"s3://{BUCKET}/{key}": "curated" for key in KEYS
    }
    found = client.list_objects_v2(Bucket=BUCKET, Prefix="out/processed_videos/")["Contents"]
    assert {one["Key"].removeprefix("out/processed_videos/") for one in found} == {
        "%2F/a.mp4.json", "b::c.mp4.json", "d/%2E%2E/e.mp4.json", "100%2525.json",
        "f.mp4?versionId=1.json",
    }  # fmt: skip
    whole = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert {one["Key"].split("/")[0] for one in whole} == {"source", "out"}


def test_films_of_a_web_server_are_curated(film: Path, tmp_path: Path) -> None:
    signature = "X-Amz-Signature=s3cret"
    with web_server() as site:
        site.files = {"/films/a.mp4": film.read_bytes(), "/films/letter.txt": b"dear"}
        site.etags["/films/a.mp4"] = '"1"'
        site.query = signature
        entries = [f"{site.url}/films/{name}?{signature}" for name in ("a.mp4", "gone.mp4", "letter.txt")]
        (tmp_path / "list.json").write_text(json.dumps(entries))
        spec = plain_spec(input_list_json_path=str(tmp_path / "list.json"))
        curate_here(f"{site.url}/films", tmp_path / "out", spec)
        assert fates(tmp_path / "out", f"{site.url}/films") == {
            "a.mp4": "curated", "gone.mp4": "store_error", "letter.txt": "not_a_video",
        }  # fmt: skip
    assert (tmp_path / "out/processed_videos/a.mp4.json").is_file()
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.parent.name != "work":
            assert b"s3cret" not in path.read_bytes(), path


def test_film_is_read_from_a_server_whose_authority_the_environment_names(film: Path, tmp_path: Path) -> None:
    tls, authority = own_authority(tmp_path)
    with web_server(tls) as site:
        site.files["/a.mp4"] = film.read_bytes()
        request = as_json(Request(f"{site.url}/a.mp4", str(tmp_path / "out")))
        driver = ("-m", "tests.support.faults.driver", request)
        refused = run_python(*driver)
        assert refused.returncode == MISUSE
        assert "certificate is not trusted (unable to get local issuer certificate)" in refused.stdout
        assert "SSL_CERT_FILE" in refused.stdout
        trusting = run_python(*driver, env=environment(SSL_CERT_FILE=str(authority)))
    assert trusting.returncode == DONE, trusting.stderr
    assert (tmp_path / "out/processed_videos/a.mp4.json").is_file()


def test_one_address_is_a_source(film: Path, tmp_path: Path) -> None:
    with web_server() as site:
        site.files["/a.mp4"] = film.read_bytes()
        site.has_ranges = False
        curate_here(f"{site.url}/a.mp4?sig=s3cret", tmp_path / "out", plain_spec())
    assert (tmp_path / "out/processed_videos/a.mp4.json").is_file()
    manifest = (tmp_path / "out/manifest.json").read_text() + (tmp_path / "out/report.html").read_text()
    assert "s3cret" not in manifest


REFUSED = {
    "empty source": ("", "out", "the source is empty"),
    "unknown scheme": ("nope://films", "out", "nope:// cannot be used: name a path"),
    "azure without an account": ("az://films/raw", "out", "az://films/raw: "),
    "empty output": ("films", "", "the output is empty"),
    "output of an unknown scheme": ("films", "nope://out", "nope:// cannot be used: name a path"),
    "output on a web server": ("films", "https://example.com/out", "a web server can only be read"),
    "source in the output": ("out/clips", "out", "lies in the output"),
}


@pytest.mark.parametrize(("source", "output", "message"), REFUSED.values(), ids=REFUSED)
def test_place_that_cannot_be_is_one_line_before_any_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: str,
    output: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("films", "out/clips"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.mp4").write_bytes(b"x")
    assert command.main(["--source", source, "--output", output]) == MISUSE
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


@pytest.mark.parametrize(("scheme", "extra"), [("gs", "gcs"), ("az", "azure"), ("abfs", "azure")])
def test_missing_library_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str
) -> None:
    def missing(*arguments: object, **options: object) -> None:
        raise ImportError("no such library")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(OutputError, match=rf"pip install 'clipmill\[{extra}\]'"):
        store.check_writable(f"{scheme}://films/out")
