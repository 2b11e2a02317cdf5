"""A run from its listing to its snapshot, for workflows, ``Pipeline`` and the command line alike."""
