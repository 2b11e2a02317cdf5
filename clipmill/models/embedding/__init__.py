"""Embeddings of clips and of text."""
