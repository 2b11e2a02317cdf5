"""Video curation: one decode per video, clips, scores, embeddings, previews, deduplication."""

from clipmill import absent

absent.install()
