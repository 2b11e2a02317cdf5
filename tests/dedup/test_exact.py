import random
from dataclasses import replace
from fractions import Fraction

import pytest

from clipmill.dedup.exact import Copy, VideoRow, find_exact
from clipmill.records import ShownAs

MP4 = VideoRow("b.mp4", "id-mp4", "cd1:pictures", "ad1:sound")
MKV = VideoRow("c.mkv", "id-mkv", "cd1:pictures", "ad1:sound")


def found(*videos: VideoRow) -> dict[str, tuple[str, Copy]]:
    return {row.uri: (row.duplicate_of, row.copy) for row in find_exact(videos)}


def test_a_renamed_copy_repeats_the_smallest_uri() -> None:
    videos = [VideoRow(uri, "same") for uri in ("z.mp4", "a.mp4", "m.mp4")]
    assert found(*videos) == {"m.mp4": ("a.mp4", Copy.RENAMED), "z.mp4": ("a.mp4", Copy.RENAMED)}


def test_a_remuxed_copy_has_the_same_pictures_and_sound() -> None:
    assert found(MKV, MP4) == {"c.mkv": ("b.mp4", Copy.REMUXED)}


def test_a_dub_is_not_a_copy() -> None:
    assert found(MP4, replace(MKV, audio_digest="ad1:other")) == {}


@pytest.mark.parametrize(
    "shown",
    [{"rotation_deg": 90}, {"sar": Fraction(4, 3)}, {"duration_s": 20.0}],
    ids=["turned", "of another aspect", "half as fast"],
)
def test_the_same_packets_shown_otherwise_are_not_a_copy(shown: dict[str, object]) -> None:
    first = replace(MP4, duration_s=10.0)
    assert found(first, replace(MKV, **{"duration_s": 10.0, **shown})) == {}


def test_a_copy_may_round_its_aspect_and_its_times() -> None:
    first = replace(MP4, duration_s=2.0, sar=Fraction(40, 33))
    assert list(found(first, replace(MKV, duration_s=1.96, sar=Fraction(39, 32)))) == ["c.mkv"]


LOOK = ShownAs(1280, 720, colours=(1, 1, 1, 1), every=2, times_s=tuple(index * 0.08 for index in range(40)))


def moved(start: int, end: int, by_s: float) -> tuple[float, ...]:
    return tuple(time + by_s * (start <= place < end) for place, time in enumerate(LOOK.times_s))


@pytest.mark.parametrize(
    "look",
    [
        {"height_px": 712}, {"is_mirrored": True}, {"colours": (2, 1, 1, 1)}, {"colours": (1, 9, 9, 16)},
        {"colours": (0, 2, 9, 2)}, {"other_sound": "ad1:x"}, {"times_s": moved(10, 30, 0.1)},
    ],
    ids=["cropped", "mirrored", "of full range", "HDR", "of wide colours", "another track", "other times"],
)  # fmt: skip
def test_what_shows_the_same_packets_otherwise_is_not_a_copy(look: dict[str, object]) -> None:
    first, other = replace(MP4, shown=LOOK), replace(MKV, shown=replace(LOOK, **look))
    assert found(first, other) == found(other, first) == {}


@pytest.mark.parametrize(
    "look",
    [
        {"colours": (0, 2, 2, 2)}, {"times_s": moved(0, 40, 0.0004)}, {"times_s": moved(10, 30, 0.04)},
        {"every": 4, "times_s": LOOK.times_s[::2]}, {"times_s": LOOK.times_s[:-1]},
    ],
    ids=["colours not told", "milliseconds", "frames of avi", "longer steps", "one frame less"],
)  # fmt: skip
def test_what_containers_round_or_lack_makes_no_other_film(look: dict[str, object]) -> None:
    first, other = replace(MP4, shown=LOOK), replace(MKV, shown=replace(LOOK, **look))
    assert list(found(first, other)) == list(found(other, first)) == ["c.mkv"]


def test_a_video_scanned_by_an_earlier_version_is_compared_by_what_is_known() -> None:
    assert list(found(replace(MP4, shown=LOOK), MKV)) == ["c.mkv"]


def test_a_video_without_its_sound_is_not_a_copy() -> None:
    assert found(MP4, replace(MKV, audio_digest=None)) == {}


def test_silent_videos_with_the_same_pictures_are_copies() -> None:
    assert list(found(replace(MP4, audio_digest=None), replace(MKV, audio_digest=None))) == ["c.mkv"]


def test_videos_that_were_not_decoded_are_not_alike() -> None:
    assert found(VideoRow("a.mp4", "one"), VideoRow("b.mp4", "two")) == {}


def test_a_renamed_copy_of_a_remuxed_copy_joins_its_group() -> None:
    renamed = VideoRow("a.mkv", MKV.video_id)
    assert found(MP4, MKV, renamed) == {"b.mp4": ("a.mkv", Copy.REMUXED), "c.mkv": ("a.mkv", Copy.RENAMED)}


def test_all_copies_of_a_film_are_one_group() -> None:
    groups = find_exact([MP4, MKV, VideoRow("d.ts", "id-ts", MP4.content_digest, MP4.audio_digest)])
    assert len({row.group_id for row in groups}) == 1


def test_the_order_of_the_listing_does_not_matter() -> None:
    videos = [VideoRow(f"{row:02}.mp4", f"id{row % 7}", f"cd1:{row % 5}", "ad1:x") for row in range(30)]
    shuffled = random.Random(0).sample(videos, len(videos))
    assert find_exact(shuffled) == find_exact(videos)


def test_no_videos() -> None:
    assert find_exact([]) == []
