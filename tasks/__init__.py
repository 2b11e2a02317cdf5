"""Flyte tasks: one verb each; a name, hardware, and one call into the library.

None is cached by Flyte. What a task reads (a source, the state) changes behind equal inputs, and what it
writes lies under the output, where its user may delete it: Flyte's cache would answer from memory for files
that are gone. The state under the output is the cache; deleting one deletes the other, and it serves Python,
plain pods and other Flyte installations as well.
"""
