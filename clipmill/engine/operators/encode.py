"""The encoder: the spans that passed become files, decoded again from the key picture before each.

Clips that the scan encoded in its pass are left as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from clipmill import identity, layout
from clipmill.engine.chunk import Chunk
from clipmill.engine.groups import Group, behind
from clipmill.engine.metrics import Stopwatch
from clipmill.engine.runners.context import output_faults
from clipmill.engine.runners.result_rows import checked, rows_of
from clipmill.engine.scan.single_pass import ENCODE_S_PER_MEGAPIXEL_FRAME, encoder_of, shortest_clip_s
from clipmill.errors import OutputFault, StoreError
from clipmill.media.cut.cut import cut_clips
from clipmill.outcomes.failures import failure_of, is_of_item
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan, CutClip, VideoReason
from clipmill.sandbox.runner import codec_runner
from clipmill.scratch import ScratchFolder
from clipmill.stages.base import Failed, Item, Results
from clipmill.storage import store

SECOND_PASS = "second pass over kept spans"
NOT_CUT = "the clip was not cut"


class EncodeOperator:
    """Cuts, stores and describes clips. A clip that cannot be cut fails alone."""

    def __init__(self, plan: Plan, groups: Sequence[Group], place: int, gpu_share: float) -> None:
        del gpu_share
        self._plan = plan
        self._nodes = groups[place].nodes
        self._later = behind(groups, place)
        self._child = codec_runner(plan.limits)

    def __call__(self, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
        """Cuts the clips of each chunk that lack a file."""
        for chunk in chunks:
            for node in self._nodes:
                watch = Stopwatch(node.key, self._child)
                clips = wanted_clips(chunk, node)
                if clips:
                    chunk = self._cut(chunk, node, clips)
                detail = SECOND_PASS if clips else ""
                lap = watch.lap(chunk.work.video_id, chunk.index, detail=detail, num_items=len(clips))
                chunk = chunk.measured(lap)
            yield chunk if self._plan.output is None else chunk.without_samples(self._later)

    def _cut(self, chunk: Chunk, node: Node, clips: Sequence[ClipSpan]) -> Chunk:
        with ScratchFolder("cut") as folder:
            cuts = list(self._cut_all(chunk, node, clips, folder.path))
            return with_cuts(chunk, node, clips, cuts, self._plan)

    def _cut_all(
        self, chunk: Chunk, node: Node, clips: Sequence[ClipSpan], out_dir: str
    ) -> Iterator[CutClip | Failed]:
        """All clips in one child call; when that fails, clip by clip, so that one cannot cost the others.

        A store that failed would fail for each of them.
        """
        try:
            found = {cut.clip_id: cut for cut in self._cut_in_child(chunk, node, clips, out_dir)}
            yield from (found.get(clip.clip_id, CutClip(clip.clip_id, "", NOT_CUT)) for clip in clips)
        except Exception as error:  # an encoder may raise anything: it costs this clip
            if not is_of_item(error):
                raise
            if len(clips) == 1 or isinstance(error, StoreError):
                yield from [self._failure(node, chunk, error)] * len(clips)
                return
            for clip in clips:
                yield from self._cut_all(chunk, node, [clip], out_dir)

    def _failure(self, node: Node, chunk: Chunk, error: Exception) -> Failed:
        uri, limits = chunk.work.source.uri, self._plan.limits
        return failure_of(error, uri=uri, limits=limits, final_reason=reason_of(node))

    def _cut_in_child(
        self, chunk: Chunk, node: Node, clips: Sequence[ClipSpan], out_dir: str
    ) -> list[CutClip]:
        limits, facts = self._plan.limits, chunk.work.facts
        megapixels = facts.width_px * facts.height_px / 1e6
        frames = sum(clip.frames.num_frames for clip in clips)
        return self._child.run(
            cut_clips,
            chunk.work.source,
            list(clips),
            encoder_of(node).options(),
            out_dir=out_dir,
            min_length_s=shortest_clip_s(self._plan),
            repaired_times=chunk.work.repaired_times,
            deinterlace=self._plan.source.deinterlace,
            timeout_s=limits.decode_timeout_s + megapixels * frames * ENCODE_S_PER_MEGAPIXEL_FRAME,
            stall_s=limits.decode_stall_s,
        )


def wanted_clips(chunk: Chunk, node: Node) -> list[ClipSpan]:
    """Returns the clips that lack a file and were not encoded in the pass."""
    rows = chunk.made.get(node.key)
    made = set() if rows is None else set(rows["id"].to_pylist())
    return [clip for clip in chunk.clips if chunk.wants(node, clip.clip_id) and clip.clip_id not in made]


def reason_of(node: Node) -> str:
    """Returns the reason of an encoder's failures."""
    return node.stage.failure_reason or f"{node.key}_failed"


def with_cuts(
    chunk: Chunk, node: Node, clips: Sequence[ClipSpan], cuts: Sequence[CutClip | Failed], plan: Plan
) -> Chunk:
    """Returns the chunk with stored clip files and their rows.

    An output that failed is not tried for each clip that follows.
    """
    rows: list[pa.Table] = []
    lost: Failed | None = None
    files = dict(chunk.files)
    for clip, cut in zip(clips, cuts, strict=True):
        item = Item(clip.clip_id, clip, chunk.work.facts, chunk.work.source.uri)
        found = lost or _stored(node, cut, plan)
        lost = found if isinstance(found, Failed) and found.reason == VideoReason.OUTPUT_ERROR else None
        if isinstance(found, Failed):
            answer = Results({}, {0: found})
        else:
            values, data = found
            answer = Results({name: [value] for name, value in values.items()})
            if plan.output_uri is None:
                files[clip.clip_id] = data
        rows.append(rows_of(node, checked(node, [item], answer), {}))
    return replace(chunk, files=files).with_rows(node.key, pa.concat_tables(rows), plan.nodes)


def _stored(node: Node, cut: CutClip | Failed, plan: Plan) -> tuple[Mapping[str, object], bytes] | Failed:
    """The columns and the bytes of a clip's file, once it is stored, or why there is none."""
    if isinstance(cut, Failed):
        return cut
    if not cut.path:
        return Failed("final", reason_of(node), cut.message)
    try:
        uri, data = stored_clip(cut, node, output_uri=plan.output_uri)
    except OutputFault as error:
        return failure_of(error, uri=error.uri)
    return encoder_of(node).row(cut, clip_uri=uri, clip_digest=identity.bytes_digest(data)), data


def stored_clip(cut: CutClip, node: Node, *, output_uri: str | None) -> tuple[str, bytes]:
    """Stores the file of a clip; returns its path relative to the output, and its bytes. Or OutputFault."""
    suffix = cut.path[cut.path.rindex(".") :]
    path = layout.clip_path("", cut.clip_id, filtered=node.runs_for == "rejected", suffix=suffix).lstrip("/")
    relative = layout.in_folder(path, node.folder)
    data = Path(cut.path).read_bytes()
    if output_uri is not None:
        with output_faults():
            store.put_file(layout.join(output_uri, relative), cut.path)
    return relative, data
