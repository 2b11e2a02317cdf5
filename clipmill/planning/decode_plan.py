"""What one pass over a video has to sample for the stages that miss rows: the union of their reads. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from clipmill.planning.nodes import Node
from clipmill.stages.reads import Sample


@dataclass(frozen=True)
class DecodeReads:
    """The union of what stages read of the pictures. ``samples`` has each read once, in run order."""

    thumbnails: bool
    samples: tuple[Sample, ...]

    @property
    def is_empty(self) -> bool:
        """True when no picture has to be decoded."""
        return not (self.thumbnails or self.samples)


def decode_reads(nodes: Iterable[Node], *, thumbnails: bool = False) -> DecodeReads:
    """Returns what the pass samples for ``nodes``; ``thumbnails`` adds those that shots are found by."""
    samples: dict[Sample, None] = {}
    for node in nodes:
        thumbnails = thumbnails or node.reads.thumbnails
        samples |= dict.fromkeys(node.reads.samples())
    return DecodeReads(thumbnails, tuple(samples))
