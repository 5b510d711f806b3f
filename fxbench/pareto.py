"""What nothing else is better than in both respects."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The Pareto front of costs and gains, such as time and accuracy.

    Args:
        points: pairs of a cost, of which less is better, and a gain, of which more is.

    Returns:
        The indices of the points that no other is at least as good as in both respects and better
        in one, by ascending cost. Of equal points the first stands for all.
    """
    found: list[int] = []
    best = float("-inf")
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[index][1] > best:
            found.append(index)
            best = points[index][1]
    return found
