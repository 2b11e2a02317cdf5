"""Each clip with the most similar better-ranked one."""
