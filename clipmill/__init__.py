"""Video curation: one decode per video, clips, scores, embeddings, previews, deduplication."""
