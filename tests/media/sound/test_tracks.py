"""Several tracks in one file: each is another language."""

from pathlib import Path

import pytest
from av.packet import Packet

from tests.support.films.chirps import X264, Codecs, curated, draw_chirp, recoded, worst_lag_s

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("suffix", "codec"), [(".ts", "mp2"), (".ts", "ac3"), (".mpg", "mp2")])
def test_no_other_track_fills_a_hole_of_the_default_one(tmp_path: Path, suffix: str, codec: str) -> None:
    def holed(packet: Packet) -> Packet | None:
        is_in = 2.6 <= (packet.pts or 0) * packet.time_base < 3.4
        return None if packet.stream.type == "audio" and is_in else packet

    codecs = Codecs("libx264", codec, X264)
    english = draw_chirp(tmp_path / "english.mkv", 150, codecs=codecs, edit=holed)
    german = draw_chirp(tmp_path / "german.mkv", 150, first=500, codecs=codecs)
    pictures = ("-c:v", "mpeg2video", "-b:v", "2M") if suffix == ".mpg" else ("-c:v", "copy")
    both = ("-i", str(german), "-map", "0:v", "-map", "0:a", "-map", "1:a", "-c:a", "copy")
    film = recoded(tmp_path / f"film{suffix}", english, *both, *pictures)
    found = curated(film, tmp_path / "out")
    assert [clip.sound.status for clip in found.clips][1] == "repaired"
    assert worst_lag_s(found.read) < 0.09
