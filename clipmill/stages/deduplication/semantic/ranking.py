"""By what the clips of a cluster are ranked: the first of a group of duplicates is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import pyarrow as pa

from clipmill.dedup.ranking import rank_random
from clipmill.errors import SpecError


@dataclass(frozen=True)
class RankingStrategy:
    """Ranks by columns of the embeddings' files, each ascending or descending, or by chance.

    ``ascending`` is one value for all columns, or one for each; ValueError for another number of them.
    """

    metadata_cols: Sequence[str]
    ascending: bool | Sequence[bool] = True
    strategy: Literal["sort", "random"] = "sort"
    random_seed: int = 42

    def __post_init__(self) -> None:
        if self.strategy not in ("sort", "random"):
            raise ValueError(f"strategy is {self.strategy!r}; it is sort or random")
        if not isinstance(self.ascending, bool) and len(self.ascending) != len(self.metadata_cols):
            raise ValueError(
                f"ascending has {len(self.ascending)} values for {len(self.metadata_cols)} metadata_cols"
            )

    @property
    def orders(self) -> list[bool]:
        """One order for each column: True for ascending."""
        if isinstance(self.ascending, bool):
            return [self.ascending] * len(self.metadata_cols)
        return list(self.ascending)

    def rank_cluster(self, rows: pa.Table, *, id_field: str = "id") -> pa.Table:
        """Returns the rows of a cluster, best first; equal ones by id. SpecError for a column it lacks."""
        if self.strategy == "random":
            return rows.take(pa.array(rank_random(rows[id_field].to_pylist(), seed=self.random_seed)))
        if missing := [name for name in self.metadata_cols if name not in rows.column_names]:
            raise SpecError(f"clusters have no column {missing[0]}; they have {', '.join(rows.column_names)}")
        orders = ["ascending" if upwards else "descending" for upwards in self.orders]
        keys = dict(zip(self.metadata_cols, orders, strict=True))
        return rows.sort_by([*keys.items(), *([] if id_field in keys else [(id_field, "ascending")])])

    @classmethod
    def metadata_based(
        cls, metadata_cols: Sequence[str], ascending: bool | Sequence[bool] = True, random_seed: int = 42
    ) -> Self:
        """Returns a ranking by columns."""
        return cls(metadata_cols, ascending, random_seed=random_seed)

    @classmethod
    def random(cls, random_seed: int = 42) -> Self:
        """Returns a ranking by chance."""
        return cls((), strategy="random", random_seed=random_seed)
