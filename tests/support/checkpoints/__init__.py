"""Tiny checkpoints of real classes; they need the models' environment."""
