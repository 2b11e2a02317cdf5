"""Which stages clips still need, from rows that are aligned with them. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipmill import arrow, identity
from clipmill.planning.judgement import FINAL, RESULT, RETRYABLE, AlignedRows, Rejection, first_rejecting
from clipmill.planning.nodes import SOURCE, Node
from clipmill.planning.plan import Plan
from clipmill.planning.process_stages import clips_digest
from clipmill.records import ClipSpan
from clipmill.stages.process_stage import SEEN_CLIPS, ProcessStage


@dataclass(frozen=True)
class ClipBlock:
    """Clips of whole videos, and what the state has of them, N places in the same order everywhere.

    ``rows`` maps the key of a stage of clips to its rows, null where a clip has none. ``done`` maps the key
    of a stage of clips or windows to bool ``(N,)``: every item of the clip has a result or a final failure.
    ``passed`` says which clips passed the barriers, None for all; ``videos`` whose clips they are.
    """

    ids: pa.Array
    videos: np.ndarray
    rows: Mapping[str, pa.Table]
    done: Mapping[str, np.ndarray]
    passed: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Windows:
    """The windows of N clips, clip by clip: places of the clips, and frames of each, all int64 ``(W,)``."""

    owners: np.ndarray
    start_frames: np.ndarray
    end_frames: np.ndarray

    @classmethod
    def of_lengths(cls, plan: Plan, num_frames: np.ndarray) -> "Windows":
        """Returns the windows of clips of so many frames; their places depend on nothing else."""
        lengths, kind = np.unique(num_frames, return_inverse=True)
        spans = [plan.windows_of_length(int(length)) for length in lengths]
        counts = np.array([len(one) for one in spans], np.int64)
        firsts = np.cumsum(counts) - counts
        frames = np.array([(one.start_frame, one.end_frame) for span in spans for one in span], np.int64)
        owners = np.repeat(np.arange(len(num_frames)), counts[kind])
        before = np.cumsum(counts[kind]) - counts[kind]
        chosen = frames.reshape(-1, 2)[np.arange(len(owners)) - before[owners] + firsts[kind][owners]]
        return cls(owners, chosen[:, 0], chosen[:, 1])

    def places_of(self, owners: np.ndarray, start_frames: np.ndarray, end_frames: np.ndarray) -> np.ndarray:
        """Returns the place of each window, -1 for one that no clip has."""
        largest = max(0, int(self.start_frames.max(initial=0)), int(start_frames.max(initial=0))) + 1
        keys = self.owners * largest + self.start_frames
        found = np.searchsorted(keys, owners * largest + start_frames)
        found = np.minimum(found, len(keys) - 1)
        if not len(keys):
            return np.full(len(owners), -1)
        is_one = (keys[found] == owners * largest + start_frames) & (self.end_frames[found] == end_frames)
        return np.where(is_one, found, -1)

    def any_of_clip(self, flags: np.ndarray, num_clips: int) -> np.ndarray:
        """Returns bool ``(num_clips,)``: the clips with a window whose flag is set."""
        return np.bincount(self.owners[flags], minlength=num_clips) > 0


@dataclass(frozen=True)
class ClipRange:
    """The N clips of a range and their W windows; ``rows`` maps the key of a stage to its rows.

    These are N or W rows, null where a clip or window has none. ``videos`` says whose clips they are.
    """

    ids: pa.Array
    videos: np.ndarray
    windows: Windows
    rows: Mapping[str, pa.Table]

    def block(self, plan: Plan, passed: frozenset[str] | None = None) -> ClipBlock:
        """Returns what a plan looks at to see what the clips lack."""
        of_clips = {SOURCE: self.rows[SOURCE]} if SOURCE in self.rows else {}
        done: dict[str, np.ndarray] = {}
        for node in plan.rowed:
            if node.stage.grain == "clip":
                of_clips[node.key] = self.rows[node.key]
                done[node.key] = _is_done(self.rows[node.key])
            elif node.stage.grain == "window":
                is_open = ~_is_done(self.rows[node.key])
                done[node.key] = ~self.windows.any_of_clip(is_open, len(self.ids))
        has_passed = None
        if passed is not None:
            has_passed = np.array([clip_id in passed for clip_id in self.ids.to_pylist()], bool)
        return ClipBlock(self.ids, self.videos, of_clips, done, has_passed)


def _is_done(rows: pa.Table) -> np.ndarray:
    """Returns bool ``(N,)``: where there is a result or a final failure."""
    return arrow.flags(arrow.is_in(rows["outcome"], pa.array([RESULT, FINAL])))


def lacks_of(plan: Plan, block: ClipBlock) -> dict[str, np.ndarray]:
    """Returns the key of each stage of clips and windows -> bool ``(N,)``: the clip needs and lacks it.

    A clip needs a stage unless an earlier stage rejected it, or the stage runs for all. A clip that has not
    passed the barriers needs nothing behind them, and a plan of a later phase asks for its own stages only.
    The first phase asks for late stages only of videos that are not split yet: the clips of others have to be
    decoded again anyway, and those that deduplication drops are not. A row that may be tried again counts as
    lacking, and so do the rows of the stages behind it.
    """
    rejected_at = _rejected_at(plan, block)
    found: dict[str, np.ndarray] = {}
    for index, node in enumerate(plan.nodes):
        if node.has_rows and node.stage.grain != "video" and node.phase >= plan.phase:
            if node.is_late and not plan.phase:
                continue
            wanted = _wanted(plan, index, rejected_at)
            if block.passed is not None and node.phase:
                wanted &= block.passed
            found[node.key] = wanted & ~block.done.get(node.key, np.zeros(len(block), bool))
    for key, places in _judged_as_others(plan, block, rejected_at):
        found[key][places] = True
    return found


def _rejected_at(plan: Plan, block: ClipBlock) -> np.ndarray:
    """Returns int ``(N,)``: place of the stage that first rejects a clip, one past the last for none."""
    nodes = [node for node in plan.nodes if node.stage.grain == "clip"]
    places = np.array([plan.place(node.key) for node in nodes] + [len(plan.nodes)])
    rows = {key: _settled(table) for key, table in block.rows.items()}
    return places[first_rejecting(nodes, AlignedRows.of_places(nodes, rows, block.ids), len(block))]


def _settled(rows: pa.Table) -> pa.Table:
    """Returns rows without the outcome of failures that are tried again: those reject nothing yet."""
    if "outcome" not in rows.column_names:
        return rows  # of sources
    outcomes = rows["outcome"].combine_chunks()
    known = arrow.if_else(arrow.equal(outcomes, RETRYABLE), pa.scalar(None, pa.string()), outcomes)
    return rows.set_column(rows.schema.get_field_index("outcome"), "outcome", known)


def _wanted(plan: Plan, index: int, rejected_at: np.ndarray) -> np.ndarray:
    node = plan.nodes[index]
    if node.runs_for == "all":
        return np.ones(len(rejected_at), bool)
    if node.runs_for == "passed":
        return index <= rejected_at
    others = [place for place in range(index) if plan.nodes[place].stage is not node.stage]
    return np.isin(rejected_at, others)


def _judged_as_others(
    plan: Plan, block: ClipBlock, rejected_at: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (key, places) of clips whose video a stage judged as a whole, with other clips than now."""
    for index, node in enumerate(plan.nodes):
        if isinstance(node.stage, ProcessStage) and node.stage.wants_whole_video:
            for places in _by_video(block, rejected_at >= index):
                if _is_stale(block, node, places):
                    yield node.key, places


def _by_video(block: ClipBlock, shown: np.ndarray) -> Iterator[np.ndarray]:
    places = np.flatnonzero(shown)
    places = places[np.argsort(block.videos[places], kind="stable")]
    if len(places):
        yield from np.split(places, np.flatnonzero(np.diff(block.videos[places])) + 1)


def _is_stale(block: ClipBlock, node: Node, places: np.ndarray) -> bool:
    rows = block.rows.get(node.key)
    chosen = pa.array(places)
    digest = clips_digest(str(one) for one in block.ids.take(chosen).to_pylist())
    noted = [None] if rows is None else rows[SEEN_CLIPS].take(chosen).to_pylist()
    return any(one != digest for one in noted)


def keys_by_clip(ids: Sequence[str], lacks: Mapping[str, np.ndarray]) -> dict[str, frozenset[str]]:
    """Returns clip id -> keys of the stages that it lacks, of clips that lack any."""
    found: dict[str, set[str]] = {}
    for key, mask in lacks.items():
        for place in np.flatnonzero(mask):
            found.setdefault(ids[int(place)], set()).add(key)
    return {one: frozenset(found[one]) for one in ids if one in found}


def shown_to(plan: Plan, node: Node, rejected: Mapping[str, Rejection], ids: Sequence[str]) -> list[str]:
    """Returns the clips that no stage before ``node`` rejected."""
    place = plan.place(node.key)
    return [one for one in ids if one not in rejected or plan.place(rejected[one].key) >= place]


def item_ids(plan: Plan, node: Node, clip: ClipSpan) -> Iterable[str]:
    """Returns the ids of a clip's items of a stage: the clip itself, or its windows."""
    if node.stage.grain != "window":
        return (clip.clip_id,)
    windows = plan.windows_of(clip)
    return [identity.window_id(clip.clip_id, span.start_frame, span.end_frame) for span in windows]
