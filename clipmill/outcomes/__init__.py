"""Outcomes of items and ends of runs: final or tried again, and what the next run does. Pure."""
