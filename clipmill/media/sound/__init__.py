"""The sound of a source: which packets belong to a span, what is wrong with them, and how it is mended."""
