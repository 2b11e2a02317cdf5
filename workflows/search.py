"""Find clips by a text: ``pyflyte run workflows/search.py search --output DIR --text "a dog on a beach"``."""

from flytekit import workflow

from tasks.search import Hits, search_clips


@workflow
def search(output: str, text: str, num_hits: int = 20, model_dir: str = "") -> Hits:
    """Rank the kept clips of an output by how well they fit a text.

    :param output: folder or URI that ``curate`` wrote with a learned embedding
    :param text: what the clips should show
    :param num_hits: how many clips to name
    :param model_dir: folder or URI of the weights; empty: where they lay when the output was made
    """
    return search_clips(output=output, text=text, num_hits=num_hits, model_dir=model_dir)
