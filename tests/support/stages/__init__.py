"""Stages of tests' own, and what their workers get."""
