"""From a curve of how much a face differs from itself at rest to the expressions in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxbench.clips import Interval, kind_of
from fxbench.types import Float64
from fxbench_spotters.series import Series

_SHORTEST = 0.12
"""Seconds at half of the height: what is over sooner is a flicker."""

_LONGEST = 6.0
"""Seconds: what lasts longer is another rest, or a mood."""

_LOW, _HIGH = 0.3, 0.7
"""Of the apex. A raised cosine, as which expressions rise and fall, passes them at 0.37 and 0.63 of
its way, and the straight line through both begins at 0.17."""

_LOW_AT_MOST = 0.55
"""Where a curve is noise up to more than the lower share of the apex, this is taken at most."""

_APEX = 0.95
"""The apex is the first frame within this share of the greatest value: a held one is flat."""

_EARLY = 1.4
"""The rise takes so much longer than what is seen of it: a raised cosine is there after 0.86 of its
way, and its first part is lost in noise."""

_CUT = 2.0
"""What goes on at the end must be this many times as high as the threshold. What has begun before
is none: more often a face begins with another rest, such as before a smile that stays."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A part of the curve in which something happens, in steps.

    Attributes:
        onset: where the rise begins.
        apex: the first step that is about as high as any.
        offset: where the fall ends.
        height: the greatest value.
    """

    onset: int
    apex: int
    offset: int
    height: float


def peaks(strength: Float64, threshold: float, step_s: float, *, floor: float = 0.0) -> list[Peak]:
    """The stretches of a curve that rise above a threshold and last as long as an expression.

    Args:
        strength: float64 (N,), 0 at rest.
        threshold: what the apex must reach.
        step_s: seconds from one step to the next.
        floor: what is lower than this is noise: no peak begins or ends in it.
    """
    found: list[Peak] = []
    left = strength.copy()
    while True:
        top = int(np.argmax(left))
        height = float(left[top])
        if height < threshold:
            break
        low = min(max(_LOW, floor / height), _LOW_AT_MOST)
        first, last = _around(left, top, low * height)
        shoulder = np.isneginf(left[max(0, first - 1) : last + 2]).any()
        left[first : last + 1] = -np.inf
        if shoulder:
            continue
        half = strength[first : last + 1] >= 0.5 * height
        if half.sum() * step_s < _SHORTEST:
            continue
        high = np.flatnonzero(strength[first : last + 1] >= _HIGH * height) + first
        slope = (_HIGH - low) / low
        onset = first - round((high[0] - first) / slope)
        offset = last + round((last - high[-1]) / slope)
        apex = int(np.argmax(strength[first : last + 1] >= _APEX * height)) + first
        onset, offset = max(0, onset), min(len(strength) - 1, offset)
        begun_before = half[0] and first == 0
        goes_on = half[-1] and last == len(strength) - 1
        whole = not begun_before and not (goes_on and height < _CUT * threshold)
        if whole and (offset - onset + 1) * step_s <= _LONGEST:
            found.append(Peak(onset, apex, offset, height))
    # Onsets and offsets reach beyond the stretches, which have no step in common, and may cross.
    return _apart(sorted(found, key=lambda peak: peak.apex))


def intervals(series: Series, found: list[Peak], scale: float) -> list[Interval]:
    """Peaks in frames of the clip, micro or macro by their length.

    Args:
        series: that the peaks are in.
        found: the peaks.
        scale: the height that scores 1.
    """
    return [
        Interval(
            int(series.frame[peak.onset]),
            int(series.frame[peak.apex]),
            int(series.frame[peak.offset]),
            kind_of(
                (peak.offset - peak.onset) * series.step_s,
                (peak.apex - peak.onset + 1) * series.step_s * _EARLY,
            ),
            peak.height / scale,
        )
        for peak in found
    ]


def _around(values: Float64, top: int, low: float) -> tuple[int, int]:
    """The first and the last step around `top` with values of at least `low`."""
    below = np.flatnonzero(values < low)
    before, after = below[below < top], below[below > top]
    first = int(before[-1]) + 1 if len(before) else 0
    last = int(after[0]) - 1 if len(after) else len(values) - 1
    return first, last


def _apart(found: list[Peak]) -> list[Peak]:
    """Neighbours that overlap divide the frames between them in the middle."""
    for i in range(len(found) - 1):
        one, two = found[i], found[i + 1]
        if one.offset >= two.onset:
            cut = min(max((one.offset + two.onset) // 2, one.apex), two.apex - 1)
            found[i] = Peak(one.onset, one.apex, cut, one.height)
            found[i + 1] = Peak(cut + 1, two.apex, two.offset, two.height)
    return found
