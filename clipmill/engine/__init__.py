"""Carries out a plan: operators, the inline engine, the Ray engine."""
