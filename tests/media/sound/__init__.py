"""The sound of sources and clips."""
