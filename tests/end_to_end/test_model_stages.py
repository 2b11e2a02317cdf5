"""What models say goes to the right window, costs nothing for rejected clips, and is asked once."""

import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipmill.engine import inline, run
from clipmill.engine.chunk import Chunk
from clipmill.engine.graph import OperatorNode
from clipmill.models.captioning.chat import Caption, ChatRequest
from clipmill.outcomes.run_end import RunEnd, Tally
from tests.support.films.small_films import draw_film
from tests.support.runs.curation import Row, curate_here, plain_spec, rows, stamps
from tests.support.stand_ins.stand_in_models import Answer, Chat, Seen, told, use_stand_ins

pytestmark = pytest.mark.usefixtures("shared_codec")

FULL: Row = {
    "aesthetics": {"score_threshold": 0.0},
    "questions": [{"question": "Is it day?", "score_only": True}],
    "captions": {},
    "enhancement": {},
    "embedding": {"algorithm": "siglip2", "texts_to_verify": ["a harbour", "a market"]},
    "windows": {"prompt_text": "Look", "frame_height_px": 90},
    "preview": {"target_height": 90},
    "dedup": None,
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One clip of a second."""
    return draw_film(tmp_path_factory.mktemp("films") / "quay.mp4", seed=3, shots=(30,), size_px=(80, 46))


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def curate(film: Path, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Runs a spec over the film with stand-ins for models; the output."""

    def here(answer: Answer = told, **fields: object) -> Path:
        use_stand_ins(monkeypatch, seen, answer=answer)
        curate_here(film, tmp_path / "out", plain_spec(**{**FULL, **fields}))
        return tmp_path / "out"

    return here


def metas(output: Path) -> list[Row]:
    return [json.loads(path.read_text()) for path in sorted((output / "metas" / "v0").glob("*.json"))]


def test_every_window_has_its_caption(curate: Callable[..., Path]) -> None:
    table = rows(curate(), "windows")
    assert {(row["caption"], row["status"], row["input_tokens"], row["output_tokens"]) for row in table} == {
        ("Look!", "success", 7, 2)
    }
    assert {(row["model"], row["revision"]) for row in table} == {("Qwen/Qwen2.5-VL-7B-Instruct", "cc59489")}
    assert {(row["enhanced_caption"], row["enhanced_status"]) for row in table} == {("LOOK!", "success")}
    assert len({row["prompt_digest"] for row in table}) == 1


def test_workers_of_one_process_do_not_share_a_gpu(
    curate: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: set[str] = set()

    def run_inline(
        nodes: Sequence[OperatorNode], chunks: Iterable[Chunk], *, one_worker: Collection[str]
    ) -> Iterator[Chunk]:
        alone.update(one_worker)
        return inline.run_inline(nodes, chunks, one_worker=one_worker)

    monkeypatch.setattr(run, "run_inline", run_inline)
    curate()
    assert alone == {"aesthetic", "question", "embedding", "caption", "enhancement"}


def test_an_answer_goes_to_its_own_window(curate: Callable[..., Path]) -> None:
    def by_level(request: ChatRequest) -> Caption:
        return Caption(request.window_id, f"{request.window_id}", "success")

    assert all(row["caption"] == row["window_id"] for row in rows(curate(by_level), "windows"))


def test_captions_are_in_the_documented_json(curate: Callable[..., Path]) -> None:
    output = curate()
    windows = [window for meta in metas(output) for window in meta["windows"]]
    assert all(window["qwen_caption"] == "Look!" for window in windows)
    assert all(window["qwen_lm_enhanced_caption"] == "LOOK!" for window in windows)
    [chunk] = [json.loads(path.read_text()) for path in (output / "processed_clip_chunks").rglob("*.json")]
    assert chunk["num_clips_with_caption"] == chunk["num_clips_passed"] == len(chunk["all_windows"])
    assert set(chunk["all_windows"][chunk["clips"][0]]) == {"0_23"}
    assert chunk["all_windows_enhanced_caption"][chunk["clips"][0]] == {"0_23": "LOOK!"}


def test_scores_matches_and_answers_are_written(curate: Callable[..., Path]) -> None:
    output = curate(lambda request: Caption(request.window_id, "Yes, it is.", "success"))
    assert all(0 < meta["aesthetic_score"] < 10 for meta in metas(output))
    assert all(meta["siglip2_text_match"] == ["a harbour", 0.75] for meta in metas(output))
    assert {row["answer"] for row in rows(output, "clips")} == {"yes"}
    assert all(meta["answers"] == {"Is it day?": "yes"} for meta in metas(output))
    embedded = pq.read_table(output / "siglip2_embd_parquet")
    assert sorted(embedded["id"].to_pylist()) == sorted(row["clip_id"] for row in rows(output, "clips"))


def test_a_clip_below_the_threshold_costs_nothing_more(curate: Callable[..., Path], seen: Seen) -> None:
    output = curate(aesthetics={"score_threshold": 11})
    assert {row["reason"] for row in rows(output, "clips")} == {"low_aesthetic"}
    assert (seen.num_embedded, seen.prompts, seen.texts) == (0, [], [])
    assert not (output / "clips").exists()
    assert {row["message"].split(" is ")[1] for row in rows(output, "rejections")} == {"below 11"}
    assert len(list((output / "previews").rglob("*.webp"))) == len(rows(output, "clips"))
    [chunk] = [json.loads(path.read_text()) for path in (output / "processed_clip_chunks").rglob("*.json")]
    assert chunk["num_clips_filtered_by_aesthetic"] == len(rows(output, "clips"))


@pytest.mark.parametrize(
    ("said", "reason"), [("No.", "rejected_by_answer"), ("Yes.", None), ("It may be, or not.", None)]
)
def test_only_a_clear_answer_rejects(
    curate: Callable[..., Path], seen: Seen, said: str, reason: str | None
) -> None:
    def answer(request: ChatRequest) -> Caption:
        return Caption(request.window_id, said, "success")

    output = curate(answer, questions=[{"question": "Is it day?", "reject_if": "no"}])
    assert {row["reason"] for row in rows(output, "clips")} == {reason}
    assert (seen.num_embedded == 0) == (reason is not None)


def test_what_is_rejected_by_a_filter_without_weights_is_shown_to_no_model(
    curate: Callable[..., Path], seen: Seen
) -> None:
    curate(quality={"exposure": {"min": 1.0}})
    assert (seen.num_scored, seen.num_embedded, seen.prompts) == (0, 0, [])


@pytest.mark.parametrize(
    "changed",
    [
        {"aesthetics": {"score_threshold": 0.5}},
        {"aesthetics": {"score_threshold": 0.0, "reduction": "mean"}},
        {"questions": [{"question": "Is it day?", "reject_if": "yes", "score_only": True}]},
    ],
    ids=["threshold", "reduction", "rejected answer"],
)
def test_a_new_verdict_asks_nobody(curate: Callable[..., Path], seen: Seen, changed: Row) -> None:
    curate()
    asked = (len(seen.prompts), seen.num_scored, seen.num_embedded, len(seen.texts))
    curate(**changed)
    assert (len(seen.prompts), seen.num_scored, seen.num_embedded, len(seen.texts)) == asked


def test_a_new_prompt_redoes_captions_only(curate: Callable[..., Path], seen: Seen) -> None:
    before = stamps(curate() / "clips")
    scored = (seen.num_scored, seen.num_embedded)
    output = curate(windows={"prompt_text": "Listen", "frame_height_px": 90})
    assert {row["caption"] for row in rows(output, "windows")} == {"Listen!"}
    assert {row["enhanced_caption"] for row in rows(output, "windows")} == {"LISTEN!"}
    assert (seen.num_scored, seen.num_embedded) == scored
    assert stamps(output / "clips") == before


def test_a_new_question_redoes_answers_only(curate: Callable[..., Path], seen: Seen) -> None:
    before = stamps(curate() / "clips")
    asked = len(seen.prompts)
    output = curate(questions=[{"question": "Is it night?", "score_only": True}])
    assert all("night" in prompt for prompt in seen.prompts[asked:])
    assert len(seen.prompts) > asked
    assert stamps(output / "clips") == before


def test_another_enhancement_takes_the_captions_there_are(curate: Callable[..., Path], seen: Seen) -> None:
    curate()
    prompts = list(seen.prompts)
    output = curate(enhancement={"prompt_text": "Louder"})
    assert seen.prompts == prompts
    assert seen.texts[-1] == "Look!"
    assert {row["enhanced_caption"] for row in rows(output, "windows")} == {"LOOK!"}


def test_a_window_that_fails_is_named_and_its_clip_stays(curate: Callable[..., Path]) -> None:
    output = curate(lambda request: Caption(request.window_id, "", "error", message="no luck"))
    assert {row["status"] for row in rows(output, "windows")} == {"error"}
    assert {row["enhanced_status"] for row in rows(output, "windows")} == {"skipped"}
    assert {row["status"] for row in rows(output, "clips")} == {"kept"}
    assert "no luck" in rows(output, "clips")[0]["errors"]


def test_without_generate_captions_no_json_names_one(curate: Callable[..., Path]) -> None:
    windows = [window for meta in metas(curate(captions=None, questions=[], enhancement=None)) for window in
               meta["windows"]]  # fmt: skip
    assert all(set(window) == {"start_frame", "end_frame"} for window in windows)


# A model that dies, and one that misbehaves


@pytest.fixture(scope="module")
def three_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of a second."""
    return draw_film(tmp_path_factory.mktemp("three") / "quay.mp4", seed=3, shots=(80,), size_px=(80, 46))


@pytest.fixture
def ended(
    three_clips: Path, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Answer], RunEnd]:
    """Captions three clips with a stand-in, and nothing else; the end of the run."""

    def here(answer: Answer) -> RunEnd:
        use_stand_ins(monkeypatch, seen, answer=answer)
        spec = plain_spec(captions={}, embedding=None, motion=None, quality=None)
        return curate_here(three_clips, tmp_path / "out", spec).end

    return here


@pytest.fixture
def caption(ended: Callable[[Answer], RunEnd], tmp_path: Path) -> Callable[[Answer], list[Row]]:
    """The same; the windows."""

    def here(answer: Answer) -> list[Row]:
        ended(answer)
        return rows(tmp_path / "out", "windows")

    return here


def second_of(windows: Sequence[Row]) -> str:
    """The id of the second window of the film."""
    return str(sorted(windows, key=lambda window: str(window["clip_id"]))[1]["window_id"])


def test_only_the_window_that_kills_the_model_is_named_and_the_next_run_asks_it_again(
    caption: Callable[[Answer], list[Row]], seen: Seen, tmp_path: Path
) -> None:
    deadly = second_of(caption(told))
    shutil.rmtree(tmp_path / "out")
    windows = caption(lambda request: None if request.window_id == deadly else told(request))
    assert {window["window_id"]: window["status"] for window in windows} == {
        window["window_id"]: "error" if window["window_id"] == deadly else "success" for window in windows
    }
    errors = [str(row["errors"]) for row in rows(tmp_path / "out", "clips") if row["errors"] != "{}"]
    assert len(errors) == 1
    assert "the model died of it, or gave no answer" in errors[0]
    asked = len(seen.prompts)
    assert all(window["caption"] for window in caption(told))
    assert len(seen.prompts) == asked + 1


def test_a_model_that_died_once_answers_everything(
    caption: Callable[[Answer], list[Row]], seen: Seen
) -> None:
    windows = caption(lambda request: None if seen.num_opened == 1 else told(request))
    assert {window["status"] for window in windows} == {"success"}


def test_a_dead_model_is_closed_before_the_next_one_is_opened(
    caption: Callable[[Answer], list[Row]], seen: Seen
) -> None:
    counts = list[tuple[int, int]]()

    def answer(request: ChatRequest) -> Caption | None:
        counts.append((seen.num_opened, seen.num_closed))
        return None if seen.num_opened == 1 else told(request)

    caption(answer)
    assert set(counts) == {(1, 0), (2, 1)}


def test_a_model_that_is_too_dead_to_close_is_replaced_all_the_same(
    caption: Callable[[Answer], list[Row]], seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close(_chat: Chat) -> None:
        raise TimeoutError("no answer")

    monkeypatch.setattr(Chat, "close", close)
    windows = caption(lambda request: None if seen.num_opened == 1 else told(request))
    assert {window["status"] for window in windows} == {"success"}


def test_a_model_that_always_dies_ends_the_run_and_costs_no_video_a_try(
    ended: Callable[[Answer], RunEnd], tmp_path: Path
) -> None:
    end = ended(lambda _: None)
    assert end == RunEnd("stopped", stopped="model stand-in is gone: it was told to")
    assert [row["status"] for row in rows(tmp_path / "out", "videos")] == ["pending"]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["complete"] is False
    assert ended(told) == RunEnd()
    assert {row["status"] for row in rows(tmp_path / "out", "windows")} == {"success"}


def test_an_answer_that_nobody_waits_for_breaks_the_stage(
    ended: Callable[[Answer], RunEnd], tmp_path: Path
) -> None:
    end = ended(lambda _: Caption("x", "?", "success"))
    assert (end.kind, end.tallies) == ("stopped", (Tally("caption", "stage_error", "retryable", 3),))
    assert end.stopped.startswith("stage caption is broken: it failed on all 3 items; the first: ")
    assert "an answer for 'x', which was not asked" in end.stopped
    assert [row["caption"] for row in rows(tmp_path / "out", "windows")] == [None] * 3
    assert ended(told) == RunEnd()
    assert {row["status"] for row in rows(tmp_path / "out", "windows")} == {"success"}


def test_a_window_without_an_answer_is_named(
    caption: Callable[[Answer], list[Row]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Chat, "answer", lambda _chat, _requests: iter(()))
    assert {(window["caption"], window["status"]) for window in caption(told)} == {(None, "error")}
    clips = rows(tmp_path / "out", "clips")
    assert all("gave no answer" in str(row["errors"]) for row in clips)


def test_an_error_of_a_model_costs_only_its_window(
    caption: Callable[[Answer], list[Row]], tmp_path: Path
) -> None:
    wrong = second_of(caption(told))
    shutil.rmtree(tmp_path / "out")

    def answer(request: ChatRequest) -> Caption:
        if request.window_id == wrong:
            raise RuntimeError("no such kernel")
        return told(request)

    windows = caption(answer)
    assert [window["window_id"] for window in windows if window["status"] == "error"] == [wrong]
    errors = [str(row["errors"]) for row in rows(tmp_path / "out", "clips")]
    assert sum("stage caption: RuntimeError: no such kernel" in text for text in errors) == 1
