"""The same work by NeMo Curator, from an environment of its own, beside clipmill: see README.md here."""
