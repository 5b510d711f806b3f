"""Classifiers and attacks that each break one rule of the conformance kit."""

from __future__ import annotations

import itertools

import numpy as np
from kit_components import BLACK_BOX, PIXELS, Guess, Linear, Step

WRONG = []
"""Kind, class, fields of its Component, the rules that must fail, a word of the report."""


def wrong(kind, *rules, says, **fields):
    """A decorator that puts a class into the table."""

    def register(made):
        WRONG.append((kind, made, fields, set(rules), says))
        return made

    return register


PLAIN = frozenset()


@wrong("classifier", "labels", says="'joy'")
class UnknownLabel(Linear):
    labels = ("joy", *Linear.labels[1:])


@wrong("classifier", "labels", says="tuple")
class LabelsInAList(Linear):
    labels = list(Linear.labels)  # noqa: RUF012 - what is wrong with it


@wrong("classifier", "labels", says="only None")
class NoLabel(Linear):
    labels = (None,) * 8


@wrong("classifier", "face", says="FaceSpec")
class FaceIsASize(Linear):
    face = (6, 6)


@wrong("classifier", "probabilities", "empty-batch", says="float64")
class DoublePrecision(Linear):
    def predict(self, faces):
        return self.forward(faces / 255)


@wrong("classifier", "probabilities", "empty-batch", says="(8, 8)")
class OneOutputTooFew(Linear):
    def predict(self, faces):
        return super().predict(faces)[:, :7]


@wrong("classifier", "probabilities", says="sums to")
class Logits(Linear):
    def predict(self, faces):
        return np.exp(super().predict(faces)).astype(np.float32)


@wrong("classifier", "probabilities", says="negative")
class Negative(Linear):
    def predict(self, faces):
        answer = super().predict(faces)
        answer[:, 0] -= 1
        answer[:, 1] += 1
        return answer


@wrong("classifier", "probabilities", says="a black face", traits=PLAIN)
class DividesByTheDeviation(Linear):
    def predict(self, faces):
        with np.errstate(invalid="ignore"):
            faces = faces / faces.std(axis=(1, 2, 3), keepdims=True)
        return self.forward(faces).astype(np.float32)


@wrong("classifier", "probabilities", says="(1, 8)")
class SqueezesOneFace(Linear):
    def predict(self, faces):
        return super().predict(faces).squeeze()


@wrong("classifier", "empty-batch", says="cannot reshape")
class GuessesTheShape(Linear):
    def predict(self, faces):
        return super().predict(faces.reshape(len(faces), -1))


@wrong("classifier", "inputs-kept", says="of the faces")
class WritesToItsInput(Linear):
    def predict(self, faces):
        answer = super().predict(faces)
        faces //= 2
        return answer


@wrong("classifier", "inputs-kept", says="read-only")
class WantsToWrite(Linear):
    def predict(self, faces):
        faces += 0
        return super().predict(faces)


@wrong("classifier", "deterministic", says="A second call")
class Noisy(Linear):
    random = np.random.default_rng(1)

    def predict(self, faces):
        answer = super().predict(faces) + self.random.uniform(0, 0.01, (len(faces), 8))
        return (answer / answer.sum(axis=1, keepdims=True)).astype(np.float32)


@wrong("classifier", "answer-kept", says="earlier answer")
class ReusesABuffer(Linear):
    buffer = np.zeros((64, 8), np.float32)

    def predict(self, faces):
        answer = self.buffer[: len(faces)]
        answer[:] = super().predict(faces)
        return answer


@wrong("classifier", "batch-independent", says="Each face alone", traits=PLAIN)
class BatchNormInTraining(Linear):
    def predict(self, faces):
        pixels = faces / 255
        if len(faces):
            pixels -= pixels.mean(axis=0)
        return self.forward(pixels).astype(np.float32)


@wrong("classifier", "reproducible", says="A second object")
class UnseededWeights(Linear):
    seeds = itertools.count()

    def __init__(self):
        self.weights = np.random.default_rng(next(self.seeds)).normal(size=(PIXELS, 8)) / 5


@wrong("classifier", "gradient", "empty-batch", says="float64")
class GradientInDoublePrecision(Linear):
    def gradient(self, faces, targets):
        return super().gradient(faces, targets).astype(np.float64)


@wrong("classifier", "gradient", says="not finite")
class GradientOverflows(Linear):
    def gradient(self, faces, targets):
        return super().gradient(faces, targets) * np.float32(np.inf)


@wrong("classifier", "gradient", says="of the targets")
class GradientWritesToTargets(Linear):
    def gradient(self, faces, targets):
        answer = super().gradient(faces, targets)
        targets *= 0
        return answer


class TraitWithoutMethod:
    def __init__(self):
        self.inner = Linear()
        self.labels, self.face, self.predict = Linear.labels, Linear.face, self.inner.predict


wrong("classifier", "gradient", says="no method gradient")(TraitWithoutMethod)


@wrong("classifier", "finite-differences", says="relative error")
class GradientDownhill(Linear):
    def gradient(self, faces, targets):
        return -super().gradient(faces, targets)


@wrong("classifier", "finite-differences", says="relative error")
class GradientPerGreyLevel(Linear):
    def gradient(self, faces, targets):
        return super().gradient(faces, targets) / np.float32(255)


@wrong("classifier", "finite-differences", says="relative error")
class GradientInBgr(Linear):
    def gradient(self, faces, targets):
        return super().gradient(faces, targets)[..., ::-1]


@wrong("classifier", "finite-differences", "gradient-batch-independent", says="Each face alone")
class GradientOfTheMean(Linear):
    def gradient(self, faces, targets):
        return super().gradient(faces, targets) / np.float32(max(len(faces), 1))


@wrong("attack", "norm", says="'l1'")
class OtherNorm(Step):
    norm = "l1"


@wrong("attack", "declared", says="none", traits=PLAIN)
class NeitherFixedNorMinimum(Step):
    pass


@wrong("attack", "declared", says="'fixed' only", traits=frozenset({"minimum", "iterative"}))
class SmallestChangeOfEachEpsilon(Step):
    pass


@wrong("attack", "declared", says="how often", traits=frozenset({"fixed", "black-box"}))
class AsksWithoutSayingHowOften(Step):
    pass


@wrong("attack", "declared", says="no other attack")
class TakesGradientsAndAsks(Step):
    queries = 50


@wrong("attack", "declared", says="from 1 on, not 0")
class OnNoFace(Step):
    faces = 0


@wrong("attack", "declared", says="tuple of other attacks, not 'fgsm'", no_weaker_than="fgsm")
class OtherAttacksAsAWord(Step):
    pass


@wrong("attack", "faces", says="It uses model.gradient", traits=BLACK_BOX)
class GradientsOfABlackBox(Step):
    queries = 50


@wrong("attack", "queries-spent", says="no more questions", traits=BLACK_BOX)
class OwnErrorWhereQueriesAreSpent(Guess):
    def change(self, model, *arguments):
        if model.left < self.queries:
            raise RuntimeError("no more questions")
        return super().change(model, *arguments)


@wrong("attack", "effort", says="1 gradients for a face, and takes 2")
class TwiceTheGradients(Step):
    gradients = 1

    def change(self, model, faces, targets, epsilon, seeds):
        model.gradient(faces, targets)
        return super().change(model, faces, targets, epsilon, seeds)


@wrong("attack", "minimum", says="None of 8 faces is misread", traits=frozenset({"minimum"}))
class SmallestChangeOfAll(Step):
    def change(self, *arguments):
        return 0 * super().change(*arguments)


@wrong("attack", "targeted", says="rises from")
class AwayFromTheTarget(Step):
    def change(self, model, faces, targets, epsilon, seeds):
        change = super().change(model, faces, targets, epsilon, seeds)
        return -change if model.targeted else change


@wrong("attack", "faces", "empty-batch", says="float64")
class DoubleFaces(Step):
    def perturb(self, model, faces, targets, *, epsilon, seeds):
        return faces + self.change(model, faces, targets, epsilon, seeds).astype(np.float64)


@wrong("attack", "faces", says="not finite")
class Normalised(Step):
    def change(self, *arguments):
        with np.errstate(invalid="ignore"):
            return super().change(*arguments) * np.float32(0) / np.float32(0)


@wrong("attack", "budget", says="With epsilon 2/255 a face changes by")
class TwiceItsBudget(Step):
    def change(self, *arguments):
        return 2 * super().change(*arguments)


@wrong("attack", "budget", says="(l2)")
class LengthForRootMeanSquare(Step):
    norm = "l2"

    def change(self, model, faces, targets, epsilon, seeds):
        slope = model.gradient(faces, targets)
        return epsilon * slope / np.sqrt(np.square(slope).mean(axis=(1, 2, 3), keepdims=True)) * 2


@wrong("attack", "zero-budget", says="With epsilon 0")
class StartsBesideTheFace(Step):
    def change(self, model, faces, targets, epsilon, seeds):
        return super().change(model, faces, targets, max(epsilon, 0.001), seeds)


@wrong("attack", "empty-batch", says="It raised")
class NeedsAFace(Step):
    def lengths(self, seeds):
        return np.stack([np.random.default_rng(seed).random((1, 1, 1)) for seed in seeds])


@wrong("attack", "inputs-kept", says="of the faces")
class AttacksInPlace(Step):
    def perturb(self, model, faces, targets, *, epsilon, seeds):
        faces += super().change(model, faces, targets, epsilon, seeds).astype(np.float32)
        return faces


@wrong("attack", "deterministic", says="A second call with the same seeds")
class IgnoresItsSeeds(Step):
    random = np.random.default_rng(2)

    def lengths(self, seeds):
        return self.random.uniform(0.5, 1, (len(seeds), 1, 1, 1))


@wrong("attack", "batch-independent", says="Each face alone")
class OneSeedForAll(Step):
    def lengths(self, seeds):
        random = np.random.default_rng(seeds[0] if len(seeds) else 0)
        return random.uniform(0.5, 1, (len(seeds), 1, 1, 1))


@wrong("attack", "reproducible", says="A second object")
class SeedsFromTheObject(Step):
    objects = itertools.count()

    def __init__(self):
        self.extra = next(self.objects)

    def lengths(self, seeds):
        return super().lengths(seeds + self.extra)
