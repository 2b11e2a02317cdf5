"""From frames and sound to a file."""
