"""The embed operator: one model per worker, clips of several videos in one batch."""

from collections.abc import Iterator, Sequence
from typing import TypeGuard

import numpy as np

from clipmill.models.embedder import Embedder, TextEmbedder
from clipmill.plan import Embedding, RunPlan
from clipmill.records import ClipReason
from clipmill.stages.video.clipping.clip_frame_extraction import FrameExtractionPolicy, frame_signature
from clipmill.stages.video.embedding.learned import LearnedEmbeddingStage
from clipmill.streaming.customs import Customs
from clipmill.streaming.makers import Makers
from clipmill.streaming.operators import reject_clip
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.video import Clip


class EmbedOperator:
    """Embeds every clip that passed; a clip without frames is rejected by name."""

    name = "embed"

    def __init__(self, plan: RunPlan, output: str | None, makers: Makers) -> None:
        self._spec = plan.embedding
        self._embedder = makers.embedder(plan)
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Embed the batch, then give its parcels on."""
        watches = [Stopwatch(self.name, parcel.item.video_id) for parcel in parcels]
        wanted = [parcel for parcel in parcels if "embed" in parcel.item.missing]
        if self._spec and self._embedder:
            clips = [clip for parcel in wanted for clip in parcel.task.data.clips]
            embed_clips(clips, self._spec, self._embedder)
            for parcel in wanted:
                _reject_failed(parcel)
        for parcel, watch in zip(parcels, watches, strict=True):
            yield self._customs(parcel).measured(watch.lap(parcel.task.data.clip_chunk_index))


def embed_clips(clips: Sequence[Clip], spec: Embedding, embedder: Embedder) -> None:
    """Give clips that have frames their embedding and, where texts are to be verified, the best of them."""
    key = frame_signature(FrameExtractionPolicy.SEQUENCE, spec.target_fps)
    ready = [clip for clip in clips if key in clip.extracted_frames]
    if not ready:
        return
    embedded = embedder.embed([clip.extracted_frames[key] for clip in ready])
    done: list[Clip] = []
    for index, clip in enumerate(ready):
        if index in embedded.errors:
            clip.errors["embed"] = embedded.errors[index]
        else:
            clip.embedding = embedded.rows[index]
            clip.sketch = embedded.sketches[index] if embedded.sketches else None
            done.append(clip)
    if isinstance(spec, LearnedEmbeddingStage):
        _match(done, spec, embedder)
        _fill_documented(done, spec)
    spec.log().debug("%d of %d clips embedded", len(done), len(clips))


def _match(clips: Sequence[Clip], spec: LearnedEmbeddingStage, embedder: Embedder) -> None:
    if not (clips and spec.texts_to_verify and is_text_embedder(embedder)):
        return
    rows = np.stack([clip.embedding for clip in clips if clip.embedding is not None])
    for clip, match in zip(clips, embedder.match(rows, spec.texts_to_verify), strict=True):
        clip.text_match = match


def is_text_embedder(embedder: Embedder) -> TypeGuard[TextEmbedder]:
    """Whether a model has a text tower."""
    return hasattr(embedder, "match")


def _fill_documented(clips: Sequence[Clip], spec: LearnedEmbeddingStage) -> None:
    """The fields that the documents have for two families."""
    for clip in clips:
        if spec.algorithm.startswith("cosmos-embed1"):
            clip.cosmos_embed1_embedding, clip.cosmos_embed1_text_match = clip.embedding, clip.text_match
        elif spec.algorithm == "internvideo2":
            clip.intern_video_2_embedding, clip.intern_video_2_text_match = clip.embedding, clip.text_match


def _reject_failed(parcel: Parcel) -> None:
    video = parcel.task.data
    for clip in [clip for clip in video.clips if clip.embedding is None]:
        why = clip.errors.get("embed") or clip.errors.get("frames")
        message = why or "the clip has no sampled frames"
        reject_clip(video, clip, ClipReason.EMBEDDING_FAILED, stage="embed", message=message)
