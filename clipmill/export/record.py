"""``export.json``: the plan of an export, frozen before the first shard is written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from clipmill import layout
from clipmill.errors import OutputError
from clipmill.export.spec import ExportSpec
from clipmill.storage import store

FORMAT_VERSION = 1
WORK = "_export"
"""Folder of the plan and of the receipts, below the destination."""


@dataclass(frozen=True)
class Shard:
    """A unit of work: samples of one part and bucket.

    ``plan`` is the file of its rows below the destination, ``digest`` the SHA-256 of that file, which names
    the digest of every clip; ``num_bytes`` are those of the clips.
    """

    number: int
    part: str
    bucket: str
    index: int
    num_samples: int
    num_bytes: int
    num_frames: int
    seconds: float
    plan: str
    digest: str

    @property
    def stem(self) -> str:
        """``train/all/000003``."""
        return f"{self.part}/{self.bucket}/{self.index:06d}"


@dataclass(frozen=True)
class Generation:
    """The shards that one snapshot added, what it left out by reason, and samples that are kept no more.

    ``split`` is the newest file of the table of parts; empty for an output that was not split.
    """

    snapshot_id: str
    shards: tuple[Shard, ...]
    skipped: Mapping[str, int]
    num_gone: int
    split: str = ""


@dataclass(frozen=True)
class ExportPlan:
    """All shards of a destination. ``options`` are those of the spec that change files."""

    options: Mapping[str, Any]
    options_digest: str
    generations: tuple[Generation, ...]

    @property
    def shards(self) -> Sequence[Shard]:
        """Every shard, in the order of their numbers."""
        return [shard for one in self.generations for shard in one.shards]

    @property
    def spec(self) -> ExportSpec:
        """The spec that made the plan."""
        return ExportSpec.model_validate(dict(self.options))

    def encoded(self) -> bytes:
        """Returns the JSON; equal plans have equal bytes."""
        content = {"format_version": FORMAT_VERSION, **asdict(self)}
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def new_plan(spec: ExportSpec, generation: Generation) -> ExportPlan:
    """Returns the plan of a destination that has none."""
    options = spec.model_dump(mode="json", exclude={"workers", "snapshot"})
    return ExportPlan(options, spec.options_digest, (generation,))


def plan_path(dest: str) -> str:
    """``export.json``."""
    return layout.join(dest, "export.json")


def receipt_path(dest: str, shard: Shard) -> str:
    """What a shard became: written after its files."""
    return layout.join(dest, WORK, "done", f"{shard.number:06d}.json")


def read_plan(dest: str) -> ExportPlan | None:
    """Returns the plan of a destination; None where there is none. OutputError for one that is no plan."""
    uri = plan_path(dest)
    if not store.exists(uri):
        return None
    try:
        content = json.loads(store.read_bytes(uri))
        generations = tuple(
            replace(Generation(**one), shards=tuple(Shard(**shard) for shard in one["shards"]))
            for one in content["generations"]
        )
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format {content['format_version']}")
        return ExportPlan(content["options"], content["options_digest"], generations)
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{uri} is no plan of an export: {error}; choose another destination") from error


def added(plan: ExportPlan, generation: Generation) -> ExportPlan:
    """Returns a plan with one more generation."""
    return replace(plan, generations=(*plan.generations, generation))
