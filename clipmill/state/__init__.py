"""Results of stages: append, read, and which of several rows for one item counts."""
