"""The one pass over a video: what is sampled, and where it is kept."""
