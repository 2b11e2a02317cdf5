"""By what the clips of a cluster are ranked: the first of a group of duplicates is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self


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
