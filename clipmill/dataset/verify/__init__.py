"""Whether an output is what its manifest and rows say, and what lets the next run make up for the rest."""
