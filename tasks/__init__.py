"""Flyte tasks: one verb each; a name, hardware, and one call into the library."""
