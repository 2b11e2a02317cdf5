"""Where results go."""

import hashlib
from typing import Annotated, ClassVar

from pydantic import Field

from clipmill import layout
from clipmill.stages.base import IGNORED, Stage
from clipmill.stages.roles import EncoderStage, WriterStage

CAPTION_LISTS = {"caption": "caption_models", "enhanced_caption": "enhanced_caption_models"}
"""Role of a column of texts -> the parameter that lists whose texts are in the JSON."""


class ClipWriterStage(WriterStage):
    """Writes the documented tree under ``output_path``; names of JSON files are relative to ``input_path``.

    ``upload_clips`` writes clip files; ``dry_run`` writes only tables and per-video JSON. The ``generate_*``
    flags say which results are written; ``caption_models`` and ``enhanced_caption_models`` which captions,
    first found first. ``write_filtered_clips`` also stores the files of clips that a filter rejected.
    """

    name: ClassVar[str] = "write"

    max_workers: Annotated[int, Field(ge=1), IGNORED] = 6
    log_stats: Annotated[bool, IGNORED] = False

    def leaves_out(self, stage: Stage) -> bool:
        """See ``WriterStage``. A dry run makes no files and asks no captioner."""
        if self.dry_run:
            return bool(stage.artifacts) or stage.grain == "window"
        roles = {column.role for column in stage.writes}
        is_preview = stage.grain == "window" and bool(stage.artifacts)
        return (
            (isinstance(stage, EncoderStage) and not self.upload_clips)
            or (is_preview and not self.generate_previews)
            or ("caption" in roles and not self.generate_captions)
        )

    def documents(self, stage: Stage) -> bool:
        """See ``WriterStage``. Captions are in the JSON where the lists of models name their writer."""
        roles = {column.role for column in stage.writes}
        if roles.isdisjoint(CAPTION_LISTS):
            return True
        role = next(role for role in CAPTION_LISTS if role in roles)
        wanted = getattr(self, CAPTION_LISTS[role])
        return self.generate_captions and (wanted is None or stage.caption_key in wanted)

    @staticmethod
    def get_output_path_processed_videos(output_path: str) -> str:
        """Folder of the per-video JSON."""
        return layout.processed_videos_dir(output_path)

    @staticmethod
    def get_output_path_processed_clip_chunks(output_path: str) -> str:
        """Folder of the JSON per chunk of clips."""
        return layout.processed_clip_chunks_dir(output_path)

    @staticmethod
    def get_output_path_clips(output_path: str, *, filtered: bool = False) -> str:
        """Folder of clip files, or of those that a filter rejected."""
        return layout.clips_dir(output_path, filtered=filtered)

    @staticmethod
    def get_output_path_previews(output_path: str) -> str:
        """Folder of previews, one folder per clip."""
        return layout.previews_dir(output_path)

    @staticmethod
    def get_output_path_metas(output_path: str, version: str) -> str:
        """Folder of the per-clip JSON of a version."""
        return layout.metas_dir(output_path, version)

    @staticmethod
    def get_output_path_ce1_embd(output_path: str) -> str:
        """Folder of Cosmos-Embed1 embeddings, a pickle per clip."""
        return layout.pickles_dir(output_path, "ce1")

    @staticmethod
    def get_output_path_iv2_embd(output_path: str) -> str:
        """Folder of InternVideo2 embeddings, a pickle per clip."""
        return layout.pickles_dir(output_path, "iv2")

    @staticmethod
    def calculate_sha256(buffer: bytes) -> str:
        """SHA-256 of bytes, in hex."""
        return hashlib.sha256(buffer).hexdigest()

    @staticmethod
    def get_output_path_iv2_embd_parquet(output_path: str) -> str:
        """Folder of InternVideo2 embeddings."""
        return layout.embeddings_dir(output_path, "iv2")

    @staticmethod
    def get_output_path_ce1_embd_parquet(output_path: str) -> str:
        """Folder of Cosmos-Embed1 embeddings."""
        return layout.embeddings_dir(output_path, "ce1")

    @staticmethod
    def get_output_path_embd_parquet(output_path: str, algorithm: str) -> str:
        """Folder of an algorithm's embeddings."""
        return layout.embeddings_dir(output_path, algorithm)
