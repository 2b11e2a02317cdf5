"""Footage drawn by code, with its ground truth."""
