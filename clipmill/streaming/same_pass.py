"""Whether the clips of a video are cut while it is scanned. Pure.

They are where nothing that is found out later can change them: encoded, with no filter that may reject one,
nothing known of an earlier run, and no custom stage between the scan and the cut.
"""

from clipmill.media.clip_deciders import ClipDecider, ContentDecider, StrideDecider
from clipmill.media.same_pass import SamePass
from clipmill.plan import Extractor, RunPlan
from clipmill.records import WorkItem
from clipmill.stages.video.clipping.clip_extraction_stages import (
    ClipTranscodingStage,
    FixedStrideExtractorStage,
)
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage

IN_THE_PASS = "clips encoded in the same pass"


def same_pass(plan: RunPlan, item: WorkItem, *, out_dir: str) -> SamePass | None:
    """How to cut the clips of a video while it is scanned; None where they need a pass of their own."""
    spec, decider = plan.transcode, _decider(plan.extractor)
    is_new = item.clips is None and not item.filtered and "encode" in item.missing
    if spec is None or decider is None or not is_new or not _needs_no_look(spec) or may_reject(plan):
        return None
    return SamePass(item.video_id, decider, spec, out_dir)


def _decider(extractor: Extractor) -> ClipDecider | None:
    """Who tells clips early; None where they overlap, hang on the video's end, or are found by a network."""
    if isinstance(extractor, FixedStrideExtractorStage):
        return StrideDecider(extractor) if extractor.clip_stride_s >= extractor.clip_len_s else None
    if isinstance(extractor, ContentClipExtractionStage) and extractor.entire_scene_as_clip:
        return ContentDecider(extractor)
    return None


def may_reject(plan: RunPlan) -> bool:
    """Whether something of the plan may reject a clip, or change it, before it is cut."""
    filters = (plan.motion_filter, plan.aesthetics, *plan.questions)
    if any(one is not None and not getattr(one, "score_only", False) for one in filters):
        return True
    has_bounds = plan.quality is not None and not plan.quality.score_only and plan.quality.has_bounds
    return has_bounds or any(plan.customs_after(name) for name in ("scan", "appraise"))


def _needs_no_look(spec: ClipTranscodingStage) -> bool:
    """Whether an encoder takes frames as they come: not copied, not decoded on a GPU, bars not looked for."""
    return spec.encodes and not spec.use_hwaccel and not spec.crop_letterbox
