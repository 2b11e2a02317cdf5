"""Flyte tasks: one verb each; a name, hardware, and one call into the library.

Flyte caches those whose inputs are content: the inspection of a sealed shard, and the steps of deduplication
before the choice of keepers. They write nothing but their result. The others read or write an output, whose
state is their cache: deleting one deletes the other, and it serves Python, plain pods and other Flyte
installations as well.
"""
