"""The tools of this folder: a fault that does not come, or a difference not seen, would test nothing."""

import http.client
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.faults.fault import Fault
from tests.support.faults.proxy import Outage, Proxy, Reset, Rule, Slow, Status, proxy_of
from tests.support.faults.published import differences
from tests.support.faults.scene import IN_THE_PASS, Scene, two_films, undisturbed
from tests.support.stand_ins.model_server import model_server

pytestmark = pytest.mark.sample


def test_point_that_the_code_does_not_have_fails_the_test(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="no such point"):
        scene.run(Fault("clipmill.curation.run:no_such_function", "kill"))


def test_fault_that_does_not_come_fails_the_test(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="did not come"):
        scene.run(Fault("clipmill.curation.run:run_curation", "kill", first=2))


def test_fault_inside_of_a_codec_process_comes_once_over_all_of_them(scene: Scene) -> None:
    point = "clipmill.media.io.probe:inspect_source"
    ended = scene.run(Fault(point, "kill", match="b.mp4"), Fault(point, "note"))
    assert (ended.faults.calls()[0], ended.faults.came().count(0)) == (2, 1)


def test_lost_clip_and_changed_file_are_differences() -> None:
    whole = undisturbed(two_films(), IN_THE_PASS)
    lost = replace(whole, tables={**whole.tables, "clips": whole.tables["clips"][1:]})
    changed = replace(whole, files={name: "other" for name in whole.files})
    assert differences(whole, whole) == []
    assert [line.split(":")[0] for line in differences(lost, whole)] == ["tables clips"]
    assert len(differences(changed, whole)) == len(whole.files)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with model_server() as server, proxy_of(server.url.removesuffix("/v1")) as proxy:
        yield proxy


def get(proxy: Proxy) -> int:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)
    connection.request("GET", "/v1/models")
    reply = connection.getresponse()
    reply.read()
    return reply.status


def test_proxy_passes_on_what_no_rule_is_for(proxy: Proxy) -> None:
    proxy.rules = [Rule(Status(503), first=2, last=2)]
    assert [get(proxy) for _ in range(3)] == [200, 503, 200]


@pytest.mark.parametrize("fault", [Reset(), Reset(after_bytes=5)])
def test_proxy_resets(proxy: Proxy, fault: Reset) -> None:
    proxy.rules = [Rule(fault)]
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead, http.client.RemoteDisconnected)):
        get(proxy)


def test_proxy_is_slow(proxy: Proxy) -> None:
    proxy.rules = [Rule(Slow(0.05, piece_bytes=10))]
    started_s = time.monotonic()
    assert get(proxy) == 200
    assert time.monotonic() - started_s > 0.1


def test_outage_ends(proxy: Proxy) -> None:
    proxy.rules = [Rule(Outage(0.3), last=1)]
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        get(proxy)
    time.sleep(0.35)
    assert get(proxy) == 200


def test_unused_rule_is_named(proxy: Proxy, tmp_path: Path) -> None:
    proxy.rules = [Rule(Status(503), method="PUT")]
    get(proxy)
    assert proxy.unused() == proxy.rules
