"""Model Protocols and their backends."""
