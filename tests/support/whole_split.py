"""The split of a whole video by the arrays of one pass."""

from clipmill.engine.scan.splitter import Splitting
from clipmill.media.types import ScanArrays, ScanFacts
from clipmill.stages.base import StageContext
from clipmill.stages.roles import ExtractorStage
from clipmill.state.split_outcome import SplitOutcome
from tests.support.hand_made import plan


def split_video(
    video_id: str,
    facts: ScanFacts,
    arrays: ScanArrays,
    extractor: ExtractorStage,
    context: StageContext | None = None,
) -> SplitOutcome:
    """What an extractor makes of a video that comes at once."""
    splitting = Splitting(video_id, plan(extractor).extractor, context)
    splitting.take(arrays, arrays)
    return splitting.finish(facts, arrays)
