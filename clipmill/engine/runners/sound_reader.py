"""Lends a stage the sound of its items: read from the source, in the codec process of the worker."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clipmill.engine.runners.context import WorkerContext
from clipmill.engine.runners.items import Wanted
from clipmill.engine.work import Work
from clipmill.media.sound.span_samples import samples_path, write_samples
from clipmill.outcomes.failures import failure_of, is_of_item
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.records import ClipSpan
from clipmill.sandbox.runner import CODEC_RUNNER, codec_runner
from clipmill.scratch import ScratchFolder
from clipmill.stages.reads import Sound

logger = logging.getLogger(__name__)

READ_S_PER_CLIP = 5.0
"""Generous: seconds of sound decode in milliseconds, but a seek may go to a distant store."""
DECODE_S_PER_FRAME = 0.25


class SoundReader:
    """Reads what a node's ``Reads.sound`` asks for. Items of a source that cannot be read fail."""

    def __init__(self, node: Node, plan: Plan, context: WorkerContext) -> None:
        self._sound = node.reads.sound
        self._limits = plan.limits
        self._codecs = context.shared(CODEC_RUNNER, lambda: codec_runner(plan.limits))

    def __call__(self, work: Work, wanted: Wanted) -> Wanted:
        """Returns the items of a video with their sound; unchanged for a stage that reads none."""
        if self._sound is None or not wanted.items:
            return wanted
        clips = list({item.clip.clip_id: item.clip for item in wanted.items}.values())
        try:
            found = self._read(work, clips, self._sound)
        except Exception as error:  # a demuxer may raise anything: it costs the items of this video
            if not is_of_item(error):
                raise
            failed = failure_of(error, uri=work.source.uri, limits=self._limits)
            logger.warning("%s", failed.message.splitlines()[0])
            return Wanted((), {**wanted.failed, **{item.id: (item, failed) for item in wanted.items}})
        items = tuple(replace(item, sound=found.get(item.clip.clip_id)) for item in wanted.items)
        return replace(wanted, items=items)

    def _read(self, work: Work, clips: Sequence[ClipSpan], sound: Sound) -> dict[str, np.ndarray]:
        """The samples of each clip that has sound; what is mapped stays readable behind the folder."""
        frames = work.facts.num_frames if work.repaired_times else 0
        with ScratchFolder("sound") as folder:
            self._codecs.run(
                write_samples,
                work.source,
                clips,
                time_base=work.facts.time_base,
                rate_hz=sound.rate_hz,
                channels=sound.channels,
                repaired_times=work.repaired_times,
                out_dir=folder.path,
                timeout_s=self._limits.decode_timeout_s
                + READ_S_PER_CLIP * len(clips)
                + DECODE_S_PER_FRAME * frames,
                stall_s=self._limits.decode_stall_s,
            )
            paths = {clip.clip_id: samples_path(folder.path, clip) for clip in clips}
            return {
                name: np.load(path, mmap_mode="c") for name, path in paths.items() if os.path.exists(path)
            }
