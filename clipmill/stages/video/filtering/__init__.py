"""Scores and the filters over them."""
