"""Where results go."""

from typing import ClassVar

from pydantic import Field

from clipmill import layout
from clipmill.stages.base import StageSpec


class ClipWriterStage(StageSpec):
    """Writes the documented tree under ``output_path``; names of JSON files are relative to ``input_path``.

    ``upload_clips`` writes clip files; ``dry_run`` writes only tables and per-video JSON. The ``generate_*``
    flags say which results are written; ``caption_models`` and ``enhanced_caption_models`` which captions,
    first found first. ``write_filtered_clips`` also stores the files of clips that a filter rejected.
    """

    stage_name: ClassVar[str] = "write"

    output_path: str = Field(min_length=1)
    input_path: str = Field(min_length=1)
    upload_clips: bool
    dry_run: bool
    generate_embeddings: bool
    generate_previews: bool
    generate_captions: bool
    embedding_algorithm: str = "perceptual"
    caption_models: tuple[str, ...] | None = None
    enhanced_caption_models: tuple[str, ...] | None = None
    write_filtered_clips: bool = False

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
