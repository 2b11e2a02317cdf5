"""Where objects with ``process(task)`` stand in a run, and when they run again."""

import re
from collections.abc import Iterable, Sequence

from clipmill import identity
from clipmill.errors import SpecError
from clipmill.planning.nodes import Placed
from clipmill.stages.process_stage import ProcessStage, is_process
from clipmill.stages.processing_stage import ProcessingStage
from clipmill.stages.roles import EncoderStage
from clipmill.stages.spec import say_ignored

_NOT_IN_A_KEY = re.compile(r"[^\w.-]+")


def placed_process(stage: object, *, key: str = "", after: str = "") -> Placed:
    """Returns the stage around an object with ``process(task)``; its key is its name, or its class's.

    SpecError for an object without a name or ``process``.
    """
    if not is_process(stage):
        raise SpecError(f"{type(stage).__name__} is no stage: it needs a name and process(task)")
    if isinstance(stage, ProcessingStage) and stage.runtime_env:
        say_ignored(type(stage).__name__, "runtime_env")
    name = type(stage).__name__ if stage.name == ProcessingStage.name else stage.name
    return Placed(ProcessStage(wrapped=stage), key or key_of(name), after)


def key_of(name: str) -> str:
    """Returns the key of an object: its name, with underscores for characters that no path may have.

    SpecError for a name without letters and digits.
    """
    key = _NOT_IN_A_KEY.sub("_", name).strip("._")
    if not key:
        raise SpecError(f"a stage has the name {name!r}: give it one of letters and digits")
    return key


def encoder_before(placed: Sequence[Placed], index: int) -> frozenset[str]:
    """Returns the key of the encoder that a ``process(task)`` stage was added behind: it sees files."""
    if not isinstance(placed[index].stage, ProcessStage) or placed[index].after:
        return frozenset()
    return frozenset(one.name for one in placed[:index] if isinstance(one.stage, EncoderStage))


def clips_digest(clip_ids: Iterable[str]) -> str:
    """Returns the digest of a set of clips, for a stage that judges a video as a whole."""
    return identity.bytes_digest("\n".join(sorted(clip_ids)).encode())[:32]
