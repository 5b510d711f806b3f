"""The eight emotions of FER+, in its order, and common other spellings of them."""

from __future__ import annotations

EMOTIONS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""Barsoum et al., ICMI 2016: the columns of FER+ before `unknown` and `NF` (not a face)."""

_SPELLINGS = {
    "happy": "happiness",
    "joy": "happiness",
    "surprised": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "scared": "fear",
    "afraid": "fear",
}


def canonical(name: str) -> str | None:
    """The emotion that `name` spells, or None where it has no counterpart among the eight."""
    name = name.strip().lower()
    return name if name in EMOTIONS else _SPELLINGS.get(name)
