"""Columns and files that the steps read."""
