"""Footage drawn by code, with its ground truth."""

from footage.sample import draw_footage
from footage.truth import CopyKind, Event, FilmTruth, GroundTruth, Outcome, TimedEvent

__all__ = ["CopyKind", "Event", "FilmTruth", "GroundTruth", "Outcome", "TimedEvent", "draw_footage"]
