"""One module per family of formats: what a shard becomes, and what is written once all shards are there."""

from collections.abc import Callable, Mapping

from clipmill.export.formats.folders import Folders, cosmos, diffusion_pipe, ltx, musubi
from clipmill.export.formats.tables import HuggingFace, Lance
from clipmill.export.formats.webdataset import WebDataset
from clipmill.export.job import Format

FORMATS: Mapping[str, Callable[[], Format]] = {
    "webdataset": WebDataset,
    "hf": HuggingFace,
    "lance": Lance,
    "ltx": lambda: Folders(ltx),
    "musubi": lambda: Folders(musubi),
    "diffusion-pipe": lambda: Folders(diffusion_pipe, "videos/{}.txt"),
    "cosmos": lambda: Folders(cosmos, "metas/{}.txt"),
}
