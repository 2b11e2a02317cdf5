"""Weights: where they lie, how they are fetched, whether they are complete."""
