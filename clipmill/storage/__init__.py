"""Stores, the state, and the tables."""
