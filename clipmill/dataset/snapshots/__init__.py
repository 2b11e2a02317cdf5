"""Snapshots of an output: parts named by their content, the manifest that names them, reading and pruning."""
