"""Meta's vPDQ as a yardstick for ``bench.copies``. Its hash comes from the package ``pdqhash``, see below.

::

    pip install --no-deps --target ../pdq pdqhash
    PYTHONPATH=../pdq .venv/bin/python -m bench.copies --method vpdq

Its published rule and defaults (ThreatExchange, ``vpdq``): a picture a second, hashes of a quality below 50
are left out, equal hashes count once; two hashes match up to a Hamming distance of 31, and a copy is a clip
of which at least 80 % of the hashes match one of the other's. The last share is the similarity here.
"""

# pyright: reportMissingImports=false

import numpy as np
from pdqhash import compute

MIN_QUALITY = 50
MAX_DISTANCE = 31
MIN_SHARE = 0.8


def hashes(frames: np.ndarray, *, fps: float) -> np.ndarray:
    """Returns the distinct hashes of a clip, bool ``(N, 256)``; ``frames`` are uint8 ``(T, H, W, 3)`` RGB."""
    found = [compute(np.ascontiguousarray(frame)) for frame in frames[:: round(fps)]]
    bits = [bits for bits, quality in found if quality >= MIN_QUALITY]
    return np.unique(np.array(bits, bool).reshape(len(bits), 256), axis=0)


def similarity(query: np.ndarray, other: np.ndarray) -> float:
    """Returns the share of a clip's hashes that match one of the other's; 0 where either has none."""
    if not len(query) or not len(other):
        return 0.0
    distances = (query[:, None] != other[None]).sum(axis=2)
    return float((distances.min(axis=1) <= MAX_DISTANCE).mean())
