"""Transcribers and text emotions that each break one rule of the conformance kit."""

from __future__ import annotations

import itertools

import numpy as np
from kit_speech import RATE, Hears, Reads
from kit_wrong_models import wrong

from fxbench.speech import Word


@wrong("transcriber", "words", says="not list")
class ListOfWords(Hears):
    def transcribe(self, samples):
        return list(self.words(samples))


@wrong("transcriber", "words", says="in the order of their beginnings")
class LastWordFirst(Hears):
    def transcribe(self, samples):
        return self.words(samples)[::-1]


@wrong("transcriber", "words", says="in a sound of 4.00 s")
class Milliseconds(Hears):
    def transcribe(self, samples):
        return tuple(Word(w.text, w.begin_s * 1000, w.end_s * 1000) for w in self.words(samples))


@wrong("transcriber", "silence", says="no voice in it (at ")
class NeedsAVoice(Hears):
    def transcribe(self, samples):
        if len(samples) > RATE and not samples.any():
            raise ValueError("no voice in it")
        return self.words(samples)


@wrong("transcriber", "short", says="zero-size array")
class ReadsTheLoudestSample(Hears):
    def transcribe(self, samples):
        samples.max()
        return self.words(samples)


@wrong("transcriber", "loud", says="clipped (at ")
class RefusesClipping(Hears):
    def transcribe(self, samples):
        if len(samples) and np.abs(samples).max() >= 1:
            raise ValueError("clipped")
        return self.words(samples)


@wrong("transcriber", "times", says="times must be seconds from the first sample")
class CountsFromTheFirstWord(Hears):
    def words(self, samples):
        found = super().words(samples)
        first = found[0].begin_s if found else 0.0
        return tuple(word.later(-first) for word in found)


@wrong("transcriber", "inputs-kept", says="of the sound")
class MakesItLouder(Hears):
    def transcribe(self, samples):
        found = self.words(samples)
        samples *= 0.5
        return found


@wrong("transcriber", "deterministic", says="A second call")
class RandomProbabilities(Hears):
    random = np.random.default_rng(3)

    def transcribe(self, samples):
        return tuple(
            Word(word.text, word.begin_s, word.end_s, self.random.uniform())
            for word in self.words(samples)
        )


@wrong("transcriber", "independent", "reproducible", says="After another sound")
class Adapts(Hears):
    def __init__(self):
        self.before = (0, 0)

    def transcribe(self, samples):
        # What it heard before, unless it was the same.
        loudest = float(np.abs(samples).max(initial=0.0))
        if loudest != self.before[1]:
            self.before = (self.before[1], loudest)
        prefix = f"after{self.before[0]:g}"
        return tuple(Word(prefix, word.begin_s, word.end_s) for word in super().transcribe(samples))


@wrong("transcriber", "reproducible", says="A second object")
class NumbersItself(Hears):
    numbers = itertools.count()

    def __init__(self):
        self.number = next(self.numbers)

    def transcribe(self, samples):
        return tuple(
            Word(f"by{self.number}", word.begin_s, word.end_s) for word in self.words(samples)
        )


@wrong("text-emotion", "labels", says="'joy'")
class UnknownEmotion(Reads):
    labels = ("joy", "sadness", None)


@wrong("text-emotion", "shares", says="float64")
class DoubleShares(Reads):
    def read(self, texts):
        return self.shares(texts).astype(np.float64)


@wrong("text-emotion", "shares", says="sum to 1")
class Counts(Reads):
    def read(self, texts):
        return np.array([self.counts(t) for t in texts], np.float32).reshape(-1, 3)


@wrong("text-emotion", "shares", says="each row is NaN")
class KnowsNothing(Reads):
    def read(self, texts):
        return np.full((len(texts), 3), np.nan, np.float32)


@wrong("text-emotion", "no-text", says="need at least one array")
class StacksTexts(Reads):
    def read(self, texts):
        return np.concatenate([self.shares((text,)) for text in texts])


@wrong("text-emotion", "no-word", says="a row of NaN is expected")
class NothingIsSad(Reads):
    def read(self, texts):
        shares = self.shares(texts)
        shares[[not text for text in texts]] = (0, 1, 0)
        return shares


@wrong("text-emotion", "odd-words", says="no such letter (at ")
class AsciiOnly(Reads):
    def read(self, texts):
        if not all(word.isascii() for text in texts for word in text):
            raise ValueError("no such letter")
        return self.shares(texts)


@wrong("text-emotion", "deterministic", says="A second call")
class Moody(Reads):
    random = np.random.default_rng(3)

    def shares(self, texts):
        rows = np.full((len(texts), 3), np.nan, np.float32)
        for row, text in zip(rows, texts, strict=True):
            if text:
                row[:] = self.random.dirichlet(np.ones(3))
        return rows


@wrong("text-emotion", "alone", says="One text at a time")
class Compares(Reads):
    def read(self, texts):
        shares = self.shares(texts)
        return shares if len(texts) < 2 else np.roll(shares, 1, axis=1)


@wrong("text-emotion", "answer-kept", says="an earlier answer")
class ReusesItsRows(Reads):
    buffer = np.zeros((99, 3), np.float32)

    def read(self, texts):
        rows = self.buffer[: len(texts)]
        rows[:] = self.shares(texts)
        return rows


@wrong("text-emotion", "reproducible", says="A second object")
class EachToItsOwn(Reads):
    numbers = itertools.count()

    def __init__(self):
        self.turn = next(self.numbers) % 3

    def read(self, texts):
        return np.roll(self.shares(texts), self.turn, axis=1)
