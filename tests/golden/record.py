"""The file ``golden.json``: digests of the films, and of what each run published."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from clipmill.machine import has_avx512
from tests.golden.digests import Digests

BY_PROCESSOR = {"embeddings": {"embedding", "sketch"}}
"""Part -> columns whose last digits differ between processors with and without AVX-512."""

GOLDEN_PATH = Path(__file__).with_name("golden.json")


@dataclass(frozen=True)
class Golden:
    """``films`` maps source folder -> name -> SHA-256, ``runs`` the name of a run to its digests.

    ``has_avx512`` is of the processor that they were made on.
    """

    films: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    runs: Mapping[str, Digests] = field(default_factory=dict[str, Digests])
    has_avx512: bool = field(default_factory=has_avx512)

    def comparable(self, run: str) -> Digests:
        """The digests of a run that this processor repeats."""
        left_out = {} if self.has_avx512 == has_avx512() else BY_PROCESSOR
        return {
            part: {name: digest for name, digest in columns.items() if name not in left_out.get(part, ())}
            for part, columns in self.runs[run].items()
        }


def read_golden() -> Golden:
    """The stored digests; empty where there is no file."""
    return Golden(**json.loads(GOLDEN_PATH.read_text())) if GOLDEN_PATH.exists() else Golden()


def write_golden(golden: Golden) -> None:
    """Replace the stored digests."""
    GOLDEN_PATH.write_text(json.dumps(asdict(golden), indent=1, sort_keys=True) + "\n")


def film_digests(sources: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Source folder -> name of the film -> SHA-256 of its bytes."""
    return {name: _digests_below(folder) for name, folder in sources.items()}


def _digests_below(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
