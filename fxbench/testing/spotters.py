"""Rules for spotters."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fxbench.clips import Interval, Part, Track
from fxbench.testing.films import PART, SIDE, Film, film
from fxbench.testing.rules import Refused, Rule, Trial, unchanged

RATES = (15.0, 60.0, 200.0)
"""Frames per second."""

FIRST = 100
"""The number of a clip's first frame, where those before are left out."""

LOOPS = 4
"""So often the drawn clip is handed over, one after the other, to see what is kept of it."""

KEPT = 0.05
"""How much may be kept of each frame, as a fraction of its picture's bytes."""

TOLERANCE = 1e-4
"""By how much scores may differ, as a fraction of them."""


def _spot(trial: Trial, seen: Film, size: int = PART, spotter: Any = None) -> tuple[Interval, ...]:
    """What it spots, checked."""
    made = trial.made if spotter is None else spotter
    given = seen.copy(writeable=True)
    return _checked(made.spot(given.track(trial.component.traits, size)), seen)


def _checked(answer: Any, seen: Film) -> tuple[Interval, ...]:
    if not isinstance(answer, tuple):
        raise Refused(f"spot must return a tuple of Interval, not {type(answer).__name__}.")
    for one in answer:
        if not isinstance(one, Interval):
            raise Refused(f"spot must return a tuple of Interval, not of {type(one).__name__}.")
    onsets = [one.onset for one in answer]
    if onsets != sorted(onsets):
        raise Refused(f"The onsets are {onsets}: they must be in order.")
    if answer and not len(seen.frame):
        raise Refused(f"It spotted {len(answer)} expressions in no frame.")
    for one in answer:
        low, high = int(seen.frame[0]), int(seen.frame[-1])
        if one.onset < low or one.offset > high:
            raise Refused(
                f"It spotted an expression from frame {one.onset} to {one.offset}, but the frames "
                f"that it was given go from {low} to {high}."
            )
    return answer


def _same(what: str, got: tuple[Interval, ...], expected: tuple[Interval, ...]) -> None:
    frames = [[replace(one, score=1.0) for one in each] for each in (got, expected)]
    if frames[0] != frames[1]:
        listed = [", ".join(map(_short, each)) or "nothing" for each in (got, expected)]
        raise Refused(f"{what}: {listed[0]} instead of {listed[1]}.")
    scores = [np.array([one.score for one in each]) for each in (got, expected)]
    if not np.allclose(scores[0], scores[1], rtol=TOLERANCE, atol=TOLERANCE):
        raise Refused(f"{what}: the scores are {scores[0]} instead of {scores[1]}.")


def _short(one: Interval) -> str:
    apex = "" if one.apex is None else f" (apex {one.apex})"
    return f"{one.kind} {one.onset}-{one.offset}{apex}"


def _intervals(trial: Trial) -> str:
    found = _spot(trial, film())
    return f"{', '.join(map(_short, found)) or 'nothing'} in {len(film().frame)} frames"


def _frame_rates(trial: Trial) -> None:
    for rate in RATES:
        _spot(trial, film(1.2, rate))


def _frame_numbers(trial: Trial) -> None:
    # As of a cut clip of which a run takes fewer frames per second: unevenly, two of five.
    two = np.flatnonzero(np.arange(len(film().frame)) % 5 % 3 == 0)
    _spot(trial, film().take(two).later(FIRST))


def _lost_faces(trial: Trial) -> str:
    whole = film()
    for index in (slice(30, 40), slice(0, 20), slice(60, None), slice(1, None, 2)):
        _spot(trial, whole.lost(index))
    found = _spot(trial, whole.lost(slice(None)))
    return f"{len(found)} expressions where nobody is found"


def _short_clips(trial: Trial) -> None:
    for frames in (0, 1, 2):
        _spot(trial, film().take(np.arange(frames)))


def _odd_faces(trial: Trial) -> None:
    whole = film(1.0)
    middle = whole.xyxy.mean(axis=1, keepdims=True)
    speck = middle + np.array([-0.3, -0.3, 0.3, 0.3], np.float32)
    beyond = whole.xyxy - np.float32(70)
    for xyxy in (speck, beyond):
        # Points move and shrink with the face.
        low, side = whole.xyxy[:, None, :2], whole.xyxy[:, None, 2:] - whole.xyxy[:, None, :2]
        xy = xyxy[:, None, :2] + (whole.xy - low) / side * (xyxy[:, None, 2:] - xyxy[:, None, :2])
        _spot(trial, replace(whole, xyxy=xyxy.astype(np.float32), xy=xy.astype(np.float32)))
    pixel, scale = tuple(image[:1, :1] for image in whole.images), np.float32(1 / SIDE)
    _spot(trial, replace(whole, images=pixel, xyxy=whole.xyxy * scale, xy=whole.xy * scale))


def _inputs_kept(trial: Trial) -> None:
    seen = film()
    for writeable in (True, False):
        given = seen.copy(writeable=writeable)
        trial.made.spot(given.track(trial.component.traits))
        for before, after in zip(seen.images, given.images, strict=True):
            unchanged("a picture", before, after)
        for column, changed in zip(seen.columns, given.columns, strict=True):
            unchanged("what comes with the pictures", column, changed)


def _deterministic(trial: Trial) -> None:
    _same("A second call", _spot(trial, film()), _spot(trial, film()))


def _parts(trial: Trial) -> None:
    whole = film()
    expected = _spot(trial, whole)
    for size in (1, 7, len(whole.frame)):
        _same(f"{size} frames at a time", _spot(trial, whole, size), expected)


def _independent(trial: Trial) -> None:
    expected = _spot(trial, film())
    _spot(trial, film(1.0, seed=1))
    _same("After another clip", _spot(trial, film()), expected)


def _interleaved(trial: Trial) -> None:
    whole, wants = film(), trial.component.traits
    expected = _spot(trial, whole)

    def parts() -> Iterator[Part]:
        for number, part in enumerate(whole.copy(writeable=True).parts(wants)):
            if number in (1, 3):
                _spot(trial, film(1.0, seed=1))
            yield part

    answer = _checked(trial.made.spot(Track(whole.fps, parts())), whole)
    _same("With another clip in between", answer, expected)


def _reproducible(trial: Trial) -> None:
    other = _spot(trial, film(), spotter=trial.make())
    _same("A second object", other, _spot(trial, film()))


def _memory(trial: Trial) -> str:
    # Whole parts, so that the last one weighs as much as any other.
    once = film().take(np.arange(len(film().frame) // PART * PART))
    size, half = once.images[0].nbytes, LOOPS // 2
    held: list[int] = []

    def parts() -> Iterator[Part]:
        for number in range(LOOPS):
            if number == half:
                held.append(_allocated())
            yield from once.again(trial.component.traits, number)
        held.append(_allocated())

    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        trial.made.spot(Track(once.fps, parts()))
    finally:
        if not tracing:
            tracemalloc.stop()
    if len(held) < 2:
        return "it doesn't look at every frame"
    kept = (held[1] - held[0]) / (len(once.frame) * (LOOPS - half))
    if kept > KEPT * size:
        raise Refused(
            f"It keeps {kept / 1000:.1f} kB of each frame, whose picture has {size / 1000:.1f} kB: "
            f"at most {KEPT:.0%} are allowed. Keep numbers of a frame and no pictures."
        )
    return f"it keeps {max(kept, 0):.0f} bytes of each frame"


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


_SEE = "print(c.spot(track(seconds=4)))"
_SEE_TWICE = "print(c.spot(track(seconds=4)), c.spot(track(seconds=4)))"

RULES = (
    Rule(
        "intervals",
        "Spot in a drawn clip of a person with two expressions: a tuple of Interval, in the order "
        "of their onsets, within the clip.",
        _intervals,
        _SEE,
    ),
    Rule(
        "frame-rates",
        f"Spot in clips of {', '.join(f'{rate:g}' for rate in RATES)} frames per second.",
        _frame_rates,
        "print([c.spot(track(fps=r, seconds=1.2)) for r in (15, 60, 200)])",
        ("intervals",),
    ),
    Rule(
        "frame-numbers",
        f"Spot in frames from number {FIRST} on, some left out: intervals are in the numbers that "
        "the frames have.",
        _frame_numbers,
        f"print(c.spot(track(first={FIRST}, seconds=4)))",
        ("intervals",),
    ),
    Rule(
        "lost-faces",
        "Spot where the person is not found in some frames, in every other one, or in none: rows "
        "of NaN.",
        _lost_faces,
        "print(c.spot(track(lost=range(0, 100, 2), seconds=4)), c.spot(track(lost=range(50), "
        "seconds=2)))",
        ("intervals",),
    ),
    Rule(
        "short-clips",
        "Spot in no frame, in one and in two.",
        _short_clips,
        "print(c.spot(track(seconds=0.04)))",
        ("intervals",),
    ),
    Rule(
        "odd-faces",
        "Spot in a face below a pixel, one that leaves the picture, and pictures of 1 x 1 pixels.",
        _odd_faces,
        needs=("intervals",),
    ),
    Rule(
        "inputs-kept",
        "Spot in pictures that it may not change, then in pictures that it can't.",
        _inputs_kept,
        _SEE,
        ("intervals",),
    ),
    Rule(
        "deterministic",
        "Spot twice in the same clip: equal.",
        _deterministic,
        _SEE_TWICE,
        ("intervals",),
    ),
    Rule(
        "parts",
        "Spot in the same clip frame by frame, seven at a time, and all at once: equal.",
        _parts,
        "print(c.spot(track(seconds=4)), c.spot(track(size=1, seconds=4)))",
        ("deterministic",),
    ),
    Rule(
        "independent",
        "Spot in a clip again after another one: equal.",
        _independent,
        "a = c.spot(track(seconds=4)); c.spot(track(seed=1, seconds=1)); "
        "print(a, c.spot(track(seconds=4)))",
        ("deterministic",),
    ),
    Rule(
        "interleaved",
        "Spot in another clip between two parts of one, as a run does in its threads: equal.",
        _interleaved,
        needs=("deterministic",),
    ),
    Rule(
        "reproducible",
        "Make it a second time and spot in the same clip: equal.",
        _reproducible,
        _SEE_TWICE,
        ("deterministic",),
    ),
    Rule(
        "memory",
        f"Spot in {LOOPS} times the same clip and look what it keeps: no pictures, at most "
        f"{KEPT:.0%} of their bytes.",
        _memory,
        needs=("intervals",),
    ),
)
