"""``clipmill export``: the kept clips of an output as a trainer reads them."""

from collections.abc import Sequence
from typing import Annotated

import typer

from clipmill.cli.exits import DONE
from clipmill.cli.options import Output
from clipmill.export.report import generation_lines, survey_lines
from clipmill.export.run import run_export
from clipmill.export.spec import export_spec
from clipmill.export.survey import survey_export


def export(
    output: Output,
    dest: Annotated[str, typer.Argument(help="folder or URI of the export; the same again goes on with it")],
    format: Annotated[
        str, typer.Option(help="webdataset, lance, hf, ltx, musubi, diffusion-pipe or cosmos")
    ] = "webdataset",
    snapshot: Annotated[str, typer.Option(help="id of a snapshot; empty: the current one")] = "",
    unit: Annotated[str, typer.Option(help="a sample: clip, window, or auto")] = "auto",
    require: Annotated[str, typer.Option(help="leave out what lacks any of caption,embedding,audio")] = "",
    caption: Annotated[str, typer.Option(help="column of the text; empty: the best caption")] = "",
    embeddings: Annotated[str, typer.Option(help="embeddings to take along, or none; empty: all")] = "",
    artifacts: Annotated[str, typer.Option(help="columns of files to take along, such as preview_uri")] = "",
    metadata: Annotated[str, typer.Option(help="CSV or parquet about sources: columns source.*")] = "",
    buckets: Annotated[str, typer.Option(help="folders of tars: none, size or cosmos")] = "none",
    preset: Annotated[
        str, typer.Option(help="frames, rate and multiple of ltx, wan, hunyuan or cosmos")
    ] = "",
    frames: Annotated[str, typer.Option(help="frames of a sample, such as 8n+1 or 33,65,97")] = "",
    at: Annotated[str, typer.Option(help="which frames of a clip: first, middle or chunks")] = "first",
    fps: Annotated[float | None, typer.Option(help="frames a second, by nearest instant")] = None,
    size: Annotated[str, typer.Option(help="exact size, such as 768x448")] = "",
    multiple: Annotated[int | None, typer.Option(help="sides as multiples of so many pixels")] = None,
    fit: Annotated[str, typer.Option(help="how a clip gets the exact size: crop or pad")] = "crop",
    upscale: Annotated[bool, typer.Option("--upscale", help="enlarge clips that are smaller")] = False,
    materialize: Annotated[
        bool, typer.Option("--materialize", help="cut and encode samples; without it clips are copied")
    ] = False,
    text_embeddings: Annotated[
        str, typer.Option(help="folder of T5-XXL embeddings, for buckets cosmos")
    ] = "",
    videos: Annotated[str, typer.Option(help="of hf and lance: bytes, or uri")] = "bytes",
    seed: Annotated[int, typer.Option(help="decides the order of samples")] = 0,
    max_shard_bytes: Annotated[int, typer.Option(help="most bytes of a shard")] = 10**9,
    max_shard_samples: Annotated[int, typer.Option(help="most samples of a shard")] = 10_000,
    min_shards: Annotated[int, typer.Option(help="fewest shards of a bucket, if it has so many samples")] = 1,
    workers: Annotated[int, typer.Option(help="shards and files at once")] = 4,
    append: Annotated[bool, typer.Option("--append", help="add new samples to a standing export")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what the export would hold")] = False,
) -> int:
    """Export the kept clips of an output for a trainer, and say what is left out, and why."""
    spec = export_spec(
        {
            "format": format, "snapshot": snapshot, "unit": unit, "require": _words(require),
            "caption": caption, "embeddings": _embeddings(embeddings), "artifacts": _words(artifacts),
            "metadata": metadata, "buckets": buckets,
            "preset": preset, "frames": frames, "at": at, "fps": fps, "size": size,
            "multiple": multiple, "fit": fit, "upscale": upscale, "materialize": materialize,
            "text_embeddings": text_embeddings, "videos": videos, "seed": seed,
            "max_shard_bytes": max_shard_bytes, "max_shard_samples": max_shard_samples,
            "min_shards": min_shards, "workers": workers,
        }
    )  # fmt: skip
    if dry_run:
        survey = survey_export(output, spec)
        print("\n".join(survey_lines(survey)))
        return DONE
    plan, reading = run_export(output, dest, spec, append=append)
    print("\n".join([*generation_lines(plan.generations[-1]), *reading]))
    return DONE


def _words(text: str) -> Sequence[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _embeddings(text: str) -> Sequence[str] | None:
    return [] if text == "none" else _words(text) or None
