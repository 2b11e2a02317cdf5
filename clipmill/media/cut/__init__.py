"""From a video and spans to clips' files."""
