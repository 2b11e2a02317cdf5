"""What an executor stands for."""

import logging
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class BaseExecutor:
    """Stands for the engine ``ray``: a stream of chunks over the Ray cluster that this process can reach.

    ``config`` and ``ignore_head_node`` are taken and have no effect: pools of workers follow the cluster and
    what stages ask for. A warning says so where ``config`` holds something.
    """

    def __init__(self, config: Mapping[str, object] | None = None, ignore_head_node: bool = False) -> None:
        self.config = dict(config or {})
        self.ignore_head_node = ignore_head_node
        if self.config:
            names = ", ".join(sorted(self.config))
            logger.warning("%s: %s has no effect, workers follow the cluster", type(self).__name__, names)
