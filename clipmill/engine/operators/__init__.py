"""The steps that chunks of clips pass."""
