"""What the stages that share the scan have to say of a clip, each to its own logger, at DEBUG."""

from clipmill.plan import RunPlan
from clipmill.records import ClipReason
from clipmill.video import Clip


def log_clip(clip: Clip, plan: RunPlan) -> None:
    """One line per stage that is on."""
    if plan.motion:
        plan.motion.log().debug(
            "%s: mean %s, least patch %s", clip.uuid, clip.motion_score_global_mean,
            clip.motion_score_per_patch_min_256,
        )  # fmt: skip
    if plan.motion_filter:
        drops = clip.reason == ClipReason.LOW_MOTION
        plan.motion_filter.log().debug("%s: %s", clip.uuid, clip.reason if drops else "passed")
    if plan.quality:
        plan.quality.log().debug("%s: %s, %s", clip.uuid, clip.quality, clip.reason or "passed")
    if plan.frames:
        counts = {name: len(frames) for name, frames in clip.extracted_frames.items()}
        plan.frames.log().debug("%s: frames %s", clip.uuid, counts)
    plan.windows.log().debug("%s: %d windows", clip.uuid, len(clip.windows))
