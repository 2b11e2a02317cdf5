"""Stages that run one behind the other in one worker."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipmill.engine.chunk import Chunk
from clipmill.engine.groups import gpus_of, gpus_together
from clipmill.engine.metrics import Stopwatch
from clipmill.engine.runners.context import Shared, WorkerContext
from clipmill.engine.runners.node_runner import NodeRunner, is_stream, open_worker
from clipmill.engine.runners.process_runner import ProcessRunner
from clipmill.engine.runners.stream_runner import StreamRunner
from clipmill.errors import StoreError
from clipmill.machine import num_cores
from clipmill.models.runtime import num_gpus_here
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.sandbox.runner import CODEC_RUNNER, codec_runner
from clipmill.stages.process_stage import ProcessStage

logger = logging.getLogger(__name__)

Runner = NodeRunner | StreamRunner | ProcessRunner

COPIES = "copies of earlier clips"
"""What is measured under this name: the search for them, and how many were found."""


class StageGroup:
    """Runs nodes over chunks; a node's worker is opened when the first chunk wants it.

    ``gpu_share`` is the share of a GPU that the worker has; its stages divide it.
    """

    def __init__(self, nodes: Sequence[Node], plan: Plan, *, gpu_share: float = 0.0) -> None:
        self._nodes = tuple(nodes)
        self._plan = plan
        self._gpu_share = gpu_share
        self._shared = Shared()
        self._codecs = self._shared.get(CODEC_RUNNER, lambda: codec_runner(plan.limits))
        self._runners: dict[str, Runner] = {}

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        """Yields the chunks as soon as the last node is done with them."""
        return self._through(list(chunks), self._nodes)

    def _through(self, chunks: list[Chunk], nodes: Sequence[Node]) -> Iterator[Chunk]:
        if not nodes:
            yield from chunks
            return
        for batch in self._at(chunks, nodes[0]):
            yield from self._through(batch, nodes[1:])

    def _at(self, chunks: list[Chunk], node: Node) -> Iterator[list[Chunk]]:
        """The chunks behind one node: all at once, or one by one where it answers item by item."""
        chunks = [self._with_copies(chunk) for chunk in chunks] if node.is_late else chunks
        if not node.has_rows or not any(is_wanted(chunk, node) for chunk in chunks):
            yield chunks
            return
        runner = self._runner(node)
        watch = Stopwatch(node.key, self._codecs)
        if isinstance(runner, StreamRunner):
            for chunk in runner(chunks):
                yield [measured(chunk, node, watch)]
            return
        yield [measured(chunk, node, watch) for chunk in runner(chunks)]

    def _with_copies(self, chunk: Chunk) -> Chunk:
        """Notes the clips of a new video that repeat clips of earlier runs: late stages wait for those."""
        finds = self._plan.copies
        if finds is None or chunk.copies is not None or not chunk.work.lacks_split:
            return chunk
        watch = Stopwatch(COPIES)
        rows = chunk.made.get(finds.key)
        try:
            copies = finds(rows) if rows is not None else frozenset[str]()
        except StoreError as error:  # none of them waits then: what is paid twice is better than lost
            logger.warning("copies of earlier clips are not looked for: %s", error)
            copies = frozenset[str]()
        chunk = replace(chunk, copies=copies)
        return chunk.measured(watch.lap(chunk.work.video_id, chunk.index, num_items=len(copies)))

    def _runner(self, node: Node) -> Runner:
        if node.key not in self._runners:
            self._runners[node.key] = self._opened(node)
        return self._runners[node.key]

    def _opened(self, node: Node) -> Runner:
        context = self.context_of(node)
        if isinstance(node.stage, ProcessStage):
            return ProcessRunner(node, self._plan, context)
        worker = open_worker(node, context)
        kind = StreamRunner if is_stream(worker) else NodeRunner
        return kind(node, self._plan, context, worker)  # pyright: ignore[reportArgumentType] by its kind

    def context_of(self, node: Node) -> WorkerContext:
        """Returns what this worker lends to a stage."""
        wants_gpu = gpus_of(node) > 0
        has_gpu = wants_gpu and (self._gpu_share > 0 or num_gpus_here() > 0)
        return WorkerContext(
            node,
            self._shared,
            output_uri=self._plan.output_uri,
            device="cuda" if has_gpu else "cpu",
            gpu_share=self._share(node),
            num_threads=max(1, min(int(node.stage.resources().cpus), num_cores())),
        )

    def _share(self, node: Node) -> float:
        """A stage's part of the share of its worker: as much as it asks for, or less where all got less."""
        asked = gpus_together(self._nodes)
        return self._gpu_share * gpus_of(node) / asked if asked else 0.0


def is_wanted(chunk: Chunk, node: Node) -> bool:
    """Returns True if any clip of a chunk wants the stage."""
    return any(chunk.wants(node, clip.clip_id) for clip in chunk.clips)


def measured(chunk: Chunk, node: Node, watch: Stopwatch) -> Chunk:
    """Returns the chunk with what the node took; a call for several chunks counts with the first."""
    rows = chunk.made.get(node.key)
    failed = 0 if rows is None else sum(outcome != "result" for outcome in rows["outcome"].to_pylist())
    num_items = 0 if rows is None else len(rows)
    lap = watch.lap(chunk.work.video_id, chunk.index, num_items=num_items, num_failed=failed)
    return chunk.measured(lap)
