"""Sources, containers and what their headers say."""
