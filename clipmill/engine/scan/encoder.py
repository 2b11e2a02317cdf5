"""The encoder of a run, for the pass and for the operator behind it."""

from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.stages.roles import EncoderStage, ExtractorStage

ENCODE_S_PER_MEGAPIXEL_FRAME = 2.0
"""Most seconds that encoding may take. Generous: x264's slow presets on a shared core stay below."""


def encoder_of(node: Node) -> EncoderStage:
    """Returns the encoder of a node."""
    assert isinstance(node.stage, EncoderStage)
    return node.stage


def shortest_clip_s(plan: Plan) -> float:
    """Returns the shortest clip that the extractor makes, in seconds; 0 for no bound."""
    assert isinstance(plan.extractor.stage, ExtractorStage)
    return plan.extractor.stage.length_bounds()[0] or 0.0
