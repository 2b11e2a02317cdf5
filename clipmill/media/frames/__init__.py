"""What is true of one decoded frame: its time, orientation, colours, size."""
