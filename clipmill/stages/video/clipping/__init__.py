"""From a video to clips and frames."""
