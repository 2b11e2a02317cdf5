"""What an export holds and leaves out, in lines for people. Pure."""

from collections.abc import Iterator, Mapping

from clipmill.export.record import Generation
from clipmill.export.survey import Amounts, Place, Survey

REASONS = {
    "no_caption": "has no text",
    "no_embedding": "has no embedding",
    "no_audio": "has no sound",
    "no_file": "has no clip file",
    "not_mp4": "is no .mp4, the only kind that Cosmos-Predict2 reads: add --materialize",
    "no_part": "is in no part: clipmill split OUTPUT again",
    "no_bucket": "fits no bucket",
    "no_text_embedding": "has no file in the folder of text embeddings",
    "too_small": "would have to be enlarged",
    "too_few_frames": "has fewer frames than the shortest sample",
    "slower_than_fps": "has fewer frames a second than the samples",
    "frames_differ": "is a window of a clip whose file has other frames: copied, or at another rate",
    "held_out:leak": "is held out of all parts: it would leak",
    "held_out:cap": "is held out of all parts: it exceeds a cap",
}


def survey_lines(survey: Survey) -> Iterator[str]:
    """Yields a table of what an export would hold."""
    yield f"snapshot {survey.snapshot_id}: {survey.num_clips:,} kept clips"
    yield from _table(survey.amounts)
    yield from _skipped(survey.skipped)


def generation_lines(generation: Generation) -> Iterator[str]:
    """Yields a table of what a snapshot added to an export."""
    amounts: dict[Place, Amounts] = {}
    for shard in generation.shards:
        own = amounts.setdefault((shard.part, shard.bucket), Amounts())
        own.add(shard)
        own.num_shards += 1
    num_shards = len(generation.shards)
    yield f"snapshot {generation.snapshot_id}: {num_shards:,} shard{'' if num_shards == 1 else 's'}"
    yield from _table(amounts)
    yield from _skipped(generation.skipped)
    if generation.num_gone:
        yield (
            f"{generation.num_gone:,} samples of earlier shards are kept no more, or held out: export anew "
            "to drop them"
        )


def _table(amounts: Mapping[Place, Amounts]) -> Iterator[str]:
    yield f"{'part':<10}{'bucket':<28}{'samples':>12}{'hours':>10}{'frames':>16}{'MB':>14}{'shards':>8}"
    for (part, bucket), one in sorted(amounts.items()):
        shards = f"{one.num_shards:>8,}" if one.num_shards else ""
        yield (
            f"{part:<10}{bucket:<28}{one.num_samples:>12,}{one.seconds / 3600:>10.2f}{one.num_frames:>16,}"
            f"{one.num_bytes / 1e6:>14,.1f}{shards}"
        )


def _skipped(skipped: Mapping[str, int]) -> Iterator[str]:
    for reason, count in sorted(skipped.items()):
        yield f"left out: {count:,} {reason}: {REASONS[reason]}"
