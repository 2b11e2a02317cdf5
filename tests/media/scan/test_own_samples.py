"""Each read of a pass has samples of its own: no neighbour changes what it sees."""

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clipmill.engine.runners.items import wanted_items
from clipmill.media.scan.clip_samples import ClipSamples, clip_samples
from clipmill.media.scan.packet_index import index_packets
from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.segments import Joining, scan_segment
from clipmill.media.scan.spool import load_piece
from clipmill.media.scan.tracks import PER_FRAME, named_arrays, track_from_json, track_to_json
from clipmill.media.types import ScanArrays, ScanFacts, ScanPlan
from clipmill.planning.from_spec import plan_of_spec
from clipmill.records import FrameSpan
from clipmill.scores.quality import FRAME_MEASURES
from clipmill.specs import LimitsSpec
from clipmill.stages.reads import Frames, Measure, Motion, Sample, rate
from clipmill.tasks.view import task_of
from tests.support.films.scan_films import read_codes, write_film
from tests.support.hand_made import SPANS, chunk, samples
from tests.support.runs.curation import small_spec
from tests.support.scan_plans import QUALITY, quality

KEYS = {"preset": "veryfast", "x264-params": "open-gop=0:bframes=3:keyint=12:min-keyint=12:scenecut=0"}
ALONE = [
    Frames(Fraction(2), 24),
    Frames(rate(23.976), 24),
    Frames(rate(0.7), 48),
    Motion(Fraction(2)),
    Motion(Fraction(5), separate_camera=True),
    quality(3.0),
    Measure("tests.media.scan.test_own_samples:brightness", Fraction(2), ()),
]


def brightness(luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """A user's measure."""
    return np.array(luma.mean() + thumbnail.mean(), np.float32)


def corners(luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """A user's measure of another shape."""
    return np.array([[luma[0, 0], luma[-1, -1]], [thumbnail[0, 0, 0], thumbnail[-1, -1, 2]]])


def fails_on_bright(luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """Cannot do frames whose last field is white: every other one of those that tests draw."""
    if luma[-5, -5] > 125:
        raise ArithmeticError("too bright")
    return np.ones(2, np.float32)


def writes_into_the_frame(luma: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """Would change what other measures see."""
    thumbnail[:] = 0
    return np.ones(2, np.float32)


def scanned(film: Path, *reads: Sample, thumbnails: bool = True) -> tuple[ScanFacts, ScanArrays]:
    spool = film.parent / f"spool-{len(list(film.parent.iterdir()))}"
    facts = scan(str(film), ScanPlan(thumbnails, reads), str(spool))
    return facts, load_arrays(str(spool))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds at 25 frames a second."""
    return write_film(tmp_path_factory.mktemp("own") / "film.mp4", range(100), options=KEYS)


@pytest.fixture(scope="module")
def together(film: Path) -> ScanArrays:
    return scanned(film, *ALONE)[1]


def shown_at(arrays: ScanArrays, read: Frames) -> np.ndarray:
    return whole_clip(arrays, read).values[0]


def whole_clip(arrays: ScanArrays, read: Sample) -> ClipSamples:
    return clip_samples(arrays, read, FrameSpan(0, len(arrays.is_key)))


@pytest.mark.parametrize("read", ALONE, ids=str)
def test_neighbours_change_nothing(film: Path, together: ScanArrays, read: Sample) -> None:
    alone = scanned(film, read, thumbnails=False)[1]
    ours, theirs = whole_clip(alone, read), whole_clip(together, read)
    assert len(ours.frames) > 1
    assert ours.frames.tolist() == theirs.frames.tolist()
    assert all(np.array_equal(*pair) for pair in zip(ours.values, theirs.values, strict=True))


def test_rates_without_a_common_multiple_store_no_more_than_their_sum(film: Path) -> None:
    reads = [Frames(rate(fps), 48) for fps in (2, 23.976, 0.7)]
    num_alone = [len(scanned(film, read)[1].pictures[48].frames) for read in reads]
    stored = scanned(film, *reads)[1].pictures[48]
    assert max(num_alone) <= len(stored.frames) <= sum(num_alone)
    assert len(stored.values[0]) == len(stored.frames) == len(set(stored.frames.tolist()))


def test_frame_shown_at_several_instants_is_stored_once(tmp_path: Path) -> None:
    film = write_film(tmp_path / "slow.mp4", [0, 25, 50], options=KEYS)
    read = Frames(Fraction(4), 48)
    _, arrays = scanned(film, read)
    assert arrays.samples[read].frames.tolist()[:8] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert arrays.pictures[48].frames.tolist() == [0, 1, 2]
    assert read_codes(shown_at(arrays, read))[:8] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_heights_are_rendered_apart(film: Path) -> None:
    small, large = Frames(Fraction(2), 24), Frames(Fraction(5), 48)
    _, arrays = scanned(film, small, large)
    assert shown_at(arrays, small).shape[1:] == (24, 42, 3)
    assert shown_at(arrays, large).shape[1:] == (48, 86, 3)
    assert read_codes(shown_at(arrays, small)) == arrays.samples[small].frames.tolist()
    assert read_codes(shown_at(arrays, large)) == list(range(0, 100, 5))


def test_eight_measures_stand_beside_each_other(film: Path) -> None:
    names = ["brightness", "corners"]
    shapes: Mapping[str, tuple[int, ...]] = {"brightness": (), "corners": (2, 2)}
    fps = [Fraction(2), Fraction(1), Fraction(3)]
    own = [
        Measure(f"tests.media.scan.test_own_samples:{name}", each, shapes[name])
        for name in names
        for each in fps
    ]
    reads = [*own, quality(2.0), quality(1.0)]
    facts, arrays = scanned(film, *reads)
    assert len(arrays.samples) == 8
    assert facts.failed_measures == {}
    for read in reads:
        assert arrays.samples[read].values[0].shape == (4 * read.fps, *read.shape)
        assert arrays.samples[read].values[0].dtype == np.float32


def test_measure_that_fails_costs_only_its_own_rows(film: Path) -> None:
    broken = Measure("tests.media.scan.test_own_samples:fails_on_bright", Fraction(25), (2,))
    facts, arrays = scanned(film, broken, quality(1.0))
    assert facts.num_frames == 100
    assert facts.failed_measures == {
        broken: "tests.media.scan.test_own_samples:fails_on_bright: ArithmeticError: too bright"
    }
    assert not np.isnan(arrays.samples[quality(1.0)].values[0]).any()
    failed = clip_samples(arrays, broken, FrameSpan(0, 2))
    assert failed.has_failed
    assert failed.values[0].shape == (0, 2)
    done = clip_samples(arrays, broken, FrameSpan(2, 3))
    assert not done.has_failed
    assert done.values[0].tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("function", "shape", "message"),
    [
        ("no_such_module_here:f", (2,), "ModuleNotFoundError"),
        ("tests.media.scan.test_own_samples:no_such_name", (2,), "AttributeError"),
        ("tests.media.scan.test_own_samples:fails_on_bright", (3,), r"must give numbers of shape \(3,\)"),
        ("tests.media.scan.test_own_samples:writes_into_the_frame", (2,), "read-only"),
    ],
    ids=["module", "name", "shape", "writes"],
)
def test_measure_that_cannot_work_is_named(
    film: Path, function: str, shape: tuple[int, ...], message: str
) -> None:
    read = Measure(function, Fraction(1), shape)
    facts, arrays = scanned(film, read)
    [said] = facts.failed_measures.values()
    assert len(arrays.samples[read].frames) == 4
    assert re.search(message, said)


def test_failure_is_known_with_the_piece_in_which_it_happens(film: Path, tmp_path: Path) -> None:
    broken = Measure("tests.media.scan.test_own_samples:fails_on_bright", Fraction(25), (2,))
    scan(str(film), ScanPlan(True, (broken,), piece_frames=40), str(tmp_path / "pieces"))
    first = load_piece(str(tmp_path / "pieces"), 0)
    assert first is not None
    assert list(first.failed_measures) == [broken]


def test_segments_are_one_pass_for_every_read(film: Path, tmp_path: Path, together: ScanArrays) -> None:
    broken = Measure("tests.media.scan.test_own_samples:fails_on_bright", Fraction(25), (2,))
    plan, limits = ScanPlan(True, (*ALONE, broken)), LimitsSpec()
    index = index_packets(str(film), plan, 20, limits=limits)
    joining, parts = Joining(), list[ScanArrays]()
    for number, segment in enumerate(index.segments):
        spool = str(tmp_path / str(number))
        facts = scan_segment(str(film), plan, segment, index.segments[0].start_pts, spool, limits=limits)
        parts.append(joining.add(load_arrays(spool), facts, is_last=segment.end_pts is None))
    assert len(parts) > 2
    assert list(joining.facts(index).failed_measures) == [broken]
    for track in ALONE:
        rows = [part.samples[track].frames for part in parts]
        assert np.concatenate(rows).tolist() == together.samples[track].frames.tolist()


def test_clip_sees_pairs_whose_frames_both_lie_inside(together: ScanArrays) -> None:
    read = Motion(Fraction(5), separate_camera=True)
    taken = clip_samples(together, read, FrameSpan(5, 16))
    assert taken.frames.tolist() == [10, 15]
    assert [len(value) for value in taken.values] == [2, 2]
    np.testing.assert_allclose(taken.times_s, [0.4, 0.6])


def test_clip_sees_frames_at_the_instants_inside_with_their_times(together: ScanArrays) -> None:
    taken = clip_samples(together, Frames(Fraction(2), 24), FrameSpan(12, 51))
    assert taken.frames.tolist() == [12, 25, 37, 50]
    assert read_codes(taken.values[0]) == [12, 25, 37, 50]
    np.testing.assert_allclose(taken.times_s, together.times_s[taken.frames])


def test_frames_over_the_budget_thin_out_evenly(together: ScanArrays) -> None:
    read = Frames(Fraction(2), 24)
    two_frames = 2 * 24 * 42 * 3
    taken = clip_samples(together, read, FrameSpan(0, 100), max_bytes=two_frames)
    assert taken.frames.tolist() == [0, 50]
    assert read_codes(taken.values[0]) == [0, 50]


@pytest.mark.parametrize("track", [*ALONE, 240], ids=str)
def test_tracks_survive_json(track: Sample | int) -> None:
    assert track_from_json(track_to_json(track)) == track


def test_every_array_has_a_name_of_its_own(together: ScanArrays) -> None:
    num_values = sum(
        1 + len(samples.values) for samples in (*together.samples.values(), *together.pictures.values())
    )
    assert len(named_arrays(together)) == len(PER_FRAME) + num_values


def test_quality_is_a_measure_like_any_other() -> None:
    assert quality(1.0) == Measure(QUALITY, Fraction(1), (len(FRAME_MEASURES),))


def test_clip_keeps_the_frames_of_every_read_apart() -> None:
    """The documented key is that of the documented stage's frames; the other stages see their own."""
    frames = {"target_fps": [2.0], "target_height_px": 300, "write": True}
    captions = {"endpoint_model": "any", "endpoint_url": "http://captions:8000/v1"}
    spec = small_spec(frames=frames, captions=captions)
    plan = plan_of_spec(spec, source="films", output="out")
    nodes = [plan.by_key[key] for key in ("frames", "caption", "embedding", "preview")]
    reads = [read for node in nodes for read in node.reads.all_frames()]
    assert [read.height_px for read in reads] == [300, 336, 240, 240]
    seen = {
        read: (samples(np.full((1, 2, 2, 3), number, np.uint8)),) * len(SPANS)
        for number, read in enumerate(reads)
    }
    made = chunk(samples=seen)
    items = [wanted_items(made, node, plan).items[0] for node in nodes]
    assert [int(item.frames.max()) for item in items if item.frames is not None] == [0, 1, 2, 3]
    clip, *_ = task_of(made, plan).data.clips
    assert int(clip.extracted_frames["sequence-2000"].max()) == 0
