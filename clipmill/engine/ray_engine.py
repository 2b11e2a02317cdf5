"""The graph run by Ray Data: streaming, backpressure by bytes, pools of workers up to a bound."""

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.exceptions import RayActorError

from clipmill import layout
from clipmill.engine.attempts.notes import WorkerNotes, videos_of
from clipmill.engine.chunk import Chunk, pack, unpack
from clipmill.engine.graph import OperatorNode
from clipmill.engine.operators.stages import Operator, worked_on
from clipmill.errors import ClipmillError, SpecError, WorkerDied
from clipmill.machine import ClusterSize

MAX_WORKER_RESTARTS = 2
"""Ray's own default is without end: one row that kills its worker would be tried for ever."""
UNTIL_WORKER_IS_DEAD = -1
"""Calls of a worker on a lost node fail at once, many times, before Ray knows that it is to start another."""


class Worker:
    """Body of an actor: holds one operator, unpacks rows, packs what comes out.

    One that Ray started in place of a dead one gets its batch again, and notes the videos before it works.
    """

    def __init__(self, make: Callable[[], Operator], notes_uri: str) -> None:
        show_logs()
        self._make = make
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Ray's property asks Ray's own old one
            takes_over = ray.get_runtime_context().was_current_actor_reconstructed
        self._notes = WorkerNotes(notes_uri) if takes_over else None

    @cached_property
    def _operator(self) -> Operator:
        return self._make()

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Yields one table per chunk, so that each travels on as soon as it is ready."""
        try:
            chunks = list(_chunks(batch))
            if self._notes:
                self._notes.take(*dict.fromkeys(chunk.work.video_id for chunk in chunks))
                self._notes = None
            for chunk in worked_on(lambda: self._operator, chunks):
                yield pack(chunk)
        except ClipmillError as error:
            yield pack(error)


def _chunks(rows: pa.Table) -> Iterator[Chunk]:
    """Yields the chunks of rows; an error among them, which ended an operator before, is raised."""
    for found in unpack(rows):
        if isinstance(found, ClipmillError):
            raise found
        yield found


def show_logs() -> None:
    """Give a worker process, whose standard error Ray brings to the driver, a handler for what we log."""
    logger = logging.getLogger("clipmill")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)


def join() -> None:
    """Joins a cluster, or starts one, unless this process has done so. SpecError where it does not answer.

    One that is started here ends with this process, and has no dashboard, which starts more slowly than Ray.
    """
    if ray.is_initialized():
        return
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        cause = str(error).partition("\n")[0]
        raise SpecError(f"the Ray cluster cannot be reached: {cause}; see RAY_ADDRESS") from error


def cluster_now() -> ClusterSize:
    """Returns what the nodes of the running cluster have. SpecError when none runs: the caller starts Ray."""
    if not ray.is_initialized():
        raise SpecError("Ray is not running: call ray.init() first, or run inline")
    found = ray.cluster_resources()
    return ClusterSize(float(found.get("CPU", 0.0)), float(found.get("GPU", 0.0)))


def cluster_at_most(grows_to: ClusterSize | None = None) -> ClusterSize:
    """Returns what the cluster has once it has grown, which no driver of Ray's can ask; errors as above."""
    now, most = cluster_now(), grows_to or ClusterSize(0.0)
    return ClusterSize(max(now.num_cpus, most.num_cpus) or 1.0, max(now.num_gpus, most.num_gpus))


def run_on_ray(
    nodes: Sequence[OperatorNode], chunks: Iterable[Chunk], *, notes_uri: str = ""
) -> Iterator[Chunk]:
    """Streams chunks through a pool of actors per operator. WorkerDied, or what an operator raises.

    Below ``notes_uri`` workers note what they take over from dead ones.
    """
    rows = list(chunks)
    try:
        if rows:
            dataset = dataset_of(nodes, rows, notes_uri=notes_uri)
            for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from _chunks(table)
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
    dataset = ray.data.from_arrow([pack(chunk) for chunk in chunks])
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
        max_task_retries=UNTIL_WORKER_IS_DEAD,
    )
