"""The content detector's cuts, where a network decides about those in doubt."""

from itertools import pairwise

import numpy as np
import pytest

from clipmill.models.shots.verified import VerifiedCutFinder
from clipmill.records import Cuts
from clipmill.shots.changes import compare, looks_of
from clipmill.shots.content import all_cuts, find_cuts
from clipmill.shots.hard_cuts.hard import cut_probabilities
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage

CONTENT = ContentClipExtractionStage().detector_options()


class Says:
    """A network that gives every frame one probability."""

    batch_windows = 1

    def __init__(self, probability: float) -> None:
        self.probability, self.num_asked = probability, 0

    def predict(self, windows: np.ndarray) -> np.ndarray:
        self.num_asked += len(windows)
        return np.full(windows.shape[:2], self.probability, np.float32)


def finder_by(network: Says) -> VerifiedCutFinder:
    return VerifiedCutFinder(network, content=CONTENT, accept=0.4)


def film_of(share: float) -> np.ndarray:
    """A picture whose cells change at frame 60 by a share of their difference to another, with some noise."""
    rng = np.random.default_rng(4)
    one, other = rng.integers(0, 255, (2, 9, 16, 3)).repeat(3, axis=1).repeat(3, axis=2)
    later = one + share * (other - one)
    film = np.stack([one if frame < 60 else later for frame in range(120)]) + rng.normal(
        0, 6, (120, 27, 48, 3)
    )
    return np.clip(film, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("bounds", "alone", "by_answer"),
    [
        ((0.05, 0.5), (), {0.0: (), 0.3: (), 0.5: (60,)}),
        ((0.5, 0.95), (60,), {0.0: (), 0.01: (60,), 0.9: (60,)}),
        ((0.97, 1.1), (60,), {0.0: (60,)}),
    ],
    ids=["doubtful", "probable", "sure"],
)
def test_the_network_decides_about_cuts_in_doubt(
    bounds: tuple[float, float], alone: tuple[int, ...], by_answer: dict[float, tuple[int, ...]]
) -> None:
    times_s = np.arange(120) / 25
    films = (film_of(share) for share in np.geomspace(0.02, 1, 80))
    film = next(
        film
        for film in films
        if bounds[0] < cut_probabilities(compare(looks_of(film, times_s)))[60] <= bounds[1]
    )
    assert find_cuts(film, CONTENT, times_s).hard == alone
    for answer, expected in by_answer.items():
        network = Says(answer)
        assert all_cuts(finder_by(network), film, times_s).hard == expected
        assert network.num_asked == (0 if bounds[0] > 0.95 else 1)


class Brightness(Says):
    """A network whose answer for a window depends on all of its frames."""

    def predict(self, windows: np.ndarray) -> np.ndarray:
        level = windows.mean(axis=(1, 2, 3, 4)) % 1
        return np.repeat(level[:, None], windows.shape[1], axis=1).astype(np.float32)


def long_film() -> np.ndarray:
    """Forty shots, many of which differ by little."""
    rng = np.random.default_rng(7)
    parts = [film_of(share)[40:100] for share in rng.uniform(0.03, 0.4, 20)]
    return np.concatenate([np.roll(part, 5 * number, axis=2) for number, part in enumerate(parts)])


@pytest.mark.parametrize("piece", [1, 37, 600])
def test_pieces_do_not_show_and_final_means_final(piece: int) -> None:
    film = long_film()
    times_s = np.arange(len(film)) / 25
    finder = finder_by(Brightness(0))
    hard: list[int] = []
    gradual: list[tuple[int, int]] = []
    edges = [*range(0, len(film), piece), len(film)]
    for start, end in pairwise(edges):
        before = finder.num_final
        found = finder.feed(film[start:end], times_s[start:end])
        assert all(cut >= before for cut in found.hard)
        assert all(span.start_frame >= before for span in found.gradual)
        assert end - finder.num_final <= finder.latency_frames + 60
        hard += found.hard
        gradual += [(span.start_frame, span.end_frame) for span in found.gradual]
    last = finder.finish()
    hard += last.hard
    gradual += [(span.start_frame, span.end_frame) for span in last.gradual]
    whole: Cuts = all_cuts(finder_by(Brightness(0)), film, times_s)
    assert hard == list(whole.hard)
    assert gradual == [(span.start_frame, span.end_frame) for span in whole.gradual]
    plain = find_cuts(film, CONTENT, times_s)
    assert gradual == [(span.start_frame, span.end_frame) for span in plain.gradual]
    assert set(hard) != set(plain.hard)
