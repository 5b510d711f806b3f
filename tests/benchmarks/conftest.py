"""Two ways of doing the same work, timed in turn; the ratios are printed at the end."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from fxbench.environment import available_cores

_RATIOS = pytest.StashKey[list["Ratio"]]()


@dataclass(frozen=True, slots=True)
class Ratio:
    """One comparison.

    Attributes:
        what: what was done, and against what.
        goal: `>= 0.9` or the like.
        value: the median of the rounds' ratios.
        lowest: the lowest of the rounds' ratios.
        highest: the highest.
        images: how many images each round was about.
        seconds: the median time of a round.
        reference_seconds: the median time of what it is compared with.
        load: the machine's load (waiting and running processes, mean of a minute) at the begin
            and at the end.
        cores: how many cores this process may use.
    """

    what: str
    goal: str
    value: float
    lowest: float
    highest: float
    images: int
    seconds: float
    reference_seconds: float
    load: tuple[float, float]
    cores: int

    @property
    def lines(self) -> tuple[str, str]:
        """For people."""
        speed, reference = self.images / self.seconds, self.images / self.reference_seconds
        return (
            f"{self.value:7.3f}  {self.what} (goal: {self.goal})",
            f"         rounds {self.lowest:.3f} to {self.highest:.3f}; {speed:,.0f} images/s "
            f"against {reference:,.0f}; {self.images:,} images; load {self.load[0]:.1f} to "
            f"{self.load[1]:.1f} on {self.cores} cores",
        )


Compare = Callable[..., None]


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Compare:
    """Time `work` and `reference` in turn, and keep `ratio` of each round's two times.

    Whatever else the machine does slows both halves of a round alike, so each round gives a ratio
    of its own and the median of these is the result: a burst spoils a round, not the result.
    """

    def measure(
        what: str,
        goal: str,
        images: int,
        work: Callable[[], Any],
        reference: Callable[[], Any],
        *,
        rounds: int,
        ratio: Callable[[float, float], float],
    ) -> None:
        before: list[float] = []

        def first() -> None:
            begin = time.perf_counter()
            reference()
            before.append(time.perf_counter() - begin)

        load = _load()
        # The setup is called, untimed, before each round. The first round isn't counted.
        benchmark.pedantic(work, setup=first, rounds=rounds, warmup_rounds=1)
        if benchmark.stats is None:  # --benchmark-disable: both ran once
            return
        times = benchmark.stats.stats.data
        ratios = [ratio(*pair) for pair in zip(times, before[-rounds:], strict=True)]
        result = Ratio(
            what,
            goal,
            statistics.median(ratios),
            min(ratios),
            max(ratios),
            images,
            statistics.median(times),
            statistics.median(before[-rounds:]),
            (load, _load()),
            available_cores(),
        )
        benchmark.extra_info |= asdict(result) | {"reference_rounds": before[-rounds:]}
        request.config.stash.setdefault(_RATIOS, []).append(result)

    return measure


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the ratios."""
    ratios = config.stash.get(_RATIOS, [])
    if ratios:
        terminalreporter.section("ratios")
        for ratio in ratios:
            for line in ratio.lines:
                terminalreporter.write_line(line)
