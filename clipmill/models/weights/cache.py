"""Where this machine keeps weights that came from elsewhere, and what was made of them."""

import os
import stat
import tempfile
from pathlib import Path


def node_cache() -> Path:
    """A folder of this user's own below the one that ``TMPDIR`` names; who can write there can run code.

    PermissionError where another user made it, or may write to it.
    """
    folder = Path(tempfile.gettempdir()) / f"clipmill-models-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{folder} is not this user's alone: remove it, or set TMPDIR")
    return folder
