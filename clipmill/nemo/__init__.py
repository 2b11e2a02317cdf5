"""Commands that take NeMo Curator's flags."""
