"""Tests, in folders that mirror the packages; ``support`` holds their helpers."""

import os

# Before numpy is loaded: the last bits of a product depend on the number of threads that share it.
for library in ("OPENBLAS", "OMP"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
