"""``IdentifyDuplicatesStage`` at its documented path: similarities in, ids of duplicates out."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from clipmill import layout
from clipmill.errors import SpecError
from clipmill.stages.deduplication.semantic.folder_tables import clear, name_ignored, say
from clipmill.stages.processing_stage import FolderStage
from clipmill.storage import parquet, store


@dataclass
class IdentifyDuplicatesStage(FolderStage):
    """Writes the ids of rows whose similarity is at least ``1 - eps``, sorted, under ``output_path``.

    It reads what the ``PairwiseStage`` before it wrote.
    """

    output_path: str
    eps: float
    verbose: bool = False
    read_kwargs: Mapping[str, object] | None = None
    write_kwargs: Mapping[str, object] | None = None

    name = "IdentifyDuplicatesStage"

    def __post_init__(self) -> None:
        if not 0 < self.eps < 1:
            raise ValueError(f"eps is {self.eps}; it lies between 0 and 1")
        name_ignored(self.name, {"read_kwargs": self.read_kwargs, "write_kwargs": self.write_kwargs})

    def run(self, folder: str) -> str:
        """Returns ``output_path``. SpecError without a stage before it."""
        if not folder:
            raise SpecError(f"{self.name} reads what a PairwiseStage writes: add one before it")
        tables = [parquet.read_columns(file.uri) for file in store.find(folder, (".parquet",))]
        rows = pa.concat_tables(tables)
        ids = rows.filter(pc.field("cosine_sim_score") >= 1.0 - self.eps).select(["id"]).sort_by("id")
        say(self.name, f"{len(ids)} of {len(rows)} rows are duplicates", verbose=self.verbose)
        clear(self.output_path, r"part-\d+\.parquet")
        store.put_bytes(layout.join(self.output_path, "part-0.parquet"), parquet.encode(ids))
        return self.output_path
