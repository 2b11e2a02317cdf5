"""From messages and frames to the tensors that a model reads."""
