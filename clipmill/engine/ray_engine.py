"""The graph run by Ray Data: streaming, backpressure by bytes, pools of workers up to a bound."""

import logging
import pickle
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.exceptions import RayActorError

from clipmill import layout
from clipmill.engine.attempts.notes import WorkerNotes, videos_of
from clipmill.engine.chunk import Chunk, pack
from clipmill.engine.graph import OperatorNode
from clipmill.engine.operators.base import Operator, worked_on
from clipmill.errors import ClipmillError, WorkerDied

ROW = "row"
MAX_WORKER_RESTARTS = 2
"""Ray's own default is without end: one row that kills its worker would be tried for ever."""


@dataclass(frozen=True)
class Stopped:
    """A row that ends the run: what an operator raised on purpose.

    Ray would wrap an exception in its own, without its class and its fields.
    """

    error: ClipmillError


class Worker:
    """Body of an actor: holds one operator, unpacks rows, packs what comes out.

    One that Ray started in place of a dead one gets its batch again, and notes the videos before it works.
    """

    def __init__(self, make: Callable[[], Operator], notes_uri: str) -> None:
        show_logs()
        self._make = make
        takes_over = ray.get_runtime_context().was_current_actor_reconstructed
        self._notes = WorkerNotes(notes_uri) if takes_over else None

    @cached_property
    def _operator(self) -> Operator:
        return self._make()

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Yields one table per chunk, so that each travels on as soon as it is ready."""
        found = [_unpacked(row) for row in batch[ROW].to_pylist()]
        stopped = [one for one in found if isinstance(one, Stopped)]
        if stopped:
            yield _table(pickle.dumps(stopped[0]))
            return
        try:
            batch = [one for one in found if isinstance(one, Chunk)]
            if self._notes:
                self._notes.take(*dict.fromkeys(chunk.work.video_id for chunk in batch))
                self._notes = None
            for chunk in worked_on(lambda: self._operator, batch):
                yield _table(pack(chunk))
        except ClipmillError as error:
            yield _table(pickle.dumps(Stopped(error)))


def _table(*rows: bytes) -> pa.Table:
    return pa.table({ROW: pa.array(rows, pa.large_binary())})


def _unpacked(row: bytes) -> Chunk | Stopped:
    return pickle.loads(row)


def show_logs() -> None:
    """Give a worker process, whose standard error Ray brings to the driver, a handler for what we log."""
    logger = logging.getLogger("clipmill")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)


def start() -> None:
    """Starts Ray, or joins the cluster that ``RAY_ADDRESS`` names, unless this process has one."""
    if not ray.is_initialized():
        ray.init()


def cluster_cpus() -> float:
    """Cores of the running Ray cluster. ClipmillError when none runs: the caller starts Ray."""
    if not ray.is_initialized():
        raise ClipmillError("Ray is not running: call ray.init() first, or run inline")
    return float(ray.cluster_resources().get("CPU", 1.0))


def cluster_gpus() -> float:
    """GPUs of the running Ray cluster."""
    return float(ray.cluster_resources().get("GPU", 0.0))


def run_on_ray(
    nodes: Sequence[OperatorNode], chunks: Iterable[Chunk], *, notes_uri: str = ""
) -> Iterator[Chunk]:
    """Streams chunks through a pool of actors per operator. WorkerDied, or what an operator raises.

    Below ``notes_uri`` workers note what they take over from dead ones.
    """
    rows = list(chunks)
    try:
        for row in dataset_of(nodes, rows, notes_uri=notes_uri).iter_rows() if rows else ():
            found = _unpacked(row[ROW])
            if isinstance(found, Stopped):
                raise found.error
            yield found
    except RayActorError as error:
        raise _died(error, nodes, rows, notes_uri) from None


def _died(
    error: RayActorError, nodes: Sequence[OperatorNode], chunks: Sequence[Chunk], notes_uri: str
) -> WorkerDied:
    """Returns the error with the stages, by the operator's class, and the last line of Ray's account."""
    found = re.search(r"MapBatches\((.+?)\)\)", str(error))
    *_, cause = str(error).strip().splitlines() or [""]
    node = next((one for one in nodes if found and one.name == found[1]), None)
    if node is None:
        return WorkerDied(["the run"], cause.strip())
    noted = videos_of(_taken_over(notes_uri, node)) if notes_uri else []
    uris = {chunk.work.video_id: chunk.work.source.uri for chunk in chunks}
    return WorkerDied(node.keys, cause.strip(), [uris[one] for one in noted if one in uris])


def _taken_over(notes_uri: str, node: OperatorNode) -> str:
    """Returns the folder of the notes of workers that took over from dead ones."""
    return layout.join(notes_uri, "taken_over", node.name) if notes_uri else ""


def dataset_of(nodes: Sequence[OperatorNode], chunks: Sequence[Chunk], *, notes_uri: str = "") -> Dataset:
    """The lazy Ray dataset: one block per video at first, one per chunk of clips after the scan."""
    context = DataContext.get_current()
    context.enable_progress_bars = False  # ``clipmill.engine.progress`` counts videos, not blocks
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it warns that its bars are off
    table = _table(*(pack(chunk) for chunk in chunks))
    dataset = ray.data.from_arrow([table.slice(index, 1) for index in range(len(chunks))])
    with warnings.catch_warnings():
        # The bounds below have no other way in before Ray 2.64; the lock pins an earlier one.
        warnings.simplefilter("ignore", DeprecationWarning)
        for node in nodes:
            dataset = _then(dataset, node, notes_uri)
    return dataset


def _then(dataset: Dataset, node: OperatorNode, notes_uri: str) -> Dataset:
    return dataset.map_batches(
        type(node.name, (Worker,), {}),  # Ray's dashboard and its errors show the name of the class
        fn_constructor_args=(node.make, _taken_over(notes_uri, node)),
        batch_size=node.batch_size,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(min_size=1, max_size=node.max_workers),
        num_cpus=node.num_cpus,
        num_gpus=node.num_gpus or None,
        max_restarts=MAX_WORKER_RESTARTS,
        max_task_retries=MAX_WORKER_RESTARTS,
    )
