"""A script: ``lose SOURCE FOLDER`` or ``restart SOURCE FOLDER``. Ray as several nodes of this machine.

``lose``: a node is killed in the middle of a run. ``restart``: the driver is killed in the middle, and
started again on the same nodes. What came of it is printed as JSON.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from clipmill.curation.run import RunOptions, run_curation
from clipmill.engine.chunk import Chunk
from clipmill.planning.from_spec import plan_of_spec
from tests.support.runs.curation import curate_here, plain_spec, published_files

ADDRESS = "CLIPMILL_TEST_RAY_ADDRESS"
PATIENCE_S = 90.0
SPEC = plain_spec(dedup=None)


class Once:
    """Calls an action at the first finished chunk of a run."""

    def __init__(self, action: object) -> None:
        self._action, self.has_come = action, False

    def __call__(self, chunk: Chunk) -> None:
        if not self.has_come and not chunk.mark:
            self.has_come = True
            self._action()


def nodes() -> tuple[Cluster, list[object]]:
    """A head that does no work, and two nodes of two cores."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    return cluster, [cluster.add_node(num_cpus=2) for _ in range(2)]


def on_ray(source: str, output: Path, once: Once) -> None:
    plan = plan_of_spec(SPEC, source=source, output=str(output))
    run_curation(plan, RunOptions(engine="ray"), on_chunk=once)


def undisturbed(source: str, folder: Path) -> dict[str, bytes]:
    curate_here(source, folder / "out", SPEC)
    found = published_files(folder / "out")
    (folder / "out").rename(folder / "undisturbed")
    return found


def lose(source: str, folder: Path) -> dict[str, object]:
    wanted = undisturbed(source, folder)
    cluster, workers = nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    once = Once(lambda: cluster.remove_node(workers[0], allow_graceful=False))
    on_ray(source, folder / "out", once)
    until_s = time.monotonic() + PATIENCE_S
    while num_alive() > 2 and time.monotonic() < until_s:
        time.sleep(1)
    left = num_alive()
    ray.shutdown()
    cluster.shutdown()
    return {
        "was_lost": once.has_come,
        "num_alive": left,
        "is_equal": published_files(folder / "out") == wanted,
    }


def restart(source: str, folder: Path) -> dict[str, object]:
    wanted = undisturbed(source, folder)
    cluster, _ = nodes()
    codes = [
        subprocess.run(
            [sys.executable, "-m", __spec__.name, "drive", source, str(folder), death],
            env={**os.environ, ADDRESS: cluster.address},
            check=False,
            stdout=sys.stderr,
        ).returncode
        for death in ("die", "live")
    ]
    cluster.shutdown()
    return {"codes": codes, "is_equal": published_files(folder / "out") == wanted}


def drive(source: str, folder: Path, death: str) -> dict[str, object]:
    ray.init(address=os.environ[ADDRESS], log_to_driver=False)
    once = Once(lambda: os.kill(os.getpid(), signal.SIGKILL) if death == "die" else None)
    on_ray(source, folder / "out", once)
    return {}


def num_alive() -> int:
    return sum(node["Alive"] for node in ray.nodes())


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    steps = {"lose": lose, "restart": restart, "drive": drive}
    places = [rest[0], Path(rest[1]), *rest[2:]] if rest else []
    print(json.dumps(steps[verb](*places)))
