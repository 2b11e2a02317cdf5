"""Captions, enhanced captions and questions: what their workers ask and say, their columns and digests."""

import numpy as np
import pytest

from clipmill.errors import EngineDied, SpecError
from clipmill.models.captioning.chat import Caption
from clipmill.models.captioning.prompts import CAPTION_PROMPTS, prompt_digest
from clipmill.records import FrameSpan
from clipmill.stages.base import Failed, Frames, Rule
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage
from clipmill.stages.video.filtering.question_filter import QuestionFilterStage
from tests.support.stages.stage_context import PlainContext
from tests.support.stages.stage_items import FakeModels, Siblings, says, window_item, with_columns
from tests.support.stand_ins.model_server import Reply, model_server

RAW = CaptionPreparationStage(model_does_preprocess=True)
SAID = {
    "model": "Qwen/Qwen2.5-VL-7B-Instruct",
    "revision": "cc59489",
    "prompt_digest": prompt_digest(CAPTION_PROMPTS["default"], None),
    "caption": "a cat",
    "status": "success",
    "message": None,
    "input_tokens": 7,
    "output_tokens": 3,
    "limit": None,
    "limit_value": None,
}


def captions(**fields: object) -> CaptionGenerationStage:
    return CaptionGenerationStage.model_validate(fields).bind(Siblings([RAW]))


def question(text: str = "Is it night?", **fields: object) -> QuestionFilterStage:
    stage = QuestionFilterStage.model_validate({"question": text, **fields})
    return stage.bind(Siblings([CaptionGenerationStage(), RAW]))


# Windows


def test_windows_lie_as_their_size_says() -> None:
    stage = CaptionPreparationStage(window_size=20, remainder_threshold=10)
    assert stage.windows(window_item(num_frames=50).clip) == [
        FrameSpan(0, 20), FrameSpan(20, 40), FrameSpan(40, 50)
    ]  # fmt: skip


@pytest.mark.parametrize("field", [{"prompt_text": "Look"}, {"sampling_fps": 4.0}, {"frame_height_px": 90}])
def test_what_a_captioner_sees_moves_no_window(field: dict[str, object]) -> None:
    assert CaptionPreparationStage.model_validate(field).digest() == CaptionPreparationStage().digest()
    assert CaptionPreparationStage(window_size=20).digest() != CaptionPreparationStage().digest()


# Captions


def test_a_window_gets_the_columns_of_the_windows_table() -> None:
    models = FakeModels(says("a cat"))
    worker = captions().open(models.context)
    assert list(worker.stream(iter([window_item("w")]))) == [("w", SAID)]
    assert list(SAID) == [column.name for column in CaptionGenerationStage.writes if not column.derived]


def test_a_request_shows_the_samples_inside_the_window() -> None:
    models = FakeModels(says("a cat"))
    item = window_item("w", FrameSpan(30, 60), num_frames=60, num_samples=8)
    list(captions().open(models.context).stream(iter([item])))
    (request,) = models.opened[0].requests
    assert request.frames is not None
    assert request.frames[:, 0, 0, 0].tolist() == [4, 5, 6, 7]
    assert (request.fps, request.text) == (pytest.approx(4), CAPTION_PROMPTS["default"])


def test_samples_are_placed_by_their_own_frames() -> None:
    """Samples that begin late in the clip: spread evenly, the third would seem to lie in the first window."""
    models = FakeModels(says("a cat"))
    late = window_item("w", FrameSpan(0, 30), num_frames=60, num_samples=5)
    object.__setattr__(late, "frame_numbers", np.array([14, 26, 38, 48, 59]))
    list(captions().open(models.context).stream(iter([late])))
    (request,) = models.opened[0].requests
    assert request.frames is not None
    assert sorted(set(request.frames[:, 0, 0, 0].tolist())) == [0, 1]


def test_a_request_is_made_when_there_is_room_for_it() -> None:
    models = FakeModels(says("a cat"))
    drawn: list[str] = []

    def items() -> object:
        for name in "abc":
            drawn.append(name)
            yield window_item(name)

    stream = captions().open(models.context).stream(items())
    next(stream)
    assert drawn == ["a"]
    assert [name for name, _ in stream] == ["b", "c"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Caption("w", "", "blocked", message="no"), {**SAID, "caption": None, "status": "blocked",
         "message": "no", "input_tokens": None, "output_tokens": None}),
        (Caption("w", "", "error", message="too long"), {**SAID, "caption": None, "status": "error",
         "message": "too long", "input_tokens": None, "output_tokens": None}),
        (Caption("w", "", "error", message="HTTP 503", is_retryable=True),
         Failed("retryable", "model_failed", "HTTP 503")),
    ],
    ids=["blocked", "final error", "endpoint failed"],
)  # fmt: skip
def test_only_what_does_not_follow_from_the_window_is_tried_again(answer: Caption, expected: object) -> None:
    models = FakeModels(lambda _request: answer)
    assert list(captions().open(models.context).stream(iter([window_item("w")]))) == [("w", expected)]


@pytest.mark.parametrize(
    ("status", "expected"), [(400, "error"), (422, "error"), (401, None), (404, None), (503, None)]
)
def test_an_endpoint_fails_for_its_own_reasons_or_the_windows(status: int, expected: str | None) -> None:
    with model_server() as server:
        server.otherwise = Reply(status=status)
        stage = captions(endpoint_url=server.url, endpoint_model="tiny", endpoint_max_attempts=1)
        worker = stage.open(PlainContext())
        [(_, said)] = list(worker.stream(iter([window_item("w")])))
        worker.close()
    assert isinstance(said, Failed) if expected is None else said["status"] == expected


def test_an_endpoint_writes_no_revision() -> None:
    models = FakeModels(says("a cat"))
    stage = captions(endpoint_url="http://server/v1", endpoint_model="tiny")
    [(_, said)] = list(stage.open(models.context).stream(iter([window_item("w")])))
    assert (said["model"], said["revision"]) == ("tiny", None)
    assert (stage.models(), stage.worker_environment) == ((), "core")


def test_the_second_question_is_in_the_digest_of_prompts() -> None:
    models = FakeModels(says("a cat"))
    stage = captions(generate_stage2_caption=True, stage2_prompt_text="Again:")
    [(_, said)] = list(stage.open(models.context).stream(iter([window_item("w")])))
    assert said["prompt_digest"] == prompt_digest(CAPTION_PROMPTS["default"], "Again:")
    assert [request.text for request in models.opened[0].requests][1] == "Again:\n\na cat"


def test_captions_read_the_frames_that_the_preparation_says() -> None:
    preparation = CaptionPreparationStage(sampling_fps=4.0, frame_height_px=90)
    stage = CaptionGenerationStage().bind(Siblings([preparation]))
    assert stage.reads().frames == Frames(4, 90)


@pytest.mark.parametrize(
    "field",
    [{"prompt_text": "Look"}, {"sampling_fps": 4.0}, {"frame_height_px": 90}, {"preprocess_dtype": "uint8"}],
)
def test_what_a_captioner_sees_is_in_the_digest_of_captions(field: dict[str, object]) -> None:
    preparation = CaptionPreparationStage.model_validate(field)
    assert (
        CaptionGenerationStage().bind(Siblings([preparation])).digest() != CaptionGenerationStage().digest()
    )


def test_where_windows_lie_is_not_in_the_captions_own_fields() -> None:
    preparation = CaptionPreparationStage(window_size=20, generate_previews=False)
    assert (
        CaptionGenerationStage().bind(Siblings([preparation])).digest() == CaptionGenerationStage().digest()
    )


def test_windows_of_another_variant_are_refused() -> None:
    siblings = Siblings([CaptionPreparationStage(model_variant="qwen3")])
    with pytest.raises(SpecError, match="prepared for qwen3, captions come from smolvlm2"):
        CaptionGenerationStage(model_variant="smolvlm2").bind(siblings)
    assert CaptionGenerationStage().bind(siblings).preparation.model_variant == "qwen"


def test_the_model_is_named_with_its_weights() -> None:
    (model,) = captions().models()
    assert (model.name, model.revision, model.place) == ("qwen", "cc59489", "models/qwen")


# A model that dies


def test_a_dead_model_goes_through_and_is_opened_anew() -> None:
    models = FakeModels(lambda _request: says("a cat")(_request) if len(models.opened) > 1 else None)
    context = models.context
    worker = captions().open(context)
    with pytest.raises(EngineDied):
        list(worker.stream(iter([window_item("w")])))
    worker.close()
    again = captions().open(context)
    assert [name for name, _ in again.stream(iter([window_item("w")]))] == ["w"]
    again.close()
    assert [chat.num_closed for chat in models.opened] == [1, 1]


def test_captions_and_questions_share_one_model_to_the_last() -> None:
    models = FakeModels(says("Yes."))
    context = models.context
    workers = [stage.open(context) for stage in (captions(), question(), question("Is it day?"))]
    for worker in workers:
        list(worker.stream(iter([window_item("w")])))
    assert len(models.opened) == 1
    assert [request.max_output_tokens for request in models.opened[0].requests] == [512, 32, 32]
    for worker, num_closed in zip(workers, (0, 0, 1), strict=True):
        worker.close()
        assert models.opened[0].num_closed == num_closed


def test_a_model_that_died_for_one_stage_is_opened_for_the_others() -> None:
    models = FakeModels(lambda request: says("Yes.")(request) if len(models.opened) > 1 else None)
    context = models.context
    worker, asking = captions().open(context), question().open(context)
    with pytest.raises(EngineDied):
        list(worker.stream(iter([window_item("w")])))
    worker.close()
    assert len(list(asking.stream(iter([window_item("c")])))) == 1
    asking.close()
    assert [chat.num_closed for chat in models.opened] == [1, 1]


def test_stages_of_different_models_share_none() -> None:
    models = FakeModels(says("Yes."))
    context = models.context
    captions().open(context)
    captions(model_variant="qwen3").open(context)
    assert len(models.opened) == 2


# Enhanced captions


def enhancement(**fields: object) -> CaptionEnhancementStage:
    stage = CaptionEnhancementStage.model_validate(fields)
    return stage.bind(Siblings([CaptionGenerationStage(model_variant="qwen3")]))


def test_captions_are_worked_over_and_windows_without_one_are_skipped() -> None:
    models = FakeModels(says("a big cat"))
    texts = {"a": "a cat", "b": None, "c": "", "d": "a dog"}
    items = [with_columns(window_item(name), caption__caption=text) for name, text in texts.items()]
    worker = enhancement(prompt_text="More").open(models.context)
    found = dict(worker.stream(iter(items)))
    assert {name: values["enhanced_status"] for name, values in found.items()} == {
        "a": "success", "b": "skipped", "c": "skipped", "d": "success"
    }  # fmt: skip
    assert [(one.system, one.text) for one in models.opened[0].requests] == [
        ("More", "a cat"), ("More", "a dog")
    ]  # fmt: skip
    assert found["a"]["enhanced_caption"] == "a big cat"
    assert found["a"]["enhanced_model"] == "Qwen/Qwen2.5-14B-Instruct"
    stored = {one.name for one in CaptionEnhancementStage.writes if not one.derived}
    assert found["a"].keys() == found["b"].keys() == stored


def test_windows_are_skipped_although_no_caption_is_left() -> None:
    models = FakeModels(says("never"))
    items = [with_columns(window_item(name), caption__caption=None) for name in "ab"]
    assert len(list(enhancement().open(models.context).stream(iter(items)))) == 2


def test_enhancement_reads_captions_and_follows_their_variant() -> None:
    assert enhancement().reads().columns == ("caption:caption",)
    assert enhancement().captioning_model_variant == "qwen3"
    assert enhancement(captioning_model_variant="other").captioning_model_variant == "other"


@pytest.mark.parametrize("stage", [CaptionEnhancementStage(), QuestionFilterStage(question="Is it day?")])
def test_stages_without_captions_are_refused(stage: CaptionEnhancementStage | QuestionFilterStage) -> None:
    with pytest.raises(SpecError, match="need captions: a CaptionGenerationStage says which model answers"):
        stage.bind(Siblings())


# Questions


@pytest.mark.parametrize(
    ("said", "answer"), [("Yes.", "yes"), ("no", "no"), ("Yes and no", None), ("Perhaps", None)]
)
def test_an_answer_is_a_clear_yes_or_no(said: str, answer: str | None) -> None:
    models = FakeModels(says(said))
    found = list(question().open(models.context).stream(iter([window_item("c", FrameSpan(0, 20))])))
    assert found == [("c", {"answer": answer, "answer_text": said, "answer_message": None})]
    (request,) = models.opened[0].requests
    assert request.text == "Is it night? Answer with one word, yes or no."
    assert request.frames is not None
    assert request.frames[:, 0, 0, 0].tolist() == [0, 1, 2, 3], "of the whole clip"


def test_a_final_error_is_no_answer() -> None:
    models = FakeModels(lambda request: Caption(request.window_id, "", "error", message="too long"))
    found = list(question().open(models.context).stream(iter([window_item("c")])))
    assert found == [("c", {"answer": None, "answer_text": "", "answer_message": "too long"})]


def test_a_question_rejects_the_answer_that_it_names() -> None:
    for said in ("yes", "no"):
        words = f"'Is it night?' was answered {said}"
        rule = Rule("answer", "rejected_by_answer", equals=(said,), words=words)
        assert question(reject_if=said).rules() == (rule,)
    assert question() == question(reject_if="no")
    assert question(score_only=True).rules() == ()


def test_the_rejected_answer_is_not_in_the_digest_of_a_question() -> None:
    assert question(reject_if="yes", score_only=True).digest() == question().digest()
    assert question("Is it day?").digest() != question().digest()


@pytest.mark.parametrize(
    ("siblings", "is_same"),
    [
        ((CaptionGenerationStage(temperature=0.5), RAW), False),
        ((CaptionGenerationStage(model_variant="qwen3"), RAW), False),
        ((CaptionGenerationStage(), CaptionPreparationStage()), False),
        ((CaptionGenerationStage(generate_stage2_caption=True, max_output_tokens=9), RAW), True),
        ((CaptionGenerationStage(caption_batch_size=1, model_dir="elsewhere"), RAW), True),
        ((CaptionGenerationStage(), RAW.model_copy(update={"prompt_text": "Look", "window_size": 20})), True),
    ],
    ids=["temperature", "model", "frames", "second caption", "speed", "prompt"],
)
def test_the_captioner_is_in_the_digest_of_a_question(siblings: tuple, is_same: bool) -> None:
    found = QuestionFilterStage(question="Is it night?").bind(Siblings(siblings))
    assert (found.digest() == question().digest()) == is_same


def test_a_bound_question_survives_a_copy_without_verdicts() -> None:
    bare = question(reject_if="yes").without_verdicts()
    assert bare.reject_if == "no"
    assert bare.captioner == question().captioner
    assert bare.reads().frames == Frames(2, 336)
