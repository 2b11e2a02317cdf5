"""Scores of clips: arrays in, numbers out."""
