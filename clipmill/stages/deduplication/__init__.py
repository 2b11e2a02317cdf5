"""Deduplication at NeMo Curator's import path."""
