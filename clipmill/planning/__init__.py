"""From the stages of a run to what is done, in which order, and under which names."""
