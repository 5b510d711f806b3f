"""The spotter `optical-flow`."""

from __future__ import annotations

import math

import numpy as np

from fxbench.clips import Interval, Track
from fxbench.errors import PluginError, UsageError
from fxbench_spotters.carried import Carried
from fxbench_spotters.frontal import in_300w
from fxbench_spotters.movements import Coupling, Seen
from fxbench_spotters.series import GAP_SECONDS

_SMOOTH = 0.03
"""Seconds, the deviation of the Gaussian that takes the jitter out."""

_COUPLING = Coupling(corners=0.45, outwards=0.18, upper=0.5, nose=-0.1)
"""How regions move together as a mouth talks. Flow is smooth: what the lower lip does is seen in
the neighbourhood, too."""

_MOST = 50.0
"""So many pictures per second are enough."""


class OpticalFlow:
    """Peaks in how far optical flow carries brows, nose and mouth from where they are at rest.

    It does what `landmark-motion` does, with points that flow carried from one picture to the
    others (:class:`fxbench_spotters.carried.Carried`): landmarks say where regions are, and not how
    far they move, so that their jitter does no harm.

    Args:
        threshold: how far that must be, over all groups, in distances between the eyes' outer
            corners.
        main_direction: see :class:`fxbench_spotters.carried.Carried`.

    Raises:
        UsageError: the threshold is not a positive number.
    """

    def __init__(self, threshold: float, *, main_direction: bool) -> None:
        if not (math.isfinite(threshold) and threshold > 0):
            raise UsageError(
                f"optical-flow got the threshold {threshold}; expected is a positive number, such "
                "as 0.03."
            )
        self._threshold = threshold
        self._main = main_direction

    def spot(self, track: Track) -> tuple[Interval, ...]:
        """The expressions; see :class:`fxbench.protocols.Spotter`."""
        seen = Seen(_COUPLING)
        carried = Carried(main_direction=self._main)
        due = last = -math.inf
        for part in track:
            if part.points is None:
                raise PluginError("optical-flow needs landmarks, and was given none.")
            xy = in_300w(part.points)
            found = np.asarray(np.isfinite(xy[:, 17:]).all(axis=(1, 2)), np.bool_)
            rows, points, contrast = [], [], []
            for row, time_s in enumerate(part.time_s.tolist()):
                if time_s < due:
                    continue
                # A frame that comes a little early is taken: 60 per second are looked at as 30.
                due = max(due, time_s - 0.5 / _MOST) + 1 / _MOST
                if not found[row]:
                    continue
                if time_s - last > GAP_SECONDS:
                    carried.forget()
                last = time_s
                where, dark = carried.see(part.images[row], xy[row], time_s)
                rows.append(row)
                points.append(where)
                contrast.append(dark)
            if rows:
                seen.add(
                    part.frame[rows],
                    part.time_s[rows],
                    np.stack(points),
                    np.array(contrast),
                )
        return seen.expressions(track.fps, threshold=self._threshold, smoothing_s=_SMOOTH)
