"""Real faults for whole runs: at named points of the code, and in a proxy in front of a server."""
