"""Shares of images with 95 % intervals that know which images depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench.metrics.clips import share_of_frames
from fxbench.metrics.intervals import Estimate, proportion

if TYPE_CHECKING:
    from fxbench.types import Bool, Int64


class Shares:
    """Reckons shares of some images.

    Args:
        clusters: int64 (N,); images with the same number depend on each other, as copies of a
            picture do, or pictures of one person. None where each stands by itself: then
            intervals are Wilson's.
    """

    def __init__(self, clusters: Int64 | None) -> None:
        self._index: Int64 | None = None
        if clusters is not None:
            distinct, index = np.unique(clusters, return_inverse=True)
            if len(distinct) < len(clusters):
                self._index = index.astype(np.int64)

    def of(self, hit: Bool, counted: Bool) -> Estimate:
        """How many of the images that count are hits.

        With clusters the interval is that of :func:`fxbench.metrics.clips.share_of_frames`.

        Args:
            hit: bool (N,); one that doesn't count is no hit.
            counted: bool (N,).
        """
        if self._index is None:
            return proportion(int((hit & counted).sum()), int(counted.sum()))
        hits = np.bincount(self._index[hit & counted], minlength=int(self._index.max()) + 1)
        n = np.bincount(self._index[counted], minlength=len(hits))
        return share_of_frames(hits.astype(np.int64), n.astype(np.int64))

    def f1(self, hit: Bool, counted: Bool) -> Estimate:
        """The F1 of an emotion: 2 J / (1 + J), where J is a share, and so for the interval's ends.

        Args:
            hit: bool (N,), the emotion is right and was answered.
            counted: bool (N,), it is right, or was answered: J is TP / (TP + FP + FN).
        """
        share = self.of(hit, counted)
        value, low, high = share["value"], share["low"], share["high"]
        return Estimate(value=_f1(value), low=_f1(low), high=_f1(high), n=share["n"])


def _f1(share: float | None) -> float | None:
    return None if share is None else 2 * share / (1 + share)
