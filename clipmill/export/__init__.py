"""A curated output as a trainer reads it: planned first, then written shard by shard."""
