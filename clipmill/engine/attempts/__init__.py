"""What runs tried: notes of work, failures by stage and reason, and when a run should stop."""
