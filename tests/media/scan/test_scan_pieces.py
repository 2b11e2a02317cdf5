"""A pass that is handed out in pieces gives what it gives as a whole."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from clipmill.media.scan.scan import load_arrays, scan
from clipmill.media.scan.spool import ScanSegment, Spool, load_piece
from clipmill.media.scan.tracks import named_arrays
from clipmill.media.types import ScanPlan
from tests.support.films.scan_films import read_codes, write_film
from tests.support.scan_plans import plan_of

NO_B_FRAMES = {"preset": "ultrafast", "g": "10", "bf": "0"}
EVERYTHING = plan_of(motion_fps=5.0, quality_fps=3.0, frames_fps=4.0, height_px=36)


@pytest.mark.parametrize("piece_frames", [7, 37, 100])
def test_pieces_put_together_are_the_whole(tmp_path: Path, piece_frames: int) -> None:
    film = write_film(tmp_path / "a.mp4", range(37))
    whole_dir = str(tmp_path / "whole")
    scan(str(film), EVERYTHING, whole_dir)
    whole = load_arrays(whole_dir)
    pieces_dir = str(tmp_path / "pieces")
    scan(str(film), replace(EVERYTHING, piece_frames=piece_frames), pieces_dir)
    pieces = list(iter_pieces(pieces_dir))
    assert len(pieces) == 37 // piece_frames + 1
    for name, array in named_arrays(whole).items():
        parts = [named_arrays(piece.arrays)[name] for piece in pieces]
        filled = [part for part in parts if len(part)] or parts[:1]
        assert np.array_equal(np.concatenate(filled), array), name


def iter_pieces(spool_dir: str) -> Iterator[ScanSegment]:
    for number in itertools.count():
        piece = load_piece(spool_dir, number)
        if piece is None:
            return
        yield piece


def test_pieces_say_which_times_were_repaired_so_far(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", [*range(20), *range(20, 40)], options=NO_B_FRAMES)
    _repeat_times(film, of=30)
    scan(str(tmp_path / "b.mkv"), ScanPlan(piece_frames=20), str(tmp_path / "pieces"))
    first, second, _ = iter_pieces(str(tmp_path / "pieces"))
    assert first.repaired_times == ""
    assert "1 frames" in second.repaired_times


def _repeat_times(film: Path, *, of: int) -> None:
    """The film as b.mkv beside it, one packet of which has the time of the one before."""
    with av.open(str(film)) as source, av.open(str(film.parent / "b.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size == 0:
                continue
            if index == of:
                assert packet.pts is not None
                assert packet.duration
                packet.pts -= packet.duration
                packet.dts = packet.pts
            packet.stream = stream
            target.mux(packet)


def test_piece_that_is_not_whole_is_not_shown(tmp_path: Path) -> None:
    with Spool(str(tmp_path), piece_frames=2) as spool:
        for _ in range(3):
            spool.next_frame()
        assert load_piece(str(tmp_path), 0) is not None
        assert load_piece(str(tmp_path), 1) is None


def test_pass_begun_again_leaves_the_pieces_that_were_shown(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", range(20))
    for _ in range(2):
        scan(str(film), ScanPlan(piece_frames=8), str(tmp_path / "pieces"))
    codes = [read_codes(piece.arrays.thumbnails) for piece in iter_pieces(str(tmp_path / "pieces"))]
    assert codes == [[*range(8)], [*range(8, 16)], [*range(16, 20)]]
