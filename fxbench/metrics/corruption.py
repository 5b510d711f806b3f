"""How much more a classifier errs on corrupted pictures than a baseline does.

Hendrycks & Dietterich (2019), Benchmarking neural network robustness to common corruptions and
perturbations, ICLR, section 4. An error is 1 less `accuracy_end_to_end`. Pure Python, so that a
reader of results needs no array library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SEVERITIES = (1, 2, 3, 4, 5)
"""The severities that a corruption error sums over."""

COMMON = 15
"""How many corruptions the mean corruption error is the mean of."""


def corruption_error(errors: Mapping[int, float], baseline: Mapping[int, float]) -> float | None:
    """The corruption error (CE) of one corruption, in percent of the baseline's.

    The sum over the five severities of the error, divided by that of the baseline, times 100:
    below 100 the classifier errs less than the baseline on this corruption, above it more.

    Args:
        errors: the error from 0 to 1 by severity.
        baseline: the baseline's, on the same pictures.

    Returns:
        None where a severity is missing from either, or the baseline makes no error.
    """
    return _ratio(_sum(errors), _sum(baseline))


def relative_corruption_error(
    errors: Mapping[int, float],
    clean: float | None,
    baseline: Mapping[int, float],
    baseline_clean: float | None,
) -> float | None:
    """The relative corruption error of one corruption, in percent of the baseline's.

    The sum over the five severities of what the corruption adds to the error on clean pictures,
    divided by the same of the baseline, times 100. It may be below 0 where a corruption helps. A
    classifier that is bad on clean pictures has little to lose: read it beside the clean error.

    Args:
        errors: the error from 0 to 1 by severity.
        clean: the error on clean pictures.
        baseline: the baseline's errors, on the same pictures.
        baseline_clean: the baseline's error on clean pictures.

    Returns:
        None where a severity or a clean error is missing, or the corruption doesn't add to the
        baseline's error: a ratio to that says nothing.
    """
    own, other = _sum(errors), _sum(baseline)
    if own is None or other is None or clean is None or baseline_clean is None:
        return None
    count = len(SEVERITIES)
    return _ratio(own - count * clean, other - count * baseline_clean)


def mean(values: Iterable[float | None], of: int = COMMON) -> float | None:
    """The plain mean over corruptions: mCE of corruption errors, relative mCE of relative ones.

    Args:
        values: one for each corruption.
        of: how many there must be: a mean over fewer can't be compared with others.

    Returns:
        None where there are more or fewer, or one is None.
    """
    given = list(values)
    known = [value for value in given if value is not None]
    if not known or len(known) != len(given) or len(given) != of:
        return None
    return sum(known) / of


def _sum(errors: Mapping[int, float]) -> float | None:
    if any(errors.get(severity) is None for severity in SEVERITIES):
        return None
    return sum(errors[severity] for severity in SEVERITIES)


def _ratio(own: float | None, baseline: float | None) -> float | None:
    # What rounding leaves of a difference of 0 is no denominator.
    if own is None or baseline is None or baseline <= 1e-12:
        return None
    return 100 * own / baseline
