"""Stages at work: items in, checked rows out."""
