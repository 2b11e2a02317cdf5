"""The graph run by Ray Data: streaming, backpressure by bytes, pools of workers up to a bound."""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset

from clipmill.errors import ClipmillError
from clipmill.streaming.graph import Node
from clipmill.streaming.operators import Operator
from clipmill.streaming.parcel import Parcel, pack, unpack

ROW = "row"
MAX_WORKER_RESTARTS = 2
"""Ray's own default is without end: one row that kills its worker would be tried for ever."""


class Worker:
    """Body of an actor: holds one operator, unpacks rows, packs what comes out."""

    def __init__(self, make: Callable[[], Operator]) -> None:
        show_logs()
        self._operator = make()

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """One table per parcel, so that each travels on as soon as it is ready."""
        parcels = [unpack(row) for row in batch[ROW].to_pylist()]
        for parcel in self._operator(parcels):
            yield pa.table({ROW: pa.array([pack(parcel)], pa.large_binary())})


def show_logs() -> None:
    """Give a worker process, whose standard error Ray brings to the driver, a handler for what we log."""
    logger = logging.getLogger("clipmill")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)


def cluster_cpus() -> float:
    """Cores of the running Ray cluster. ClipmillError when none runs: whoever owns the process starts Ray."""
    if not ray.is_initialized():
        raise ClipmillError("Ray is not running: call ray.init() first, or run inline")
    return float(ray.cluster_resources().get("CPU", 1.0))


def cluster_gpus() -> float:
    """GPUs of the running Ray cluster."""
    return float(ray.cluster_resources().get("GPU", 0.0))


def run_on_ray(nodes: Sequence[Node], parcels: Iterable[Parcel]) -> Iterator[Parcel]:
    """Stream parcels through one actor pool per operator."""
    rows = list(parcels)
    if rows:
        yield from (unpack(row[ROW]) for row in dataset_of(nodes, rows).iter_rows())


def dataset_of(nodes: Sequence[Node], parcels: Sequence[Parcel]) -> Dataset:
    """The lazy Ray dataset: one block per video at first, one per chunk of clips after the scan."""
    context = DataContext.get_current()
    context.enable_progress_bars = False  # ``clipmill.streaming.progress`` counts videos, not blocks
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it warns that its bars are off
    table = pa.table({ROW: pa.array([pack(parcel) for parcel in parcels], pa.large_binary())})
    dataset = ray.data.from_arrow([table.slice(index, 1) for index in range(len(parcels))])
    with warnings.catch_warnings():
        # The bounds below have no other way in before Ray 2.64; the lock pins an earlier one.
        warnings.simplefilter("ignore", DeprecationWarning)
        for node in nodes:
            dataset = _then(dataset, node)
    return dataset


def _then(dataset: Dataset, node: Node) -> Dataset:
    return dataset.map_batches(
        Worker,
        fn_constructor_args=(node.make,),
        batch_size=node.batch_size,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(min_size=1, max_size=node.max_workers),
        num_cpus=node.num_cpus,
        num_gpus=node.num_gpus or None,
        max_restarts=MAX_WORKER_RESTARTS,
        max_task_retries=MAX_WORKER_RESTARTS,
    )
