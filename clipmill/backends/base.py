"""What an executor stands for."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeInfo:
    """A machine, for annotations of ``setup_on_node``."""

    node_id: str = ""


@dataclass(frozen=True)
class WorkerMetadata:
    """A worker process, for annotations of ``setup``."""

    worker_id: str = ""
    allocation: object = None


class BaseExecutor:
    """Stands for the engine ``ray``: a stream of chunks over the Ray cluster that this process can reach.

    ``config`` and further options are taken and have no effect: pools of workers follow the cluster and what
    stages ask for. A warning names those that are there.
    """

    def __init__(
        self, config: Mapping[str, object] | None = None, ignore_head_node: bool = False, **others: object
    ) -> None:
        self.config = dict(config or {})
        self.ignore_head_node = ignore_head_node
        if ignored := {**self.config, **others}:
            names = ", ".join(sorted(ignored))
            logger.warning("%s: %s has no effect, workers follow the cluster", type(self).__name__, names)
