"""Shot detectors: arrays in, cut positions out."""
