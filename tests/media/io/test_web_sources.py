"""Films on web servers: with ranges and without, moved, signed, cut off, forbidden, changing."""

import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipmill.errors import SourceChanged, SourceError, StoreError, TransientStoreError, UnreadableVideo
from clipmill.media.io import source as source_module
from clipmill.media.io.probe import inspect_source
from clipmill.media.io.source import open_source
from clipmill.media.scan.scan import scan
from clipmill.media.types import ScanPlan
from clipmill.records import SourceFile, VideoReason
from clipmill.specs import LimitsSpec
from clipmill.stages.video.io.video_reader import VideoReader
from clipmill.storage import http
from clipmill.storage.listing import list_source
from tests.support.films.container_films import PLAIN_X264
from tests.support.films.scan_films import write_film
from tests.support.stand_ins.web_server import Site, web_server

pytestmark = pytest.mark.integration

LIMITS = LimitsSpec()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("web")
    return write_film(folder / "a.mp4", range(60), options=PLAIN_X264, sound=True).read_bytes()


@pytest.fixture
def site(film: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server with one film at ``/films/a.mp4``, read in small blocks and without pauses."""
    monkeypatch.setattr(source_module, "BLOCK_BYTES", 1024)
    monkeypatch.setattr(http, "WAITS_S", (0.0, 0.0))
    with web_server() as site:
        site.files["/films/a.mp4"] = film
        site.etags["/films/a.mp4"] = '"one"'
        yield site


def of(url: str) -> SourceFile:
    (source,) = list_source(VideoReader(input_video_path=url).source())
    return source


def read(source: SourceFile) -> bytes:
    with open_source(source) as reader:
        data = reader.read()
        reader.verify()
    return data


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize("says_length", [True, False], ids=["length", "no length"])
def test_film_is_read(site: Site, film: bytes, tmp_path: Path, has_ranges: bool, says_length: bool) -> None:
    site.has_ranges, site.says_length = has_ranges, says_length
    source = of(f"{site.url}/films/a.mp4")
    assert source.uri == f"{site.url}/films/a.mp4"
    assert source.version == "one"
    assert read(source) == film
    found = inspect_source(source, limits=LIMITS)
    assert (found.reason, found.source.size_bytes) == (None, len(film) if has_ranges or says_length else 0)
    assert scan(source, ScanPlan(), str(tmp_path), limits=LIMITS).num_frames == 60


def test_film_of_a_server_without_ranges_is_fetched_once_for_a_pass(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.has_ranges = False
    with caplog.at_level(logging.WARNING):
        source = of(f"{site.url}/films/a.mp4")
    assert "its server gives no parts, each pass copies it to scratch first" in caplog.text
    scan(source, ScanPlan(), str(tmp_path), limits=LIMITS)
    assert site.whole_reads == 1


def test_copy_leaves_no_file(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.has_ranges = False
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open_source(of(f"{site.url}/films/a.mp4")) as reader:
        reader.read(10)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("says_length", [True, False], ids=["length", "no length"])
def test_copy_is_bounded(site: Site, film: bytes, says_length: bool) -> None:
    site.has_ranges, site.says_length = False, says_length
    limits = LimitsSpec(max_size_bytes=len(film) - 1)
    found = inspect_source(of(f"{site.url}/films/a.mp4"), limits=limits)
    assert found.reason == VideoReason.OVER_LIMIT
    with pytest.raises(UnreadableVideo, match="more than"):
        open_source(f"{site.url}/films/a.mp4", max_bytes=100)


def test_redirects_are_followed(site: Site, film: bytes) -> None:
    site.redirects["/moved.mp4"] = f"{site.url}/films/a.mp4"
    source = of(f"{site.url}/moved.mp4")
    assert source.uri == f"{site.url}/moved.mp4"
    assert read(source) == film


def test_redirects_in_a_circle_end(site: Site) -> None:
    site.redirects["/moved.mp4"] = "/moved.mp4"
    with pytest.raises(SourceError, match=r"cannot read .*/moved\.mp4: the server redirects without end"):
        of(f"{site.url}/moved.mp4")


SIGNATURE = "X-Amz-Expires=60&X-Amz-Signature=s3cr%2Fet%2B1"


def test_signature_opens_a_film_and_is_in_no_name(site: Site, film: bytes) -> None:
    site.query = SIGNATURE
    source = of(f"{site.url}/films/a.mp4?{SIGNATURE}")
    assert source.uri == f"{site.url}/films/a.mp4"
    assert read(source) == film


def test_new_signature_is_no_new_source(site: Site) -> None:
    first = of(f"{site.url}/films/a.mp4?{SIGNATURE}")
    second = of(f"{site.url}/films/a.mp4?{SIGNATURE}2")
    assert first.source_version == second.source_version


def test_signature_is_in_no_error(site: Site) -> None:
    site.query = SIGNATURE
    source = of(f"{site.url}/films/a.mp4?{SIGNATURE}")
    site.query = "another"
    with pytest.raises(StoreError, match="the server answers 403") as caught:
        read(source)
    assert "s3cr" not in str(caught.value)


def test_address_without_a_usual_ending_is_a_film(site: Site, film: bytes) -> None:
    site.files["/get"] = film
    assert of(f"{site.url}/get?id=7").uri == f"{site.url}/get?id=7"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, StoreError), (403, StoreError), (503, TransientStoreError), (429, TransientStoreError)],
)
def test_answers_of_a_server_are_named_and_sorted(site: Site, status: int, kind: type[StoreError]) -> None:
    source = SourceFile(f"{site.url}/films/a.mp4", 0, "")
    site.refusals = [status] * 9
    with pytest.raises(StoreError, match=f"the server answers {status}") as caught:
        open_source(source)
    assert type(caught.value) is kind


def test_server_that_falters_twice_is_asked_again(site: Site, film: bytes) -> None:
    source = of(f"{site.url}/films/a.mp4")
    site.refusals = [503, 429]
    assert read(source) == film


def test_connection_that_is_cut_is_made_again(site: Site, film: bytes) -> None:
    source = of(f"{site.url}/films/a.mp4")
    site.cut_after, site.num_cut = 100, 2
    assert read(source) == film
    site.has_ranges, site.num_cut = False, 2
    assert read(source) == film


def test_connection_that_is_always_cut_is_worth_another_run(site: Site) -> None:
    source = of(f"{site.url}/films/a.mp4")
    site.cut_after, site.num_cut = 100, 99
    with pytest.raises(TransientStoreError):
        read(source)


def test_length_that_promises_too_much_is_a_fault(site: Site) -> None:
    site.length_is_off_by, site.has_ranges = 50, False
    with pytest.raises(TransientStoreError):
        read(SourceFile(f"{site.url}/films/a.mp4", 0, ""))


def test_slow_server_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    source = of(f"{site.url}/films/a.mp4")
    monkeypatch.setattr(http, "TIMEOUT", http.aiohttp.ClientTimeout(total=None, sock_read=0.1))
    site.delay_s = 0.5
    with pytest.raises(TransientStoreError):
        read(source)


def test_server_that_is_not_there(site: Site) -> None:
    with pytest.raises(TransientStoreError):
        open_source("http://127.0.0.1:9/a.mp4")


@pytest.mark.parametrize("has_ranges", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize("etag", ['"two"', 'W/"two"', ""], ids=["strong", "weak", "no tag, other size"])
def test_film_that_changed_since_it_was_listed(site: Site, film: bytes, etag: str, has_ranges: bool) -> None:
    site.has_ranges = has_ranges
    source = of(f"{site.url}/films/a.mp4")
    site.files["/films/a.mp4"] = film + b"more"
    site.etags["/films/a.mp4"] = etag
    with pytest.raises(SourceChanged):
        read(source)


@pytest.mark.parametrize("etag", ['"two"', 'W/"two"'])
def test_film_that_changes_under_its_reader(site: Site, film: bytes, etag: str) -> None:
    source = of(f"{site.url}/films/a.mp4")
    site.before = lambda number: site.etags.update({"/films/a.mp4": etag}) if number == 4 else None
    with pytest.raises(SourceChanged):
        read(source)


def test_film_that_is_taken_away(site: Site) -> None:
    source = of(f"{site.url}/films/a.mp4")
    del site.files["/films/a.mp4"]
    with pytest.raises(SourceChanged, match="it is gone"):
        read(source)


def test_film_of_which_no_change_can_be_seen_is_named(
    site: Site, film: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.etags.clear()
    with caplog.at_level(logging.WARNING):
        source = of(f"{site.url}/films/a.mp4")
    assert "1 sources are unverified" in caplog.text
    assert read(source) == film
    assert "unverified" in scan(source, ScanPlan(), str(tmp_path), limits=LIMITS).oddities


def listed(tmp_path: Path, root: str, entries: list[str]) -> list[SourceFile]:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(entries))
    return list_source(VideoReader(input_video_path=root, input_list_json_path=str(path)).source())


def test_list_of_addresses(site: Site, film: bytes, tmp_path: Path) -> None:
    site.files["/films/b.mp4"] = film
    entries = [f"{site.url}/films/b.mp4?{SIGNATURE}", "a.mp4", "gone.mp4", f"{site.url}/films/note.txt"]
    sources = listed(tmp_path, f"{site.url}/films", entries)
    assert [source.uri.removeprefix(f"{site.url}/films/") for source in sources] == [
        "a.mp4", "b.mp4", "gone.mp4", "note.txt",
    ]  # fmt: skip
    assert [bool(source.size_bytes) for source in sources] == [True, True, False, False]


def test_list_of_addresses_on_any_server(site: Site, tmp_path: Path) -> None:
    (source,) = listed(tmp_path, "http://", [f"{site.url}/films/a.mp4"])
    assert source.size_bytes > 0


def test_list_on_a_server(site: Site) -> None:
    site.files["/list.json"] = json.dumps([f"{site.url}/films/a.mp4"]).encode()
    reader = VideoReader(input_video_path="http://", input_list_json_path=f"{site.url}/list.json")
    assert len(list_source(reader.source())) == 1


@pytest.mark.parametrize("entry", ["../other/a.mp4", "%2e%2E/a.mp4", "https://elsewhere/a.mp4"])
def test_entry_that_leads_out_of_the_source_is_refused(site: Site, tmp_path: Path, entry: str) -> None:
    with pytest.raises(SourceError, match="entry 0 does not lie under"):
        listed(tmp_path, f"{site.url}/films", [entry])


def test_source_that_names_no_file_is_one_line(site: Site) -> None:
    for url in ("http://", f"{site.url}/nothing.mp4", f"{site.url}/a/../b.mp4"):
        with pytest.raises(SourceError) as caught:
            of(url)
        assert "\n" not in str(caught.value)
