"""Networks that tell where shots change."""
