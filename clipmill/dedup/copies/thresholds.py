"""How far apart two clips may be and still be duplicates, for each embedding."""

LEARNED_EPS = 0.1
"""For embeddings of learned models, until one is calibrated: what NVIDIA's documents use."""

EPS = {"perceptual": 0.22}
"""1 - cosine similarity, by embedding algorithm.

Perceptual: chosen on half of Big Buck Bunny and drawn films, whose most similar different shots (one camera
position, one figure in nearly the same place; every change of ``bench.copies`` made to either) reach 0.76.
In the other half and other films, also drawn, none of the pairs exceeds 0.67, and 99.9 % stay below 0.45.
Copies that were re-encoded, resized, greyed, brightened or framed in bars exceed 0.95. ``dedup.likeness``,
which decides where clips have sketches, is scaled so that the same value separates shots.
"""


def eps_for(algorithm: str) -> float:
    """The ``eps`` of an embedding algorithm: its own, or ``LEARNED_EPS``."""
    return EPS.get(algorithm, LEARNED_EPS)
