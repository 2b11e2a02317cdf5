"""The streaming core: logical stages to a physical graph to a run. The only place that imports ray."""
