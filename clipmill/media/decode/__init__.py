"""From packets to frames, within limits of time and memory."""
