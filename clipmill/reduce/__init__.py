"""The final reduce over all clips: deduplication, in steps that hand each other URIs."""
