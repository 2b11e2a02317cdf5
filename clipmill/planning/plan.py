"""What a run does: where it reads and writes, its limits, and its stages in run order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol, TypeVar

import pyarrow as pa

from clipmill import identity
from clipmill.errors import SpecError
from clipmill.limits import LimitsSpec
from clipmill.planning import registry
from clipmill.planning.graph import build_nodes
from clipmill.planning.nodes import NO_COLUMNS, Node, Placed
from clipmill.records import ClipSpan, FrameSpan
from clipmill.stages.base import ModelRef, Stage
from clipmill.stages.encode_options import EncodeOptions
from clipmill.stages.roles import (
    EncoderStage,
    ExtractorStage,
    ReaderStage,
    SourceOptions,
    WindowStage,
    WriterStage,
)
from clipmill.storage import store
from clipmill.storage.source_columns import SourceColumns, read_source_columns

INSPECT_VERSION = 1
FILTERED = "filtered"

R = TypeVar("R", bound=Stage)


class FindsCopies(Protocol):
    """Says which clips of a table of embeddings, rows of the stage ``key``, repeat clips of earlier runs."""

    @property
    def key(self) -> str:
        """The key of the stage that embeds clips."""
        ...

    def __call__(self, rows: pa.Table) -> frozenset[str]:
        """Returns the ids of the clips that repeat one: the same whichever other rows are there."""
        ...


@dataclass(frozen=True)
class Plan:
    """A run, ready to be carried out.

    ``nodes`` are the stages of clips and windows in run order; ``settings`` are the stages of the grain
    ``run``. ``output`` is None where nothing is written. Stages of phases before ``phase`` are there to be
    read, and do not run. ``source_fields`` are the columns that the user has of the sources. ``copies``
    finds the clips for which late stages wait; None where no earlier run left any.
    """

    source: SourceOptions
    output: WriterStage | None
    limits: LimitsSpec
    extractor: Node
    windows: WindowStage
    nodes: tuple[Node, ...]
    settings: tuple[Stage, ...] = field(default=())
    phase: int = 0
    source_fields: pa.Schema = NO_COLUMNS
    copies: FindsCopies | None = None

    @cached_property
    def by_key(self) -> Mapping[str, Node]:
        """Key -> node of the stages of clips and windows."""
        return {node.key: node for node in self.nodes}

    @property
    def rowed(self) -> tuple[Node, ...]:
        """The nodes that leave rows in the state."""
        return tuple(node for node in self.nodes if node.has_rows)

    @property
    def running(self) -> tuple[Node, ...]:
        """The nodes that leave rows in the phase of this plan, and in those behind it."""
        return tuple(node for node in self.rowed if node.phase >= self.phase)

    @property
    def sampled(self) -> tuple[Node, ...]:
        """The nodes that the pass samples for."""
        return tuple(node for node in self.nodes if node.is_sampled)

    @property
    def encoder(self) -> Node | None:
        """The node that makes clip files of passed clips, if one is on."""
        found = (node for node in self.nodes if isinstance(node.stage, EncoderStage))
        return next((node for node in found if node.runs_for != "rejected"), None)

    @property
    def output_uri(self) -> str | None:
        """Where results go."""
        return self.output.output_path if self.output else None

    @property
    def stages(self) -> Iterator[Stage]:
        """Every stage that runs."""
        yield from self.settings
        if not self.phase:
            yield self.extractor.stage
        nodes = (node for node in self.nodes if node.phase >= self.phase)
        yield from (node.stage for node in nodes if node.runs_for != "rejected")

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """The models of all stages, each once."""
        return tuple(dict.fromkeys(model for stage in self.stages for model in stage.models()))

    @property
    def encode_options(self) -> EncodeOptions | None:
        """How clips are encoded, or None where no clip file is made."""
        return self._encoder_stage.options() if self._encoder_stage else None

    @property
    def clips_per_chunk(self) -> int | None:
        """How many clips of 8 s one documented JSON of a chunk describes; None for all of a video."""
        return self._encoder_stage.clips_per_chunk if self._encoder_stage else None

    @property
    def _encoder_stage(self) -> EncoderStage | None:
        stage = self.encoder.stage if self.encoder else None
        return stage if isinstance(stage, EncoderStage) else None

    def documents(self, stage: Stage) -> bool:
        """Returns True if the documented JSON shows what a stage found."""
        writers = (one for one in self.settings if isinstance(one, WriterStage))
        return all(writer.documents(stage) for writer in writers)

    def place(self, key: str) -> int:
        """Returns the place of a node in run order."""
        return next(index for index, node in enumerate(self.nodes) if node.key == key)

    @property
    def num_phases(self) -> int:
        """One more than the barriers that stages wait for."""
        return 1 + max((node.phase for node in self.nodes), default=0)

    def up_to(self, phase: int) -> "Plan":
        """Returns the plan of one phase: without the stages behind the barrier that ends it.

        In the first one late stages run as well, for the clips that are not known to be copies.
        """
        nodes = (replace(node, phase=0) if node.is_late and not phase else node for node in self.nodes)
        return replace(self, nodes=tuple(node for node in nodes if node.phase <= phase), phase=phase)

    def source_columns(self) -> SourceColumns | None:
        """Reads what the user knows of the sources. SpecError where its columns are others by now."""
        return options_columns(self.source, self.source_fields) if self.source.metadata else None

    def digests(self) -> dict[str, str]:
        """Returns key -> digest of everything that leaves rows."""
        found = {node.key: node.digest for node in (self.extractor, *self.rowed)}
        return {"inspect": inspect_digest(self.limits), **found}

    def windows_of(self, clip: ClipSpan) -> Sequence[FrameSpan]:
        """Returns the windows of a clip, in frames of the clip."""
        return self.windows.windows(clip)

    def windows_of_length(self, num_frames: int) -> Sequence[FrameSpan]:
        """Returns the windows of any clip of so many frames; their places depend on nothing else."""
        return self.windows_of(ClipSpan("", FrameSpan(0, num_frames), 0, num_frames, 0.0, 1.0))


def inspect_digest(limits: LimitsSpec) -> str:
    """Returns the digest of what a look at the headers finds; the limits decide what is over them."""
    return identity.stage_digest("inspect", INSPECT_VERSION, limits.result_fields())


def plan_of(stages: Sequence[Stage | Placed], *, limits: LimitsSpec) -> Plan:
    """Returns the plan of stages in the order a user added them. SpecError for a list that cannot run."""
    placed = [one if isinstance(one, Placed) else Placed(one) for one in stages]
    placed = _with_defaults(placed)
    settings = [one for one in placed if one.stage.grain == "run"]
    rest = [one for one in placed if one.stage.grain != "run"]
    windows = _one(settings, WindowStage)
    assert windows is not None
    source, writer = _one(settings, ReaderStage), _one(settings, WriterStage)
    options = source.source() if source else None
    fields = options_columns(options).rows.schema if options and options.metadata else NO_COLUMNS
    nodes = build_nodes([*settings, *rest], windows=windows.places_digest(), source=fields)
    if options is None:
        raise SpecError("the pipeline has no reader: add a VideoReader as its first stage")
    output = _absolute(writer) if writer else None
    extractor = next(node for node in nodes if isinstance(node.stage, ExtractorStage))
    kept = [
        node for node in nodes if node.stage.grain in ("clip", "window", "video") and node is not extractor
    ]
    return Plan(
        source=options,
        output=output,
        limits=limits,
        extractor=extractor,
        windows=next(node.stage for node in nodes if isinstance(node.stage, WindowStage)),
        nodes=tuple(_for_output(kept, writer)),
        settings=tuple(node.stage for node in nodes if node.stage.grain == "run"),
        source_fields=fields,
    )


def options_columns(source: SourceOptions, schema: pa.Schema | None = None) -> SourceColumns:
    """Returns the columns of a source's ``metadata``."""
    assert source.metadata
    return read_source_columns(source.metadata, root=source.path, schema=schema)


def _absolute(writer: WriterStage) -> WriterStage:
    """A stage's code may change the folder of its process; the output stays where it was."""
    places = {name: store.normalise(getattr(writer, name)) for name in ("output_path", "input_path")}
    return writer.model_copy(update=places)


def _with_defaults(placed: Sequence[Placed]) -> list[Placed]:
    """Adds the extractor and the windows that a run needs and the list does not have."""
    found = list(placed)
    for role, name in ((ExtractorStage, "extractors"), (WindowStage, "preparations of windows")):
        there = [one for one in found if isinstance(one.stage, role)]
        if len(there) > 1:
            names = " and ".join(type(one.stage).__name__ for one in there[:2])
            raise SpecError(f"the pipeline has two {name}: {names}")
        if not there:
            place = 0 if role is ExtractorStage else len(found)
            found.insert(place, Placed(registry.default_stage(role)))
    return found


def _one(placed: Sequence[Placed], kind: type[R]) -> R | None:
    found = [one.stage for one in placed if isinstance(one.stage, kind)]
    if len(found) > 1:
        raise SpecError(
            f"the pipeline has {len(found)} stages of {type(found[0]).__name__}, and can have one"
        )
    return found[0] if found else None


def _for_output(nodes: Sequence[Node], writer: WriterStage | None) -> Iterator[Node]:
    """Leaves out what the writer turns off, and adds the encoder of rejected clips where it asks for it."""
    for node in nodes:
        if writer is not None and writer.leaves_out(node.stage):
            continue
        yield node if writer is not None else _shown(node)
        if isinstance(node.stage, EncoderStage) and writer and writer.write_filtered_clips:
            yield replace(node, key=f"{node.key}_{FILTERED}", runs_for="rejected")


def _shown(node: Node) -> Node:
    """Returns a node that reads the frames that it only shows: without an output users get them."""
    frames = node.stage.shows()
    if not frames or node.reads.frames:
        return node
    return replace(node, reads=replace(node.reads, frames=frames[0], more_frames=frames[1:]))
