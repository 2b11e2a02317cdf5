"""The embed operator: one model per worker, clips of several videos in one batch."""

from collections.abc import Iterator, Sequence

from clipmill.models.embedder import Embedder
from clipmill.models.perceptual import PerceptualEmbedder
from clipmill.plan import RunPlan
from clipmill.records import ClipReason
from clipmill.stages.video.clipping.clip_frame_extraction import FrameExtractionPolicy, frame_signature
from clipmill.streaming.customs import Customs
from clipmill.streaming.operators import reject_clip
from clipmill.streaming.parcel import Parcel
from clipmill.streaming.stopwatch import Stopwatch
from clipmill.video import Clip


class EmbedOperator:
    """Embeds every clip that passed; a clip without frames is rejected by name."""

    name = "embed"

    def __init__(self, plan: RunPlan, output: str | None) -> None:
        self._spec = plan.embedding
        self._embedder: Embedder | None = PerceptualEmbedder(plan.embedding) if plan.embedding else None
        self._customs = Customs(plan, self.name, output=output)

    def __call__(self, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
        """Embed the batch, then give its parcels on."""
        watches = [Stopwatch(self.name, parcel.item.video_id) for parcel in parcels]
        wanted = [parcel for parcel in parcels if "embed" in parcel.item.missing]
        if self._spec and self._embedder:
            key = frame_signature(FrameExtractionPolicy.SEQUENCE, self._spec.target_fps)
            self._embed([clip for parcel in wanted for clip in parcel.task.data.clips], key, self._embedder)
            for parcel in wanted:
                _reject_failed(parcel)
        for parcel, watch in zip(parcels, watches, strict=True):
            yield self._customs(parcel).measured(watch.lap(parcel.task.data.clip_chunk_index))

    def _embed(self, clips: list[Clip], key: str, embedder: Embedder) -> None:
        ready = [clip for clip in clips if key in clip.extracted_frames]
        if not ready:
            return
        embedded = embedder.embed([clip.extracted_frames[key] for clip in ready])
        for index, (clip, embedding) in enumerate(zip(ready, embedded.rows, strict=True)):
            if index in embedded.errors:
                clip.errors["embed"] = embedded.errors[index]
            else:
                clip.embedding = embedding
        if self._spec:
            self._spec.log().debug("%d of %d clips embedded", len(ready), len(clips))


def _reject_failed(parcel: Parcel) -> None:
    video = parcel.task.data
    for clip in [clip for clip in video.clips if clip.embedding is None]:
        why = clip.errors.get("embed") or clip.errors.get("frames")
        message = why or "the clip has no sampled frames"
        reject_clip(video, clip, ClipReason.EMBEDDING_FAILED, stage="embed", message=message)
