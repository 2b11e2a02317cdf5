"""How far apart two clips may be and still be duplicates, for each embedding."""

LEARNED_EPS = 0.1
"""For embeddings of learned models, until one is calibrated: what NVIDIA's documents use."""

EPS = {"perceptual": 0.1}
"""1 - cosine similarity, by embedding algorithm.

Perceptual, on 95 clips of Big Buck Bunny: of 3,593 pairs of different shots none is above 0.87 (two from
one camera position), 99.9 % are below 0.68; JPEG-coded, resized, grey and letterboxed copies exceed 0.95.
"""


def eps_for(algorithm: str) -> float:
    """The ``eps`` of an embedding algorithm: its own, or ``LEARNED_EPS``."""
    return EPS.get(algorithm, LEARNED_EPS)
