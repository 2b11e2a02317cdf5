"""The digest of a user's stage: its source and its attributes."""
