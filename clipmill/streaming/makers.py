"""How operators come by their models: one place to put others in their stead."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from clipmill.models.aesthetics import AestheticScorer
from clipmill.models.captioner import Captioner, NoCaptions
from clipmill.models.embedder import Embedder
from clipmill.models.language_model import LanguageModel
from clipmill.models.perceptual import PerceptualEmbedder
from clipmill.models.shot_network import ShotNetwork, open_shot_network
from clipmill.plan import RunPlan
from clipmill.stages.video.clipping.transnetv2_extraction import TransNetV2ClipExtractionStage
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage


def make_embedder(plan: RunPlan) -> Embedder | None:
    """What embeds the clips of a plan, with its weights loaded; None where embedding is off."""
    if isinstance(plan.embedding, LearnedEmbeddingStage):
        # The backends are imported where they are used: a worker that cuts needs no torch.
        from clipmill.models.learned import open_embedder

        return open_embedder(plan.embedding)
    return PerceptualEmbedder(plan.embedding) if plan.embedding else None


def make_scorer(plan: RunPlan) -> AestheticScorer | None:
    """What scores frames for a plan; None where that is off."""
    if plan.aesthetics is None:
        return None
    from clipmill.models.clip_aesthetics import open_aesthetic_scorer

    return open_aesthetic_scorer(plan.aesthetics)


def make_shot_network(plan: RunPlan) -> ShotNetwork | None:
    """What a plan's extractor looks for cuts with; None where it needs no network."""
    if not isinstance(plan.extractor, TransNetV2ClipExtractionStage):
        return None
    return open_shot_network(plan.extractor)


def make_captioner(plan: RunPlan) -> Captioner:
    """What describes the windows of a plan."""
    if plan.captions is None:
        return NoCaptions()
    from clipmill.models.captioners import open_captioner

    return open_captioner(plan.captions)


def make_questioner(plan: RunPlan) -> Captioner:
    """What answers the questions of a plan: its captioner, asked once."""
    return make_captioner(replace(plan, captions=plan.captions and plan.captions.for_questions()))


def make_language_model(plan: RunPlan) -> LanguageModel:
    """What works over the captions of a plan."""
    from clipmill.models.language_models import open_language_model

    if plan.enhancement is None:
        raise ValueError("the plan enhances nothing")
    return open_language_model(plan.enhancement)


@dataclass(frozen=True)
class Makers:
    """What makes the models of a worker; each is called once per worker."""

    embedder: Callable[[RunPlan], Embedder | None] = make_embedder
    scorer: Callable[[RunPlan], AestheticScorer | None] = make_scorer
    captioner: Callable[[RunPlan], Captioner] = make_captioner
    questioner: Callable[[RunPlan], Captioner] = make_questioner
    language_model: Callable[[RunPlan], LanguageModel] = make_language_model
    shot_network: Callable[[RunPlan], ShotNetwork | None] = make_shot_network


BACKENDS = Makers()
"""Those of ``clipmill.models``."""
