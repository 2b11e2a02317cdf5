"""Finding clips by text."""
