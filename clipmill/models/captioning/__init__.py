"""Captions, questions and texts: what is asked, by which model, what it answers."""
