"""Films that are drawn by code."""
