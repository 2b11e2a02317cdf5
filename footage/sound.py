"""Sound for drawn films: a bed of tones, and beeps that fall on pictures."""

from collections.abc import Sequence

import numpy as np

SAMPLE_RATE_HZ = 48_000
BEEP_HZ = 1_000.0
BEEP_S = 0.08
BED_LEVEL, BEEP_LEVEL = 0.06, 0.7


def sound_bed(duration_s: float, *, seed: int) -> np.ndarray:
    """A quiet chord that swells and fades, int16 ``(samples,)`` at 48 kHz; another seed is another chord."""
    rng = np.random.default_rng([seed, 3])
    seconds = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    wave = np.zeros(len(seconds))
    for hertz in rng.uniform(110, 440, 3):
        wave += np.sin(2 * np.pi * hertz * seconds) * (0.6 + 0.4 * np.sin(seconds * rng.uniform(0.5, 2)))
    return _samples(BED_LEVEL * wave / 3)


def add_beeps(sound: np.ndarray, at_s: Sequence[float]) -> np.ndarray:
    """A copy of ``sound`` with a short beep from each of the times on."""
    length = round(BEEP_S * SAMPLE_RATE_HZ)
    beep = _samples(BEEP_LEVEL * np.sin(2 * np.pi * BEEP_HZ * np.arange(length) / SAMPLE_RATE_HZ))
    mixed = sound.astype(np.int32)
    for time_s in at_s:
        first = round(time_s * SAMPLE_RATE_HZ)
        mixed[first : first + length] += beep[: max(0, len(mixed) - first)]
    return np.clip(mixed, -32768, 32767).astype(np.int16)


def _samples(wave: np.ndarray) -> np.ndarray:
    return (wave * 32767).astype(np.int16)
