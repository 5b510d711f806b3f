"""Two ways of doing the same work, timed in turn; the ratios are printed at the end.

Runs on FER+ valid whose models are loaded beforehand are one of the two.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from fxbench import environment, runner
from fxbench.environment import available_cores
from fxbench.selection import Selection
from fxbench.sources import Source
from fxbench.store import StoredRun
from fxbench.types import Batch

NONE = ("none",)

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
    """Time `work` and `reference` in turn, and keep the ratio of each round's two times.

    `of` speed: how many times as many images in the same time; of time: the other way round.

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
        of: Literal["speed", "time"],
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
        pairs = zip(times, before[-rounds:], strict=True)
        ratios = [theirs / ours if of == "speed" else ours / theirs for ours, theirs in pairs]
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


@pytest.fixture
def ferplus_valid(shared: Path) -> Path:
    folder = shared / "data" / "ferplus"
    if not (folder / "FER2013Valid.zip").is_file():
        pytest.skip(f"{folder} has no FER2013Valid.zip")
    return folder


@pytest.fixture
def standin(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepFace's network with other weights: as fast, and of no other use."""
    home = shared / "weights" / "standin-deepface"
    if not home.is_dir():
        pytest.skip(f"{home} is not there")
    monkeypatch.setenv("DEEPFACE_HOME", str(home))


@dataclass
class Bench:
    """Runs of one plan whose models are loaded, each with an empty cache."""

    prepared: runner.Prepared
    folder: Path
    numbers: Iterator[int]

    @property
    def source(self) -> Source:
        return self.prepared.plan.sources[0]

    @property
    def images(self) -> int:
        return len(self.source.answers.rows)

    def component(self, kind: str, name: str) -> Any:
        return self.prepared.loader.get(self.prepared.plan.registry.get(kind, name))

    def run(self) -> StoredRun:
        number = next(self.numbers)
        settings = runner.Settings(
            results=self.folder / f"results-{number}",
            cache=self.folder / f"cache-{number}",
            measure_latency=False,
        )
        return runner.run(self.prepared, settings)

    def batches(self) -> list[Batch]:
        """All images, decoded."""
        rows = self.source.answers.rows
        return list(self.source.dataset.batches(self.source.split, rows))


@pytest.fixture
def bench_of(tmp_path: Path) -> Callable[[runner.Prepared], Bench]:
    """Runs of a plan."""
    return lambda prepared: Bench(prepared, tmp_path, itertools.count())


@pytest.fixture
def bench(
    ferplus_valid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Bench]:
    def make(**selection: Any) -> Bench:
        environment.fix_threads(environment.default_threads())
        # What importing DeepFace sets. Where TensorFlow is loaded without it, the network of
        # DeepFace itself runs on Keras 3, where single images take longer.
        monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
        wanted = Selection(datasets=("ferplus",), split="valid", **{"attacks": NONE} | selection)
        prepared = runner.prepare(wanted, (f"ferplus.path={ferplus_valid}",), folder=tmp_path)
        made = Bench(prepared, tmp_path, itertools.count())
        for planned in prepared.plan.cells:
            assert planned.status == "planned", planned.reason
            for kind in ("detector", "classifier", "attack"):
                name = getattr(planned.cell, kind)
                if name is not None:
                    made.component(kind, name)
        return made

    return make


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
