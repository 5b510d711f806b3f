"""A drawn voice: sound that a speech recogniser takes for speech, though it says nothing."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from fxbench.speech.words import RATE
from fxbench.types import Float32

_VOWELS = (
    (270, 2290, 3010),
    (390, 1990, 2550),
    (660, 1720, 2410),
    (730, 1090, 2440),
    (570, 840, 2410),
    (300, 870, 2240),
)
"""The first three formants of men's vowels, Hz: Peterson and Barney, Control methods used in a
study of the vowels, JASA 24(2), 1952."""

_WIDTHS = (60.0, 90.0, 120.0)
_SYLLABLE_S = 0.22


def voice(seconds: float = 4.0, *, seed: int = 0, loudness: float = 0.3) -> Float32:
    """Pulses of a voice through the formants of changing vowels, with hisses and pauses between.

    Args:
        seconds: how long.
        seed: another one babbles otherwise.
        loudness: of the loudest sample, 0 to 1; 0 is silence.

    Returns:
        float32 (N,), from -1 to 1, 16,000 a second.
    """
    length = round(seconds * RATE)
    if not length or not loudness:
        return np.zeros(length, np.float32)
    random = np.random.default_rng(seed)
    pieces: list[np.ndarray] = []
    held = 0
    while held < length:
        piece = _syllable(random)
        if random.random() < 0.15:
            piece = np.concatenate((piece, np.zeros(RATE // 2)))
        pieces.append(piece)
        held += len(piece)
    sound = np.concatenate(pieces)[:length]
    sound += 1e-3 * np.abs(sound).max() * random.standard_normal(length)
    scaled: Float32 = (sound * (loudness / np.abs(sound).max())).astype(np.float32)
    return scaled


def _syllable(random: np.random.Generator) -> np.ndarray:
    """A hiss and a vowel, float64."""
    hiss = random.standard_normal(int(random.uniform(0.03, 0.08) * RATE))
    hiss = np.diff(hiss, prepend=0.0) * 0.05
    length = int(random.uniform(0.7, 1.4) * _SYLLABLE_S * RATE)
    pitch = np.linspace(random.uniform(100, 140), random.uniform(90, 120), length)
    vowel = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0)
    for formant, width in zip(_VOWELS[random.integers(len(_VOWELS))], _WIDTHS, strict=True):
        radius = np.exp(-np.pi * width / RATE)
        turn = 2 * radius * np.cos(2 * np.pi * formant / RATE)
        vowel = lfilter([1 - turn + radius**2], [1.0, -turn, radius**2], vowel)
    vowel *= np.hanning(length) ** 0.5 / np.abs(vowel).max()
    return np.concatenate((hiss, vowel))
