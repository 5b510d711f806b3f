"""The NRC word-emotion association lexicon.

Mohammad and Turney, Crowdsourcing a word-emotion association lexicon, Computational Intelligence
29(3), 2013.
"""

from __future__ import annotations

import numpy as np
from nrclex import NRCLex

from fxbench.types import Float32

OUTPUTS: dict[str, str | None] = {
    "joy": "happiness",
    "surprise": "surprise",
    "sadness": "sadness",
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "anticipation": None,
    "trust": None,
}
"""The lexicon's eight emotions, and ours. Its `positive` and `negative` are no emotions: nearly
every word of an emotion has one of them too."""


class Lexicon:
    """See :class:`fxbench.protocols.TextEmotion`.

    Each word that the lexicon knows counts once for each emotion that it is associated with, and
    the row is the share of each in all that was counted.
    """

    labels: tuple[str | None, ...] = tuple(OUTPUTS.values())

    def __init__(self) -> None:
        self._lexicon = NRCLex()

    def read(self, texts: tuple[tuple[str, ...], ...]) -> Float32:
        """What each text expresses; see :class:`fxbench.protocols.TextEmotion`."""
        shares = np.full((len(texts), len(OUTPUTS)), np.nan, np.float32)
        for row, tokens in enumerate(texts):
            # Its `load_raw_text` would part a text by itself, with corpora that it downloads.
            self._lexicon.load_token_list(tokens)
            found = self._lexicon.raw_emotion_scores
            counts = np.array([found.get(name, 0) for name in OUTPUTS], np.float64)
            if counts.any():
                shares[row] = counts / counts.sum()
        return shares
