"""Corruptions that each break one rule of the conformance kit."""

from __future__ import annotations

import itertools

import numpy as np
from kit_components import Darker
from kit_wrong_models import wrong


@wrong("corruption", "form", says="float")
class NotRounded(Darker):
    def corrupt(self, image, severity, *, random, side, points):
        return image * self.light(severity, random)


@wrong("corruption", "form", says="but is uint8")
class CutsItsEdgesOff(Darker):
    def corrupt(self, image, severity, *, random, side, points):
        return super().corrupt(image, severity, random=random, side=side, points=points)[1:]


@wrong("corruption", "form", says="only three")
class KnowsThreeSeverities(Darker):
    def light(self, severity, random):
        if severity > 3:
            raise ValueError("only three")
        return super().light(severity, random)


@wrong("corruption", "ascending", says="must grow with each severity")
class WeakestAtFive(Darker):
    def light(self, severity, random):
        return super().light(6 - severity, random)


@wrong("corruption", "ascending", says="changes by 0, 0, 0, 0, 0 grey levels")
class DoesNothing(Darker):
    def light(self, severity, random):
        return 1.0


@wrong("corruption", "odd-sizes", says="no such row")
class LooksAtTheThirdRow(Darker):
    def corrupt(self, image, severity, *, random, side, points):
        if len(image) < 3:
            raise ValueError("no such row")
        return super().corrupt(image, severity, random=random, side=side, points=points)


@wrong("corruption", "inputs-kept", says="of a picture")
class InPlace(Darker):
    def corrupt(self, image, severity, *, random, side, points):
        image[:] = super().corrupt(image, severity, random=random, side=side, points=points)
        return image


@wrong("corruption", "no-points", says="'NoneType'")
class WantsPoints(Darker):
    def corrupt(self, image, severity, *, random, side, points):
        assert points.xy.shape[0] == 1
        return super().corrupt(image, severity, random=random, side=side, points=points)


@wrong("corruption", "deterministic", says="A second call")
class DrawsFromElsewhere(Darker):
    elsewhere = np.random.default_rng(8)

    def light(self, severity, random):
        return super().light(severity, self.elsewhere)


@wrong("corruption", "answer-kept", says="earlier answer")
class OneBuffer(Darker):
    buffers: dict = {}  # noqa: RUF012 - what is wrong with it

    def corrupt(self, image, severity, *, random, side, points):
        answer = super().corrupt(image, severity, random=random, side=side, points=points)
        buffer = self.buffers.setdefault((image.shape, int(image[0, 0, 0])), answer)
        first = self.buffers.setdefault(image.shape, answer) if severity == 3 else buffer
        first[:] = answer
        return answer if severity != 3 else first


@wrong("corruption", "independent", says="After other pictures")
class RemembersTheSeverityBefore(Darker):
    def __init__(self):
        self.before, self.now = 0, 0

    def light(self, severity, random):
        if severity != self.now:
            self.before, self.now = self.now, severity
        light = super().light(severity, random)
        return light / 2 if self.before == 1 and severity == 4 else light


@wrong("corruption", "reproducible", says="A second object")
class Unseeded(Darker):
    seeds = itertools.count()

    def __init__(self):
        self.own = np.random.default_rng(next(self.seeds)).uniform(0.9, 1)

    def light(self, severity, random):
        return super().light(severity, random) * self.own
