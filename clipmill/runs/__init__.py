"""A run as a whole: its id, its hold on an output, its folder for hand-overs, and how it is stopped."""
