"""``clipmill search``: clips of an output that show what a text says, or that are like a clip or a file."""

from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
import typer
from PIL import Image, UnidentifiedImageError

from clipmill import layout
from clipmill.cli.options import Output
from clipmill.dataset.exports.embeddings import VECTOR
from clipmill.errors import SpecError
from clipmill.models.embedding.open import open_embedder
from clipmill.planning.registry import stage_class
from clipmill.search.text import embedding_of, find_alike, find_clips, find_like, first_embedder
from clipmill.stages.base import Stage
from clipmill.stages.roles import EmbedderStage
from clipmill.storage import store
from clipmill.storage.video_kinds import HEAD_BYTES, is_video_head, is_video_name
from clipmill.testing import clip_item, run_items, run_stage

_PART_S = 10.0
"""A longer video is looked at in parts of this length: clips are found that are like any of them."""


def search(
    output: Output,
    text: Annotated[str, typer.Argument(help="what the clips should show; needs a learned embedding")] = "",
    like: Annotated[
        str, typer.Option(help="clip, by id or file, or any video or picture file: the clips most like it")
    ] = "",
    num_hits: Annotated[int, typer.Option(min=1, help="how many clips to name")] = 20,
    model_dir: Annotated[str, typer.Option(help="folder or URI of the weights, if they were moved")] = "",
    allow_remote_code: Annotated[
        list[str] | None, typer.Option(help="model whose own code may run; repeatable")
    ] = None,
) -> None:
    """Rank the kept clips of an output by how well they fit a text, a clip or a file, best first."""
    if bool(text) == bool(like):
        raise SpecError("search needs a text, or a clip or file by --like")
    allowed = allow_remote_code or ()
    is_own = store.normalise(like).startswith(f"{layout.clips_dir(store.normalise(output))}/")
    if like and store.exists(like) and not is_own:
        stage = first_embedder(output, model_dir=model_dir, allow_remote_code=allowed)
        hits = find_alike(output, _embeddings_of(like, stage), num_hits=num_hits)
    elif like:
        hits = find_like(output, PurePosixPath(like).stem if is_own else like, num_hits=num_hits)
    else:
        options = embedding_of(output, model_dir=model_dir, allow_remote_code=allowed)
        hits = find_clips(output, text, open_embedder(options), num_hits=num_hits)
    for hit in hits:
        place = f"{hit.source_uri} {hit.start_s:.1f} to {hit.end_s:.1f} s"
        print(f"{hit.similarity:.3f}  {hit.clip_uri or hit.clip_id}  {place}")


def _embeddings_of(file: str, stage: EmbedderStage) -> np.ndarray:
    """The embeddings ``(Q, D)`` of a picture or of the parts of a video, by the stage of a run."""
    if not _is_video(file):
        frames = stage.reads().frames
        assert frames is not None, f"{stage.name} embeds what it sees"
        rows = run_items(stage, [clip_item(frames=_picture(file, height_px=frames.height_px)[None])])
    else:
        parts = {"clip_len_s": _PART_S, "clip_stride_s": _PART_S, "min_clip_length_s": 0}
        splitter = stage_class("FixedStrideExtractorStage")
        assert issubclass(splitter, Stage)
        rows = run_stage(stage, file, others=[splitter.model_validate(parts)])
    (column,) = (column.name for column in stage.writes if column.role == VECTOR)
    made = rows.filter(rows[column].is_valid())
    if not len(made):
        why = [str(one) for one in rows["message"].to_pylist() if one]
        raise SpecError(f"{file} has no embedding: {why[0] if why else 'no clip lies in it'}")
    return np.array(made[column].to_pylist(), np.float32)


def _is_video(file: str) -> bool:
    """Whether a file is a video, by its name, or by its first bytes where a picture may have that name."""
    by_name = is_video_name(file)
    return is_video_head(store.read_range(file, 0, HEAD_BYTES)) if by_name is None else by_name


def _picture(file: str, *, height_px: int) -> np.ndarray:
    """A picture, uint8 ``(H, W, 3)`` RGB, no higher than ``height_px``."""
    try:
        with store.open_reader(file) as data, Image.open(data) as image:
            shown = image.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise SpecError(f"{file} is no video, and no picture that can be read") from error
    width, height = shown.size
    if height > height_px:
        shown = shown.resize((max(1, round(width * height_px / height)), height_px), Image.Resampling.BOX)
    return np.asarray(shown)
