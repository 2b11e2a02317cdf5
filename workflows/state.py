"""Care of an output's state: ``pyflyte run workflows/state.py compact_state --output DIR``."""

from flytekit import workflow

from tasks.state import compact


@workflow
def compact_state(output: str) -> int:
    """Join the small parts of an output's state, so that the next runs start sooner.

    :param output: folder or URI that ``curate`` wrote
    """
    return compact(output=output)
