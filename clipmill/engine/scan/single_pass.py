"""Whether the clips of a video are encoded while it is scanned. Pure.

They are where nothing that is found out later can change them: encoded, with no stage before the encoder that
may reject one, and nothing known of an earlier run; and where the scan's pictures are exact.
"""

from clipmill.engine.work import Work
from clipmill.media.cut.single_pass import SamePass
from clipmill.planning.nodes import Node
from clipmill.planning.plan import Plan
from clipmill.shots.clip_splitter import ClipSplitter
from clipmill.stages.encode_options import EncodeOptions
from clipmill.stages.process_stage import ProcessStage
from clipmill.stages.roles import EncoderStage, ExtractorStage

IN_THE_PASS = "clips encoded in the same pass"


def same_pass(plan: Plan, work: Work, *, out_dir: str) -> SamePass | None:
    """Returns how to encode the clips of a video while it is scanned; None where they need another pass."""
    encoder, extractor = plan.encoder, plan.extractor.stage
    assert isinstance(extractor, ExtractorStage)
    if encoder is None or not work.lacks_split or not extractor.decides_early or may_reject(plan):
        return None
    if plan.source.decoder_quality != "exact":
        return None
    options = encoder_of(encoder).options()
    if not _needs_no_look(options):
        return None
    splitter = ClipSplitter(extractor.clip_rules(), extractor.finder(None))
    return SamePass(work.video_id, splitter, options, out_dir, deinterlace=plan.source.deinterlace)


def may_reject(plan: Plan) -> bool:
    """Returns True if a stage before the encoder may reject a clip, or sees clips before they are files."""
    for node in plan.nodes:
        if node is plan.encoder:
            return False
        drops = node.has_rows and node.stage.on_failure == "drop"
        if node.may_reject or drops or isinstance(node.stage, ProcessStage):
            return True
    return False


def _needs_no_look(options: EncodeOptions) -> bool:
    """True for an encoder that takes frames as they come: no copy, no decode on a GPU, no bars to find."""
    return options.encodes and not options.use_hwaccel and not options.crop_letterbox


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
