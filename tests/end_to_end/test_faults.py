"""A decoder that crashes or hangs costs its own video two attempts, and nobody else anything."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from clipmill.outcomes.run_end import RunEnd
from clipmill.stages.video.preview import preview
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import (
    curate_here,
    fates,
    plain_spec,
    published_files,
    rows,
    small_spec,
    videos,
)
from tests.support.runs.one_codec import new_codec_processes
from tests.support.stand_ins import sabotage

BAD = {
    "SCAN_CRASH.mp4": "decoder_crashed",
    "INSPECT_CRASH.mp4": "decoder_crashed",
    "SCAN_HANG.mp4": "decoder_timeout",
}
STALL_S = 4.0
"""Without one more frame: far more than a healthy film of a second needs between two."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over bad films, a good one and one that cannot be cut: ``source``, ``out`` and ``saboteur``.

    ``undisturbed`` is what a run under good conditions publishes in the same place.
    """
    folder = tmp_path_factory.mktemp("faults")
    for seed, name in enumerate([*BAD, "CUT_CRASH.mp4", "SCAN_FLAKY.mp4", "good.mp4"], start=20):
        draw_film(folder / "source" / name, seed=seed, shots=(30,))
    with new_codec_processes():
        curate_here(folder / "source", folder / "out", plain_spec())
    (folder / "out").rename(folder / "undisturbed")
    with new_codec_processes(), pytest.MonkeyPatch.context() as patch:
        _set(patch, sabotage.lay(folder / "saboteur"))
        curate_here(folder / "source", folder / "out", plain_spec(limits={"decode_stall_s": STALL_S}))
    return folder


def _set(patch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        patch.setenv(name, value)


@pytest.mark.parametrize(("name", "reason"), BAD.items(), ids=BAD)
def test_bad_film_failed_for_what_its_decoder_did(folder: Path, name: str, reason: str) -> None:
    video = videos(folder / "out", folder / "source")[name]
    assert (video["status"], video["reason"]) == ("failed", reason)


@pytest.mark.parametrize("name", BAD)
def test_bad_film_had_two_attempts(folder: Path, name: str) -> None:
    assert sabotage.attempts(folder / "saboteur", name) == 2


CAUSES = {
    "SCAN_CRASH.mp4": "the codec process died (signal 11)",
    "INSPECT_CRASH.mp4": "the codec process died (signal 11)",
    "SCAN_HANG.mp4": (
        "the codec process did not answer within 4 s and was killed (limits.decode_stall_s is 4)"
    ),
}


@pytest.mark.parametrize(("name", "cause"), CAUSES.items(), ids=CAUSES)
def test_failed_film_names_itself_and_its_fault(folder: Path, name: str, cause: str) -> None:
    video = videos(folder / "out", folder / "source")[name]
    assert video["message"] == f"{folder / 'source' / name}: {cause}"


def test_film_that_is_tried_again_is_not_among_the_rejections(folder: Path) -> None:
    assert {row["uri"] for row in rows(folder / "out", "rejections")}.isdisjoint(
        str(folder / "source" / name) for name in BAD
    )


def test_neighbour_of_bad_films_is_curated(folder: Path) -> None:
    assert fates(folder / "out", folder / "source")["good.mp4"] == "curated"


def test_encoder_that_crashes_costs_its_clip(folder: Path) -> None:
    clips = rows(folder / "out", "clips")
    by_name = {Path(str(clip["source_uri"])).name: (clip["status"], clip["reason"]) for clip in clips}
    assert by_name["CUT_CRASH.mp4"] == ("failed", "encode_failed")
    assert by_name["good.mp4"] == ("kept", None)


def test_store_that_falters_once_costs_an_attempt(folder: Path) -> None:
    assert sabotage.attempts(folder / "saboteur", "SCAN_FLAKY.mp4") == 2
    assert fates(folder / "out", folder / "source")["SCAN_FLAKY.mp4"] == "curated"


def test_end_counts_what_is_left(folder: Path) -> None:
    (record,) = [path for path in (folder / "out" / "runs").glob("*.json") if ".stream." not in path.name]
    end = json.loads(record.read_text())["end"]
    found = {(one["stage"], one["reason"]): one["num_items"] for one in end["tallies"]}
    assert end["kind"] == "failures_left"
    assert found == {
        ("inspect", "decoder_crashed"): 1,
        ("fixed_stride", "decoder_crashed"): 1,
        ("fixed_stride", "decoder_timeout"): 1,
        ("encode", "decoder_crashed"): 1,
    }
    assert json.loads((folder / "out" / "manifest.json").read_text())["complete"] is False


def test_next_run_tries_all_of_them_again_and_ends_as_if_nothing_had_happened(folder: Path) -> None:
    with new_codec_processes():
        done = curate_here(folder / "source", folder / "out", plain_spec())
    assert done.end == RunEnd()
    published, expected = (without_history(published_files(folder / name)) for name in ("out", "undisturbed"))
    assert published.keys() == expected.keys()
    assert published == expected


def without_history(found: Mapping[str, bytes]) -> dict[str, bytes]:
    """Without the clips that deduplication compared run by run."""
    return {name: data for name, data in found.items() if not name.startswith("dedup/known")}


def test_film_that_decodes_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_film(tmp_path / "source" / "SCAN_ENDLESS.mp4", seed=30, shots=(30,))
    _set(monkeypatch, sabotage.lay(tmp_path / "saboteur"))
    limits = {"decode_timeout_s": STALL_S, "max_attempts": 1}
    with new_codec_processes():
        curate_here(tmp_path / "source", tmp_path / "out", plain_spec(limits=limits))
    assert fates(tmp_path / "out", tmp_path / "source") == {"SCAN_ENDLESS.mp4": "decoder_timeout"}
    assert sabotage.attempts(tmp_path / "saboteur", "SCAN_ENDLESS.mp4") == 1


@pytest.fixture(scope="module")
def without_previews(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Path:
    """The output of a run in which every preview's process crashed."""
    output = tmp_path_factory.mktemp("previews") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preview, "encode_preview", sabotage.crash)
        curate_here(film, output, small_spec())
    return output


def test_clip_whose_preview_failed_is_kept_and_says_why(without_previews: Path) -> None:
    clips = rows(without_previews, "clips")
    assert [clip["status"] for clip in clips] == ["kept", "kept"]
    assert "the codec process died" in str(clips[0]["errors"])


def test_preview_that_failed_is_not_there(without_previews: Path) -> None:
    assert all(window["preview_uri"] is None for window in rows(without_previews, "windows"))


def test_preview_whose_process_died_is_made_by_the_next_run(without_previews: Path, film: Path) -> None:
    curate_here(film, without_previews, small_spec())
    assert all(window["preview_uri"] for window in rows(without_previews, "windows"))
    assert [clip["errors"] for clip in rows(without_previews, "clips")] == ["{}", "{}"]


def test_preview_that_met_an_unforeseen_error_says_which_and_is_made_later(
    tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(preview, "encode_preview", sabotage.fail)
        curate_here(film, tmp_path / "out", small_spec())
    assert "no such picture" in str(rows(tmp_path / "out", "clips")[0]["errors"])
    assert curate_here(film, tmp_path / "out", small_spec()).end.kind == "done"
    assert all(window["preview_uri"] for window in rows(tmp_path / "out", "windows"))
