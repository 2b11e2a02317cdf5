"""Deduplication: arrays in, indices out."""
