"""Python imports this module at its start, where this folder is on PYTHONPATH: it puts faults in place."""

import os

if "CLIPMILL_FAULTS" in os.environ:
    from tests.support.faults.injection import install

    install()
