"""What becomes of a clip, from the rows its stages left. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from clipmill.plan import RunPlan
from clipmill.records import ClipReason
from clipmill.scores.verdict import answer_verdict
from clipmill.snapshot.collect import Row
from clipmill.stages.video.filtering.quality_filter import QUALITY_SCORES, Bounds
from clipmill.storage.verdicts import CUSTOM_STAGE, StageRows, answers_of, clip_verdict


@dataclass(frozen=True)
class ClipFate:
    """Why a clip is filtered (``reason`` None: it passed), which stage said so, and by which numbers."""

    reason: ClipReason | None = None
    stage: str = ""
    message: str = ""


PASSED = ClipFate()


def clip_fate(rows: StageRows, plan: RunPlan) -> ClipFate:
    """The first of these that holds: a filter, a failed encode, a failed embedding, a custom stage."""
    failures = (_failure(rows, stage) for stage in ("encode", "embed", CUSTOM_STAGE))
    return verdict(rows, plan) or next(filter(None, failures), PASSED)


def verdict(rows: StageRows, plan: RunPlan) -> ClipFate | None:
    """What the filters say; None when they let the clip pass."""
    reason = clip_verdict(rows, plan)
    if reason is None:
        return None
    if reason == ClipReason.LOW_MOTION:
        return ClipFate(reason, "motion_filter", _outside(rows.get("motion") or {}, _motion_bounds(plan)))
    if reason == ClipReason.LOW_AESTHETIC:
        scores = rows.get("aesthetic") or {}
        return ClipFate(reason, "aesthetic", _outside(scores, _aesthetic_bounds(plan)))
    if reason == ClipReason.REJECTED_BY_ANSWER:
        return ClipFate(reason, "answers", _rejecting(rows.get("answers") or {}, plan))
    return ClipFate(reason, "quality", _outside(rows.get("quality") or {}, _quality_bounds(plan)))


def _motion_bounds(plan: RunPlan) -> dict[str, Bounds]:
    spec = plan.motion_filter
    if spec is None:
        return {}
    return {
        "motion_global_mean": Bounds(min=spec.global_mean_threshold),
        "motion_per_patch_min_256": Bounds(min=spec.per_patch_min_256_threshold),
    }


def _aesthetic_bounds(plan: RunPlan) -> dict[str, Bounds]:
    spec = plan.aesthetics
    return {f"aesthetic_{spec.reduction}": Bounds(min=spec.score_threshold)} if spec else {}


def _rejecting(row: Row, plan: RunPlan) -> str:
    """The answers that reject, with their questions."""
    answers = (one for one in answers_of(row) if answer_verdict([one], plan.questions))
    return ", ".join(f"{one.question!r} was answered {one.answer}" for one in answers)


def _quality_bounds(plan: RunPlan) -> dict[str, Bounds]:
    return {name: cast(Bounds, getattr(plan.quality, name)) for name in QUALITY_SCORES}


def _outside(scores: Row, bounds: Mapping[str, Bounds]) -> str:
    """The scores outside their bounds, with both."""
    pairs = ((name, cast("float | None", scores[name]), limits) for name, limits in bounds.items())
    return ", ".join(filter(None, (_named(name, score, limits) for name, score, limits in pairs)))


def _named(name: str, score: float | None, bounds: Bounds) -> str:
    if score is None:
        return ""
    if bounds.min is not None and score < bounds.min:
        return f"{name} {score:g} is below {bounds.min:g}"
    if bounds.max is not None and score > bounds.max:
        return f"{name} {score:g} is above {bounds.max:g}"
    return ""


def _failure(rows: StageRows, stage: str) -> ClipFate | None:
    row = rows.get(stage)
    if row is None or row["reason"] is None:
        return None
    return ClipFate(ClipReason(str(row["reason"])), stage, str(row["message"] or ""))
