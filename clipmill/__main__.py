"""``python -m clipmill`` is the command, where its folder is not on the path."""

import sys

from clipmill.cli import run

sys.exit(run())
