"""One pass over a video: run, split, and handed on as chunks of clips."""
