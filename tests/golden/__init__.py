"""Digests of what the commit bf3cd47 publishes, and the runs that show whether a later commit does the same.

``films`` makes the sources, ``specs`` lists the runs, ``runs`` carries one out, ``outputs`` reads what it
published, ``digests`` turns that into a digest per column and file. ``golden.json`` holds the digests.
Everything is read from published tables, JSON and files: the package outlives a rewrite of the library.

``python -m tests.golden`` writes ``golden.json`` anew. Do that only in a commit
that means to change results, and name in its message which columns changed and why. ``python -m tests.golden
--values FOLDER`` also writes the values themselves, so that the folders of two commits can be compared by
``diff -r``.

Wanted differences from bf3cd47, in the run "questions and captions":

- each question is a stage: ``question_1_answer`` and ``question_2_answer`` in ``clips`` instead of the JSON
  column ``answers``, ``question_1`` in ``rejections``, and a clip that the first rejects is not asked the
  second;
- a caption shows the frames whose numbers lie in its window: bf3cd47 guessed the numbers of sampled frames as
  evenly spread. With the guess put back, every caption is that of bf3cd47.

and in the runs that embed:

- a sketch also holds the detail of its frames;
- of a group of duplicates the best copy is kept: it was the one farthest from the centre of its cluster.

and in every JSON of a chunk ``all_windows`` and ``all_windows_enhanced_caption`` name each passed clip, also
one without captions, as NeMo Curator's do; windows have their enhanced caption under ``qwen_lm``.

A column of ``clips`` or ``windows`` whose stage is off is not published any more; ``differences`` takes it
for the nulls that it held.

The digests hold for one kind of processor: without AVX-512, embeddings differ in their last digits,
and ``record`` leaves these columns out of the comparison.
"""
