"""Caption windows."""
