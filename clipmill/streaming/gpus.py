"""How many GPUs the workers of an operator reserve, and how many workers there may be. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from clipmill.errors import SpecError
from clipmill.plan import RunPlan
from clipmill.stages.video.caption.serving import ServedModel
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage

GPU_MEMORY_GB = 80.0
"""What ``gpu_memory_gb`` is a share of; Ray does not know what the GPUs of its cluster have."""
NVDEC_SHARE = 0.1
"""Of a GPU, for a worker that only decodes: the decoders are a part of their own, for several sessions."""
LEAST_WORKERS = {"scan": 4}
"""Decoding is most of the work without captions: one worker would leave everybody waiting."""
GROWS = "caption"
"""The slow operator: what the others leave of the GPUs is its own."""


@dataclass(frozen=True)
class GpuShare:
    """What one worker of an operator reserves, and how many workers fit."""

    num_gpus: float
    max_workers: int


def gpu_shares(plan: RunPlan, *, num_gpus: float) -> dict[str, GpuShare]:
    """Operator -> share, for the operators whose stages run on a GPU; none where the cluster has none.

    One worker of each has to fit, or Ray Data would wait for ever: where they do not, all reserve less.
    SpecError where a worker that needs several GPUs is among them.
    """
    if num_gpus <= 0:
        return {}
    asked = _asked_by_each(plan)
    total = _total(asked)
    if total > num_gpus:
        if max(asked.values()) > 1:
            raise SpecError(
                f"one worker of each stage asks for {total:g} GPUs together, there are {num_gpus:g}: "
                f"{', '.join(f'{name} {share:g}' for name, share in asked.items())}"
            )
        asked = {name: share * num_gpus / total for name, share in asked.items()}
    bounds = {"caption": plan.captions, "enhance": plan.enhancement}
    return {
        name: GpuShare(share, _bound(bounds.get(name)) or _most(name, asked, num_gpus))
        for name, share in asked.items()
    }


def told_their_share(plan: RunPlan, *, num_gpus: float) -> RunPlan:
    """The plan as workers get it where ``gpu_shares`` had to shrink what they reserve.

    ``num_gpus_per_worker`` of the models that write text is what is left to them: an engine takes so much of
    its GPU's memory when it starts, before it knows of others.
    """
    total = _total(_asked_by_each(plan))
    return _shrunk(plan, num_gpus / total) if 0 < num_gpus < total else plan


def told_to_share_all(plan: RunPlan) -> RunPlan:
    """The same where all workers are in one process, and so on the same GPUs, however many there are."""
    total = _total({name: min(1.0, share) for name, share in _asked_by_each(plan).items()})
    return _shrunk(plan, 1 / total) if total > 1 else plan


def _shrunk(plan: RunPlan, factor: float) -> RunPlan:
    captions, enhancement = (
        stage and stage.model_copy(update={"num_gpus_per_worker": stage.num_gpus_per_worker * factor})
        for stage in (plan.captions, plan.enhancement)
    )
    return replace(plan, captions=captions, enhancement=enhancement)


def _bound(stage: ServedModel | None) -> int | None:
    """What the user says there will be: a cluster may grow while the pool waits."""
    return stage.max_workers if stage else None


def _total(asked: Mapping[str, float]) -> float:
    return sum(share * LEAST_WORKERS.get(name, 1) for name, share in asked.items())


def _most(name: str, asked: Mapping[str, float], num_gpus: float) -> int:
    """The least of each operator, and what is left for the slow one; without it, for all alike."""
    left, least = num_gpus - _total(asked), LEAST_WORKERS.get(name, 1)
    if GROWS in asked:
        return least + int(left / asked[name] + 1e-6) if name == GROWS else least
    return least + int(left / len(asked) / asked[name] + 1e-6)


def _asked_by_each(plan: RunPlan) -> dict[str, float]:
    return {name: share for name, share in _asked(plan) if share > 0}


def _asked(plan: RunPlan) -> Iterator[tuple[str, float]]:
    """Operator, and GPUs for one of its workers."""
    extractor, embedding = plan.extractor, plan.embedding
    if isinstance(extractor, TransNetV2ClipExtractionStage) and extractor.device != "cpu":
        yield "scan", _share(extractor.gpu_memory_gb)
    elif plan.reader.decoder == "nvdec":  # ``auto`` takes a GPU that a worker has anyway, and asks for none
        yield "scan", NVDEC_SHARE
    if appraise := _appraise(plan):
        yield "appraise", appraise
    if isinstance(embedding, LearnedEmbeddingStage) and embedding.device != "cpu":
        yield "embed", _share(embedding.gpu_memory_gb)
    if plan.captions:
        yield "caption", plan.captions.gpus_per_worker
    if plan.enhancement:
        yield "enhance", plan.enhancement.gpus_per_worker


def _appraise(plan: RunPlan) -> float:
    """Both models of the operator lie on the same GPU."""
    scorer = plan.aesthetics.num_gpus_per_worker if plan.aesthetics and plan.aesthetics.device != "cpu" else 0
    captioner = plan.captions.gpus_per_worker if plan.captions and plan.questions else 0
    return max(scorer, captioner) if captioner > 1 else min(1.0, scorer + captioner)


def _share(memory_gb: float) -> float:
    return min(1.0, round(memory_gb / GPU_MEMORY_GB, 2))
