"""What Flyte's cache goes by: the content of files, never where they lie or which run made them.

A cached task has no side effect beyond its result, and that lies where Flyte stores results.
"""

import re
from typing import Annotated

from flytekit import Cache, FlyteContextManager, HashMethod

from tasks.leases import is_local

_PLACE = re.compile(r"^.*/(?:work|shards)/")


def content_name(uri: str) -> str:
    """Returns the part of a URI that says what the file holds: clipmill names it by a digest of that."""
    return _PLACE.sub("", uri)


ContentUri = Annotated[str, HashMethod(content_name)]
"""URI of a file that is named by its content. Flyte keys it by that name."""

INSPECT_CACHE = Cache(version="1", ignored_inputs=("spec",))
FIT_CACHE = Cache(version="1", serialize=True, ignored_inputs=("output", "spec"))
ASSIGN_CACHE = Cache(version="1")
PAIRS_CACHE = Cache(version="1")
"""Raised when equal inputs give another result that the digests in their names do not show."""


def result_folder() -> str:
    """Returns a new folder where Flyte stores results."""
    return FlyteContextManager.current_context().file_access.get_random_remote_directory()


def workspace(output: str) -> str:
    """Returns where the steps of a cached task write; on this machine, where they find it again."""
    return output if is_local() else result_folder()
