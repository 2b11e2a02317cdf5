"""Digests of what the commit bf3cd47 publishes, and the runs that show whether a later commit does the same.

``films`` makes the sources, ``specs`` lists the runs, ``runs`` carries one out, ``outputs`` reads what it
published, ``digests`` turns that into a digest per column and file. ``golden.json`` holds the digests.
Everything is read from published tables, JSON and files: the package outlives a rewrite of the library.

``python -m golden`` (with ``tests`` on the path) writes ``golden.json`` anew. Do that only in a commit that
means to change results, and name in its message which columns changed and why. ``python -m golden --values
FOLDER`` also writes the values themselves, so that the folders of two commits can be compared by ``diff -r``.

The digests hold for one kind of processor: without AVX-512, embeddings differ in their last digits,
and ``record`` leaves these columns out of the comparison.
"""
