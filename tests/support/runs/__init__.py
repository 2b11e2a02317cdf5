"""Whole runs, in this process and as scripts."""
