"""Measured comparisons: ``python -m bench`` prints what a run costs and how well it does."""
