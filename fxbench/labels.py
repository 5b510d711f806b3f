"""The eight emotions of FER+, in its order, and common other spellings of them."""

from __future__ import annotations

from collections.abc import Sequence

from fxbench.errors import UsageError

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

NO_COUNTERPART = "none"
"""How people write an output that means none of the eight."""

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


def parse_labels(names: Sequence[str], where: str) -> tuple[str | None, ...]:
    """What the outputs of a model mean.

    Args:
        names: emotions in any spelling that :func:`canonical` knows; `none` or `-`
            for an output without counterpart.
        where: what was given, for the message.

    Raises:
        UsageError: a name is no emotion, or none of them is.
    """
    named = {name: canonical(name) for name in names}
    unknown = [
        name
        for name, emotion in named.items()
        if emotion is None and name.strip().lower() not in (NO_COUNTERPART, "-")
    ]
    if unknown:
        raise UsageError(
            f"{where} names {', '.join(map(repr, unknown))}, which is no emotion: expected are "
            f"{', '.join(EMOTIONS)}, or {NO_COUNTERPART} for an output without counterpart."
        )
    labels = tuple(named[name] for name in names)
    if not any(labels):
        raise UsageError(f"{where} names no emotion: expected are some of {', '.join(EMOTIONS)}.")
    return labels


def column_of(labels: Sequence[str | None], emotion: str) -> int:
    """The first output that means an emotion, or -1 where none does."""
    return labels.index(emotion) if emotion in labels else -1
