"""Flyte workflows: composition only."""
