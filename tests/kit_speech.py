"""A transcriber and a text emotion that conform."""

from __future__ import annotations

import numpy as np

from fxbench.speech import Word

RATE = 16_000


class Hears:
    """A word in each loud stretch of tenths of a second."""

    def transcribe(self, samples):
        return self.words(samples)

    def words(self, samples):
        return tuple(
            Word(f"w{last - first}", first / 10, last / 10, 0.5)
            for first, last in self.stretches(samples)
        )

    def stretches(self, samples):
        tenth = RATE // 10
        windows = samples[: len(samples) // tenth * tenth].reshape(-1, tenth)
        loud = np.abs(windows).max(axis=1, initial=0.0) > 0.02
        edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(np.int8), [0]))))
        return edges.reshape(-1, 2).tolist()


class Reads:
    """Counts letters."""

    labels = ("happiness", "sadness", None)

    def read(self, texts):
        return self.shares(texts)

    def shares(self, texts):
        rows = np.full((len(texts), 3), np.nan, np.float32)
        for row, text in zip(rows, texts, strict=True):
            counts = self.counts(text)
            if any(counts):
                row[:] = np.array(counts) / sum(counts)
        return rows

    def counts(self, text):
        return ["".join(text).count(letter) for letter in "aeo"]
