"""What became of the sound of clips, in tables, JSON, errors and summary of a whole run."""

import json
from pathlib import Path

import pytest

from tests.support.films.chirps import draw_chirp, read_back, worst_lag_s, zero_packets
from tests.support.films.chirps import join as join_films
from tests.support.runs.curation import curate_here, plain_spec, rows

pytestmark = pytest.mark.usefixtures("shared_codec")


def test_every_clip_says_what_became_of_its_sound(tmp_path: Path) -> None:
    source, output = tmp_path / "films", tmp_path / "out"
    source.mkdir()
    zero_packets(draw_chirp(source / "damaged.mp4", 100), 93, 144)
    published = curate_here(source, output, plain_spec(split=by_the_clock(1.0), dedup=None))

    clips = sorted(rows(output, "clips"), key=lambda row: str(row["start_frame"]).rjust(4))
    assert [clip["audio_status"] for clip in clips] == ["copied", "repaired", "lost", "repaired"]
    assert [clip["status"] for clip in clips] == ["kept"] * 4
    assert clips[2]["audio_reason"] == "no packet of its sound could be decoded"
    assert json.loads(str(clips[2]["errors"]))["sound"] == clips[2]["audio_reason"]
    counted = {name: count.items for name, count in published.funnel.sound.items()}
    assert counted == {"copied": 1, "lost": 1, "repaired": 2}
    assert any(
        line.split() == ["lost", "1", "25.0", "%", "1.00", "s"] for line in published.summary().splitlines()
    )
    metas = [json.loads(path.read_text()) for path in (output / "metas/v0").iterdir()]
    assert sorted(meta["audio_status"] for meta in metas) == ["copied", "lost", "repaired", "repaired"]


def test_sound_of_joined_recordings_is_right_in_one_pass(tmp_path: Path) -> None:
    source, output = tmp_path / "films", tmp_path / "out"
    source.mkdir()
    parts = [draw_chirp(tmp_path / f"{first}.ts", 75, first=first) for first in (0, 75)]
    join_films(source / "joined.ts", *parts)
    curate_here(source, output, plain_spec(split=by_the_clock(1.5)))

    clips = rows(output, "clips")
    assert len(clips) == 4
    read = [read_back(str(output / str(clip["clip_uri"]))) for clip in clips]
    assert sorted(number for each in read for number in each.numbers) == list(range(150))
    assert worst_lag_s(read) < 0.045
    assert {clip["audio_status"] for clip in clips} <= {"encoded", "repaired"}


def by_the_clock(length_s: float) -> dict[str, object]:
    stride = {"clip_len_s": length_s, "clip_stride_s": length_s, "min_clip_length_s": 0.5}
    return {"algorithm": "fixed_stride", "fixed_stride": stride}
