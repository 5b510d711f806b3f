"""The spotter `landmark-motion`."""

from __future__ import annotations

import math

import numpy as np

from fxbench.clips import Interval, Track
from fxbench.errors import PluginError, UsageError
from fxbench_spotters.eyes import eye_contrast
from fxbench_spotters.frontal import in_300w
from fxbench_spotters.movements import Coupling, Seen

_SMOOTH = 0.04
"""Seconds, the deviation of the Gaussian that takes the jitter out of landmarks."""

_COUPLING = Coupling(corners=0.25, outwards=0.1, slides=True)
"""How the points of a talking mouth move together."""


class LandmarkMotion:
    """Peaks in how far brows, nose and mouth are from where they are at rest.

    Landmarks are freed from the head's place, size and turns (:func:`fxbench_spotters.frontal.
    frontal`) and averaged in nine groups. The lower lip counts only by what it drags with it, since
    it moves in talk, too. What happens while the lids are shut is not believed.

    Args:
        threshold: how far that must be, over all groups, in distances between the eyes' outer
            corners.

    Raises:
        UsageError: the threshold is not a positive number.
    """

    def __init__(self, threshold: float) -> None:
        if not (math.isfinite(threshold) and threshold > 0):
            raise UsageError(
                f"landmark-motion got the threshold {threshold}; expected is a positive number, "
                "such as 0.04."
            )
        self._threshold = threshold

    def spot(self, track: Track) -> tuple[Interval, ...]:
        """The expressions; see :class:`fxbench.protocols.Spotter`."""
        seen = Seen(_COUPLING)
        for part in track:
            if part.points is None:
                raise PluginError("landmark-motion needs landmarks, and was given none.")
            xy = in_300w(part.points)
            contrast = np.array([eye_contrast(*pair) for pair in zip(part.images, xy, strict=True)])
            seen.add(part.frame, part.time_s, xy, contrast)
        return seen.expressions(track.fps, threshold=self._threshold, smoothing_s=_SMOOTH)
