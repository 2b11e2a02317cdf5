"""What models are asked, in our words, and how a yes or no is read from what they say. Pure.

Texts here change captions: a change of one raises the ``version`` of the stage that asks it.
"""

import re
from typing import Literal

from clipmill import identity
from clipmill.records import Answer

PromptVariant = Literal["default", "av", "av-surveillance"]
"""What a prompt steers to: anything, a car's camera, a surveillance camera."""

CAPTION_PROMPTS: dict[PromptVariant, str] = {
    "default": (
        "Write a detailed caption of this video. Say who and what can be seen, what happens from beginning "
        "to end, where it takes place, and how it is filmed: light, colours, framing and movement of the "
        "camera. Mention only what the frames show, and write one flowing paragraph."
    ),
    "av": (
        "This video was recorded by a camera on a car. Describe the drive: the road and its lanes, how the "
        "car itself moves, what other vehicles, cyclists and pedestrians do, signs and traffic lights, the "
        "weather and the light, landmarks, and everything that matters for driving safely. Tell it in the "
        "order in which it happens, and mention only what the frames show."
    ),
    "av-surveillance": (
        "This video was recorded by a fixed surveillance camera. Describe the place and what the camera "
        "overlooks, every person and vehicle with what sets it apart, how each moves, how they meet or "
        "avoid each other, and anything unusual or unsafe. Tell it in the order in which it happens, and "
        "mention only what the frames show."
    ),
}

ENHANCEMENT_PROMPTS: dict[PromptVariant, str] = {
    "default": (
        "You improve captions of videos. Rewrite the caption you are given so that it is clearer, richer in "
        "its wording and somewhat longer. Keep every fact, order events as they are told, add nothing that "
        "the caption does not support, and answer with the new caption only."
    ),
    "av": (
        "You improve captions of videos that a car's camera recorded. Rewrite the caption you are given so "
        "that the movement of the car, of other road users, the road, its signs and the visibility are each "
        "said clearly. Keep every fact, add nothing that the caption does not support, close with one "
        "sentence on what matters most for driving safely, and answer with the new caption only."
    ),
    "av-surveillance": (
        "You improve captions of videos that a car's or a surveillance camera recorded. Rewrite the caption "
        "you are given so that persons, vehicles, their movements and their encounters are each said "
        "clearly. Keep every fact, add nothing that the caption does not support, close with a summary of "
        "one sentence, and answer with the new caption only."
    ),
}

REFINEMENT = (
    "Here is a first caption of this video. Compare it with the frames, correct what is wrong, add what is "
    "missing, and answer with the refined caption only."
)

_ONE_WORD = "Answer with one word, yes or no."
_YES_OR_NO = re.compile(r"\W*(yes|no)\b(?!\s+(?:and|or)\b)", re.IGNORECASE)
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_REFUSAL = re.compile(
    r"[\s*_>\"'\u201c]*(?:(?:i['\u2019]m|i am) (?:very |really )?(?:sorry|afraid|unable|not able)\b"
    r"|(?:sorry|unfortunately|my apologies|i apologi[sz]e)\b[^.]{0,40}\bi (?:can|am|['\u2019]m|will|won)"
    r"|i (?:can['\u2019]t|cannot|can not|won['\u2019]t|will not|am not going to) (?:help|assist|comply|"
    r"fulfil|provide|describe|caption|identify|discuss|answer|write|create|generate|continue|process|analy[sz]e)"
    r"|i (?:must|have to) (?:respectfully )?decline\b|i (?:do not|don['\u2019]t) feel comfortable\b"
    r"|as an ai\b|(?:\u5f88)?\u62b1\u6b49|\u5bf9\u4e0d\u8d77)",
    re.IGNORECASE,
)
"""How a model begins that declines, the last two in Chinese: captions do not speak of an I."""
_REFUSAL_CHARACTERS = 400
"""A longer text that begins so goes on to describe something."""


def is_refusal(text: str) -> bool:
    """Returns True for a short text in which a model declines instead of describing anything."""
    return len(text) <= _REFUSAL_CHARACTERS and _REFUSAL.match(text) is not None


def refinement_prompt(request: str, first_caption: str) -> str:
    """The whole second question about a window."""
    return f"{request}\n\n{first_caption}"


def question_prompt(question: str) -> str:
    """How a yes or no question is asked."""
    return f"{question.strip()} {_ONE_WORD}"


def answer_of(question: str, text: str) -> Answer:
    """What a model's words mean: yes or no where they begin with it and do not say both, else None."""
    found = _YES_OR_NO.match(text)
    said = {word.lower() for word in re.findall(r"\b(?:yes|no)\b", text, re.IGNORECASE)}
    is_clear = found is not None and len(said) == 1
    return Answer(question, found.group(1).lower() if found and is_clear else None, text)


def without_thoughts(text: str) -> str:
    """What a model says after it thought aloud; nothing when its thoughts have no end."""
    spoken = _THOUGHTS.sub("", text)
    return "" if "<think>" in spoken else spoken.strip()


def prompt_digest(*prompts: str | None) -> str:
    """Name of what was asked, for the tables."""
    return identity.bytes_digest("\x00".join(prompt or "" for prompt in prompts).encode())[:16]
