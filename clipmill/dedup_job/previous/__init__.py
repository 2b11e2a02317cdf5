"""What an earlier run left for this one."""
