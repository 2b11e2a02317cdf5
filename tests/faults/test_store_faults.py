"""A store or an endpoint that answers badly, late or not at all. The next run makes up for it."""

import uuid
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.faults.proxy import Outage, Proxy, Reset, Rule, Slow, Status, proxy_of
from tests.support.faults.published import differences
from tests.support.faults.scene import Scene, two_films, undisturbed
from tests.support.stand_ins.model_server import ModelServer, model_server
from tests.support.stand_ins.object_store import s3_server

BUCKET = "films"
OUTAGE_S = 5.0
"""Stands for a minute: longer than any single pause of a client between two tries of its own."""
pytestmark = pytest.mark.timeout(600)

PASSING = {
    "source answers 503 twice": [Rule(Status(503), "source/a.mp4", "GET", first=2, last=3)],
    "source resets twice": [Rule(Reset(), "source/a.mp4", "GET", first=1, last=2)],
    "source cuts an answer": [Rule(Reset(after_bytes=1000), "source/a.mp4", "GET", first=1, last=1)],
    "source is slow": [Rule(Slow(0.3, piece_bytes=1 << 15), "source/", "GET")],
    "output answers 503 twice": [Rule(Status(503), "out/clips/", "PUT", first=1, last=2)],
    "output resets state twice": [Rule(Reset(), "out/state/", "PUT", first=1, last=2)],
    "output answers 500 to the manifest": [Rule(Status(500), "out/manifest.json", "PUT", last=1)],
}
"""Faults that a run bears: its own snapshot is whole."""

SAMPLE = ("output answers 503 twice",)

LASTING = {
    "source answers 503": [Rule(Status(503), "source/a.mp4", "GET")],
    "source is out for a while": [Rule(Outage(OUTAGE_S), "source/b.mp4", "GET", last=1)],
    "clips are refused": [Rule(Status(503), "out/clips/", "PUT")],
    "previews are refused": [Rule(Status(503), "out/previews/", "PUT")],
    "state is refused": [Rule(Status(503), "out/state/", "PUT", first=2)],
    "tables are refused": [Rule(Status(503), "out/tables/", "PUT", first=2)],
    "manifest is refused": [Rule(Status(503), "out/manifest.json", "PUT")],
    "output is out for a while": [Rule(Outage(OUTAGE_S), "out/clips/", "PUT", last=1)],
}
"""Faults that a run need not bear; the next one does everything."""


@dataclass
class Store:
    """An object store behind a proxy, and the address that a run is given."""

    proxy: Proxy
    patch: pytest.MonkeyPatch
    server_url: str = field(default="")

    def scene(self, folder: Path) -> Scene:
        """A scene whose source and output lie in the store."""
        place = f"s3://{BUCKET}/{uuid.uuid4().hex}"
        return Scene(folder, source=f"{place}/source", output=f"{place}/out")

    def run(self, scene: Scene, rules: list[Rule]) -> int:
        """Runs through the proxy under rules, each of which must be met; returns the exit status."""
        self.proxy.rules = deepcopy(rules)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", self.proxy.url)
            ended = scene.run()
        assert self.proxy.unused() == []
        assert ended.has_end, ended.log
        return ended.status


@pytest.fixture(scope="module")
def object_store() -> Iterator[Store]:
    with s3_server(BUCKET) as url, proxy_of(url) as proxy, pytest.MonkeyPatch.context() as patch:
        yield Store(proxy, patch, url)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(rules, marks=[pytest.mark.sample] if name in SAMPLE else [], id=name)
        for name, rules in PASSING.items()
    ],
)
def test_run_bears_a_passing_fault(object_store: Store, tmp_path: Path, rules: list[Rule]) -> None:
    scene = object_store.scene(tmp_path)
    assert object_store.run(scene, rules) == 0
    assert differences(scene.published(), undisturbed(scene.films, scene.spec)) == []


@pytest.mark.parametrize("rules", LASTING.values(), ids=LASTING)
def test_next_run_makes_up_for_a_lasting_fault(
    object_store: Store, tmp_path: Path, rules: list[Rule]
) -> None:
    scene = object_store.scene(tmp_path)
    object_store.run(scene, rules)
    scene.check_rerun()


ENDPOINT = {
    "answers 500": [Rule(Status(500), "/chat/completions", "POST")],
    "answers 503 once": [Rule(Status(503), "/chat/completions", "POST", last=1)],
    "resets": [Rule(Reset(), "/chat/completions", "POST", first=2)],
    "is out for a while": [Rule(Outage(OUTAGE_S), "/chat/completions", "POST", last=1)],
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[tuple[ModelServer, Proxy]]:
    with model_server() as server, proxy_of(server.url.removesuffix("/v1")) as proxy:
        yield server, proxy


@pytest.mark.parametrize("rules", ENDPOINT.values(), ids=ENDPOINT)
def test_next_run_asks_the_endpoint_again(
    endpoint: tuple[ModelServer, Proxy], tmp_path: Path, rules: list[Rule]
) -> None:
    _, proxy = endpoint
    proxy.rules = []
    served = {"endpoint_url": f"{proxy.url}/v1", "endpoint_model": "tiny", "endpoint_max_attempts": 2}
    scene = Scene(tmp_path, spec={"captions": served})
    undisturbed(two_films(), scene.spec)
    proxy.rules = deepcopy(rules)
    assert scene.run().has_end
    assert proxy.unused() == []
    proxy.rules, proxy.out_until_s = [], 0.0  # a run may end before the outage does
    scene.check_rerun()
