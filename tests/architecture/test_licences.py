"""The profile without GPL code executes none: seen from which pages of the libraries were ever touched."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.films.numbered_films import draw

pytestmark = pytest.mark.integration


ROOT = Path(__file__).parents[2]
RUN = """
import re, subprocess, sys
from clipmill.engine.run import stream
from clipmill.intake import inspection
from clipmill.intake.admission import first_work
from clipmill.planning.from_spec import plan_of_spec
from clipmill.spec_file import load_spec
from clipmill.storage.listing import list_source

def refuse(*args, **kwargs): raise AssertionError("a program was started")

def touched_kb():
    total, executable = 0, False
    for line in open("/proc/self/smaps"):
        if re.match("[0-9a-f]+-", line):
            executable = " r-xp " in line and bool(re.search("libx26[45]", line))
        elif executable and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total

subprocess.Popen = refuse
source, spec = sys.argv[1:]
spec = load_spec(spec)
spec = spec.model_copy(update={"limits": spec.limits.model_copy(update={"isolation": "none"})})
plan = plan_of_spec(spec, source=source, output=source + ".out")
before = touched_kb()
chunks = []
items = first_work(inspection.inspect_all(list_source(plan.source), plan.limits), plan)
stream(items, plan, engine="inline", state=None, run_id="", on_chunk=chunks.append)
codecs = [codec for chunk in chunks for codec in chunk.made["encode"]["video_codec"].to_pylist()]
assert codecs and all(codecs), "no clips"
print(before, touched_kb(), *sorted(set(codecs)))
"""


def run(film: Path, spec: str) -> tuple[int, int, str]:
    """KiB of x264's and x265's code in memory before and after a run, and the codec of its clips."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(film), spec], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after, codec = done.stdout.split()
    return int(before), int(after), codec


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("film") / "film.mp4", 75, audio="aac")


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's map of memory")
def test_the_profile_without_gpl_executes_neither_x264_nor_x265(film: Path) -> None:
    before, after, codec = run(film, "examples/no_gpl.yaml")
    assert after <= before  # the kernel may take pages back
    assert codec == "vp9"


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's map of memory")
def test_the_default_encoder_would_have_been_seen(film: Path) -> None:
    before, after, codec = run(film, "")
    assert after > before
    assert codec == "h264"
