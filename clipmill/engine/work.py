"""The unit of work of the engine: one video and what it lacks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clipmill.records import ClipSpan, SourceFile, VideoFacts


@dataclass(frozen=True)
class Work:
    """One video and what it lacks.

    ``clips`` are the clips of an earlier run that lack rows, or None where the video was not split yet; it
    then lacks everything. ``lacks`` maps the id of each of them to the keys of the stages it lacks, and
    ``video_lacks`` holds those of the video itself. ``repaired_times`` is what the scan said of times that it
    made up; clips are cut by the same times. ``traits`` are those of its split, which options may depend on;
    None where the scan is not through. ``is_plain`` says that the scan found nothing unusual.
    ``source_values`` are those of the columns about sources that stages read. ``failed_measures`` maps the
    function of a Measure to the first error that it raised.
    """

    source: SourceFile
    video_id: str
    facts: VideoFacts
    clips: tuple[ClipSpan, ...] | None = None
    lacks: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    video_lacks: frozenset[str] = frozenset()
    repaired_times: str = ""
    traits: str | None = None
    is_plain: bool = False
    source_values: Mapping[str, object] = field(default_factory=dict[str, object])
    failed_measures: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def lacks_split(self) -> bool:
        """True for a video that was not split into clips yet."""
        return self.clips is None

    def is_lacking(self, clip_id: str, key: str) -> bool:
        """Returns True if a clip lacks the rows of a stage."""
        return self.lacks_split or key in self.lacks.get(clip_id, frozenset())

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the stages that any clip lacks; of a video without a split these are not known."""
        return frozenset(key for keys in self.lacks.values() for key in keys)
