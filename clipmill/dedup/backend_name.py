"""The names of the backends that compare vectors, as a spec has them."""

from typing import Literal

DedupBackend = Literal["auto", "faiss", "numpy", "torch", "cuml"]
