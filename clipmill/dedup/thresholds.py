"""How far apart two clips may be and still be duplicates, for each embedding."""

LEARNED_EPS = 0.1
"""For embeddings of learned models, until one is calibrated: what NVIDIA's documents use."""

EPS = {"perceptual": 0.1}
"""1 - cosine similarity, by embedding algorithm; calibrated on copies and on different shots of one film."""


def eps_for(algorithm: str) -> float:
    """The ``eps`` of an embedding algorithm: its own, or ``LEARNED_EPS``."""
    return EPS.get(algorithm, LEARNED_EPS)
