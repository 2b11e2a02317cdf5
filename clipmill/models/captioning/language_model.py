"""What turns texts into texts: what is asked, and who answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from clipmill.models.captioning.base import Caption


@dataclass(frozen=True)
class TextRequest:
    """One window's text, and in ``system`` what is to be made of it."""

    window_id: str
    system: str
    text: str


class LanguageModel(Protocol):
    """Works over texts."""

    @property
    def model(self) -> str:
        """Who it is: a hub id, a folder's name, or the name an endpoint knows it by."""
        ...

    @property
    def revision(self) -> str:
        """Which weights; empty where nobody says."""
        ...

    def complete(self, requests: Iterable[TextRequest]) -> Iterator[Caption]:
        """Answer each request exactly once, as ``Captioner.caption`` does."""
        ...

    def close(self) -> None:
        """Let go of the model; nothing can be asked afterwards."""
        ...
