"""Deduplication over all clips, in steps that hand each other URIs."""
