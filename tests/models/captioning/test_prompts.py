"""What models are asked, and what their yes and no mean."""

import json
from typing import get_args

import pytest

from clipmill.models.captioning import prompts
from clipmill.stages.video.caption.caption_enhancement import CaptionEnhancementStage
from clipmill.stages.video.caption.caption_generation import CaptionGenerationStage
from clipmill.stages.video.caption.caption_preparation import CaptionPreparationStage, PromptVariant

VARIANTS = get_args(PromptVariant)


@pytest.mark.parametrize("texts", [prompts.CAPTION_PROMPTS, prompts.ENHANCEMENT_PROMPTS])
def test_every_variant_has_its_own_prompt(texts: dict[str, str]) -> None:
    assert tuple(texts) == VARIANTS
    assert len(set(texts.values())) == len(VARIANTS)


def test_a_prompt_of_the_users_own_replaces_the_variants() -> None:
    assert CaptionPreparationStage(prompt_text="What is it?").prompt == "What is it?"
    assert CaptionEnhancementStage(prompt_text="Shorter.").prompt == "Shorter."


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (CaptionGenerationStage(), None),
        (CaptionGenerationStage(generate_stage2_caption=True), prompts.REFINEMENT),
        (CaptionGenerationStage(generate_stage2_caption=True, stage2_prompt_text="Again:"), "Again:"),
        (CaptionGenerationStage(stage2_prompt_text="Again:"), None),
    ],
    ids=["once", "twice", "by the user's words", "words without a second stage"],
)
def test_the_second_question(spec: CaptionGenerationStage, expected: str | None) -> None:
    assert spec.refinement == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", "yes"), ("no", "no"), (" YES.", "yes"), ("**No**", "no"), ("Yes, there is.", "yes"),
        ("No, it is day.", "no"), ("", None), ("Maybe", None), ("There is no text", None),
        ("Yes and no", None), ("yes or no", None), ("Yes. But then: no.", None), ("Nothing", None),
        ("Yesterday", None), ("I think yes", None),
    ],
)  # fmt: skip
def test_only_a_clear_word_is_an_answer(text: str, expected: str | None) -> None:
    answer = prompts.answer_of("Is it night?", text)
    assert (answer.answer, answer.text) == (expected, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("A cat.", "A cat."), ("<think>hm</think>\n\nA cat.", "A cat."), ("<think>hm, a", "")],
    ids=["none", "ended", "endless"],
)
def test_thoughts_are_no_part_of_a_caption(text: str, expected: str) -> None:
    assert prompts.without_thoughts(text) == expected


def test_prompts_are_told_apart_by_their_digest() -> None:
    asked = [("a",), ("b",), ("a", "b"), ("ab",), ("a", None, "b")]
    assert len({prompts.prompt_digest(*prompt) for prompt in asked}) == len(asked)


def test_built_in_prompts_change_only_with_the_version_of_their_stage() -> None:
    texts = json.dumps([prompts.CAPTION_PROMPTS, prompts.ENHANCEMENT_PROMPTS, prompts.REFINEMENT])
    versions = CaptionGenerationStage.STAGE_VERSION, CaptionEnhancementStage.STAGE_VERSION
    assert (versions, prompts.prompt_digest(texts)) == ((1, 1), GOLDEN), "raise the STAGE_VERSION"


GOLDEN = "80e78e2a73d958ca"
