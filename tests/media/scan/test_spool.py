"""Arrays of a pass lie in files; memory holds what is looked at."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from clipmill.media.scan.spool import Spool, load_arrays, release_pages
from clipmill.stages.reads import Frames


def resident_bytes() -> int:
    """Of the files that this process has mapped."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssFile:")[2].split()[0]) << 10


def test_what_was_looked_at_can_be_taken_out_of_memory(tmp_path: Path) -> None:
    picture = np.full((512, 512, 3), 7, np.uint8)
    with Spool(str(tmp_path), [Frames(Fraction(1), 512)]) as spool:
        for _ in range(40):
            spool.track(512).values[0].append(picture)
    arrays = load_arrays(str(tmp_path))
    [pictures] = arrays.pictures[512].values
    before_bytes = resident_bytes()
    assert int(pictures.min()) == 7
    assert resident_bytes() - before_bytes > 30 * picture.nbytes
    release_pages(arrays)
    assert resident_bytes() - before_bytes < 10 * picture.nbytes
    assert int(pictures.max()) == 7
