"""What a run leaves for people and programs: embeddings, tables, exports, the report."""
