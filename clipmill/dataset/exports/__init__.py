"""The documented files beside the tables: JSON and embeddings."""
