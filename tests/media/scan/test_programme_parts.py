"""Transport streams put one behind the other: a film behind an advert, with streams of its own."""

from pathlib import Path

import numpy as np
import pytest

from clipmill.media.decode.programme_parts import ENOUGH_PACKETS
from tests.support.films.chirps import X264, Codecs, Curated, curated, draw_chirp, join, worst_lag_s

pytestmark = pytest.mark.integration

ADVERT = Codecs("libx264", "aac", {**X264, "bf": "0"})
FILM = Codecs("libx264", "aac", {**X264, "bf": "0"}, sound_id=0x345, video_id=0x234)
PMT_PID = 0x1000
HELD_BACK = 2
"""A demuxer holds back the last pictures of each stream until the end of the file."""


def recorded(
    folder: Path, *, first: int, num_frames: int = 150, program: dict[str, str] | None = None
) -> Curated:
    advert = draw_chirp(folder / "advert.ts", 75, codecs=ADVERT)
    film = draw_chirp(
        folder / f"film{first}.ts", num_frames, first=first, codecs=FILM, size=(192, 108),
        container_options={"max_delay": "700000", **(program or {})},  # several packets of sound in one
    )  # fmt: skip
    path = join(folder / f"recorded{first}.ts", advert, film)
    return curated(path, folder / f"out{first}")


@pytest.mark.parametrize(
    "program",
    [{}, {"mpegts_service_id": "7"}, {"mpegts_service_id": "7", "mpegts_pmt_start_pid": "0x1100"}],
    ids=["same program", "another number", "another table"],
)
def test_a_film_behind_an_advert_is_read(tmp_path: Path, program: dict[str, str]) -> None:
    found = recorded(tmp_path, first=75, program=program)
    numbers = [number for read in found.read for number in read.numbers]
    assert numbers == [*range(75 - HELD_BACK), *range(75, 225)]
    assert worst_lag_s(found.read) < 0.045
    assert all(read.silent_s < 0.1 for read in found.read)
    assert "another stream goes on" in found.facts.repaired_times
    assert not found.facts.is_partial
    assert [clip.width for clip in found.clips][-1] == 192


def test_two_films_behind_one_advert_differ(tmp_path: Path) -> None:
    one, other = (recorded(tmp_path, first=first).facts.content_digest for first in (75, 300))
    assert one != other


def test_a_short_film_at_the_end_is_read(tmp_path: Path) -> None:
    found = recorded(tmp_path, first=75, num_frames=ENOUGH_PACKETS + 15)
    assert found.facts.num_frames == 75 - HELD_BACK + ENOUGH_PACKETS + 15


def test_a_film_that_only_the_middle_declares_makes_the_video_partial(tmp_path: Path) -> None:
    advert = draw_chirp(tmp_path / "advert.ts", 75, codecs=ADVERT)
    facts = [
        curated(
            join(
                tmp_path / f"recorded{first}.ts",
                advert,
                draw_chirp(tmp_path / f"film{first}.ts", num, first=first, codecs=FILM, size=(192, 108)),
                advert,
            ),
            tmp_path / f"out{first}",
        ).facts
        for first, num in ((75, 150), (300, 160))
    ]
    assert all(each.is_partial for each in facts)
    assert facts[0].content_digest != facts[1].content_digest


def test_streams_at_the_end_that_no_table_declares_make_the_video_partial(tmp_path: Path) -> None:
    advert = draw_chirp(tmp_path / "advert.ts", 75, codecs=ADVERT)
    film = draw_chirp(tmp_path / "film.ts", 150, first=75, codecs=FILM, size=(192, 108))
    packets = np.frombuffer(film.read_bytes(), np.uint8).reshape(-1, 188)
    pids = (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]
    film.write_bytes(packets[~np.isin(pids, (0, PMT_PID))].tobytes() * 3)
    facts = curated(join(tmp_path / "recorded.ts", advert, film), tmp_path / "out").facts
    assert "hold no stream that the beginning of the file declares" in facts.partial_reason
