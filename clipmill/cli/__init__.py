"""The ``clipmill`` command: one file per verb."""
