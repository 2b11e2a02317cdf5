"""A script: ``lose``, ``restart`` or ``grow``, then ``SOURCE FOLDER``. Ray as several nodes of this machine.

``lose``: a node is killed in the middle of a run. ``restart``: the driver is killed in the middle, and
started again on the same nodes. ``grow``: Ray's own autoscaler starts nodes with a made-up GPU for a stage
that asks for one, and ends them. What came of it is printed as JSON.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import ray
from ray.autoscaler._private.fake_multi_node.node_provider import (
    FAKE_HEAD_NODE_ID,
    FakeMultiNodeProvider,
)
from ray.cluster_utils import Cluster
from ray.util import get_node_ip_address

from clipmill.curation.run import RunOptions, run_curation
from clipmill.engine.chunk import Chunk
from clipmill.machine import ClusterSize
from clipmill.planning.from_spec import plan_of_spec
from tests.support.runs.curation import curate_here, plain_spec, published_files
from tests.support.stages import light_stage

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


NODE_TYPES = {
    "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
    "cpu": {"resources": {"CPU": 2}, "node_config": {}, "min_workers": 1, "max_workers": 1},
    "gpu": {"resources": {"CPU": 1, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
}
UNUSED = (
    "initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
    "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude",
    "rsync_filter",
)  # fmt: skip
"""What the autoscaler's file has for machines that are reached by SSH."""
MOST = ClusterSize(num_cpus=4, num_gpus=2)


@contextmanager
def autoscaled(folder: Path) -> Iterator[str]:
    """Starts a head with Ray's autoscaler; yields its address.

    Ray's wheel lacks the file of defaults of its type ``fake_multinode``; as ``external`` it needs none. The
    provider has to be told the address: it takes Ray's own port for the head's.
    """
    address = f"{get_node_ip_address()}:{_free_port()}"
    provider = f"{FakeMultiNodeProvider.__module__}.{FakeMultiNodeProvider.__name__}"
    config = {
        "cluster_name": "grown", "max_workers": 4, "idle_timeout_minutes": 0.05, "auth": {},
        "provider": {
            "type": "external", "module": provider, "gcs_address": address, "head_node_id": FAKE_HEAD_NODE_ID,
            "launch_multiple": True, "disable_node_updaters": True,
        },
        "head_node_type": "ray.head.default", "available_node_types": NODE_TYPES, "file_mounts": {},
        **{key: [] for key in UNUSED},
    }  # fmt: skip
    path = folder / "autoscaling.json"
    path.write_text(json.dumps(config))
    own = {
        "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1", "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
    }  # fmt: skip
    # The path of a socket is short.
    with TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=0",
             f"--port={address.rpartition(':')[2]}", f"--autoscaling-config={path}",
             f"--temp-dir={temporary}", "--include-dashboard=false", "--dashboard-agent-listen-port=0",
             "--min-worker-port=0", "--max-worker-port=0"],
            env={**os.environ, **own}, stdout=sys.stderr, start_new_session=True,
        )  # fmt: skip
        try:
            yield address
        finally:
            for kind in (signal.SIGTERM, signal.SIGKILL):  # with the nodes that it started
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(head.pid, kind)
                    head.wait(10)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("", 0))
        return found.getsockname()[1]


def grow(source: str, folder: Path) -> dict[str, object]:
    """A stage with a GPU, where no node has one yet."""
    spec = plain_spec(dedup=None, stages=[{"use": f"{light_stage.__name__}:LightOnGpu"}])
    curate_here(source, folder / "inline", spec)
    with autoscaled(folder) as address:
        until_s = time.monotonic() + PATIENCE_S
        while not ray.is_initialized() and time.monotonic() < until_s:
            with suppress(ConnectionError, RuntimeError):
                ray.init(address=address, log_to_driver=False)
        before = num_gpu_nodes()
        plan = plan_of_spec(spec, source=source, output=str(folder / "out"))
        run_curation(plan, RunOptions(engine="ray", grows_to=MOST))
        until_s = time.monotonic() + PATIENCE_S
        while num_gpu_nodes() and time.monotonic() < until_s:
            time.sleep(1)
        left = num_gpu_nodes()
        ray.shutdown()
    return {
        "before": before, "left": left,
        "is_equal": published_files(folder / "out") == published_files(folder / "inline"),
    }  # fmt: skip


def num_gpu_nodes() -> int:
    return sum(node["Alive"] and "GPU" in node["Resources"] for node in ray.nodes())


def num_alive() -> int:
    return sum(node["Alive"] for node in ray.nodes())


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    steps = {"lose": lose, "restart": restart, "drive": drive, "grow": grow}
    places = [rest[0], Path(rest[1]), *rest[2:]] if rest else []
    print(json.dumps(steps[verb](*places)))
