"""Footage drawn by code, with its ground truth."""

from clipmill.footage.sample import draw_footage
from clipmill.footage.truth import CopyKind, Event, FilmTruth, GroundTruth, Outcome, TimedEvent

__all__ = ["CopyKind", "Event", "FilmTruth", "GroundTruth", "Outcome", "TimedEvent", "draw_footage"]
