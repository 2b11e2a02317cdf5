"""From the stages of a run to a plan: which stages there are, and what names their results."""
