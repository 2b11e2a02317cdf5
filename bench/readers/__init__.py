"""Clips of every mode read by the readers that training code uses; README.md has the recipe."""
