"""A run that is killed leaves nothing half-written, and the next one ends as if nothing had happened."""

import json
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.support.runs.curation import curate_here, environment, files, published_files, small_spec

pytestmark = pytest.mark.usefixtures("shared_codec")

MOMENTS = {
    "inspecting": "/state/inspect/",
    "cutting": "/clips/",
    "keeping the state": "/state/embedding/",
    "exporting embeddings": "_embd_parquet/",
    "publishing parts": "/windows/part-",
    "noting the snapshot": "/manifest.json",
    "publishing the manifest": "/out/manifest.json",
    "naming tables": "/tables/clips",
    "reporting": "/report.html",
}
"""What a run is doing when it is killed, and the first file that it does not finish."""


def read_lines(file: BytesIO) -> list[object]:
    """Values of a file with one in each line; fails on half a line, also on one without its end."""
    *lines, rest = file.read().split(b"\n")
    assert not rest
    return [json.loads(line) for line in lines]


READERS: dict[str, Callable[[BytesIO], object]] = {
    ".parquet": pq.read_table, ".json": json.load, ".jsonl": read_lines, ".npy": np.load
}  # fmt: skip
"""Each fails on half a file."""

# One process imports everything and forks a run for each moment, which is killed in the middle of a write.
FORKING = """
import json, os, shutil, signal, sys
from pathlib import Path
from clipmill.engine import state_writer
from clipmill.storage import local
from tests.support.runs.curation import curate_here, small_spec
from tests.support.runs.one_codec import one_codec_process

source, output, moments = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
state_writer.FLUSH_EVERY_CHUNKS = 1  # a small run would write all of its state at its end

def die_at(place):
    whole = local.replace
    def replace(path, write):
        if place not in path:
            return whole(path, write)
        def halfway(file):
            write(file)
            file.truncate(file.tell() // 2)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        whole(path, halfway)
    local.replace = replace
    linked = os.link
    def link(source, target):
        if place in target:  # a file that is made for the first time gets its name at the end
            os.kill(os.getpid(), signal.SIGKILL)
        linked(source, target)
    os.link = link

for moment, place in moments.items():
    pid = os.fork()
    if pid == 0:
        die_at(place)
        with one_codec_process():
            curate_here(source, output, small_spec())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    shutil.move(output, output.with_name(f"killed-{moment}"))
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Path:
    """A folder with what each killed run left in ``out``, moved to ``killed-<moment>``."""
    folder = tmp_path_factory.mktemp("killed")
    arguments = [str(film.parent), str(folder / "out"), json.dumps(MOMENTS)]
    env = environment()
    subprocess.run([sys.executable, "-c", FORKING, *arguments], env=env, check=True, timeout=220)
    return folder


@pytest.fixture(scope="module")
def undisturbed(killed: Path, film: Path) -> dict[str, bytes]:
    """What is published by a run that nobody kills."""
    curate_here(film.parent, killed / "out", small_spec())
    published = published_files(killed / "out")
    (killed / "out").rename(killed / "undisturbed")
    return published


@pytest.fixture(scope="module")
def left(killed: Path, undisturbed: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """What each killed run left under final names."""
    assert undisturbed
    return {moment: visible(files(killed / f"killed-{moment}")) for moment in MOMENTS}


def visible(found: dict[str, bytes]) -> dict[str, bytes]:
    """Without the temporary names that no listing shows."""
    return {name: data for name, data in found.items() if not Path(name).name.startswith(".")}


@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_half_written_has_a_final_name(
    left: dict[str, dict[str, bytes]], undisturbed: dict[str, bytes], moment: str
) -> None:
    for name, data in left[moment].items():
        if name in undisturbed:
            assert data == undisturbed[name], name
        else:
            READERS[Path(name).suffix](BytesIO(data))


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.usefixtures("left")
def test_next_run_ends_as_if_nothing_had_happened(
    killed: Path, film: Path, undisturbed: dict[str, bytes], moment: str
) -> None:
    (killed / f"killed-{moment}").rename(killed / "out")
    curate_here(film.parent, killed / "out", small_spec())
    published = visible(published_files(killed / "out"))
    (killed / "out").rename(killed / f"completed-{moment}")
    assert published.keys() == undisturbed.keys()
    assert published == undisturbed


def test_later_runs_got_further(left: dict[str, dict[str, bytes]]) -> None:
    sizes = [len(left[moment]) for moment in MOMENTS]
    assert sizes == sorted(sizes)
