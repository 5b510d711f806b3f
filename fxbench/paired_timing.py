"""Whether a chain takes longer in this environment than in another, timed side by side.

A process of each environment does the same images in turn: the other, this, this, the other
(ABBA), for some hundredths of a second each. Whatever else the machine does slows both, and what
grows or falls steadily over the four cancels out. Neither milliseconds of another day nor
reference units are needed, so this is the way to find a slow-down that holds on any machine, a busy
one too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from fxbench import latency, runner
from fxbench.cells import Cell, belongs
from fxbench.errors import DataError, FxbenchError, UsageError
from fxbench.plan import Plan
from fxbench.progress import Observer
from fxbench.recipe import Recipe
from fxbench.sampling import evenly
from fxbench.timed_apart import TimingProcess, images_file
from fxbench.timing_work import Chain, Key, follows
from fxbench.types import Float64

STARTS = 2
"""Each environment's process is started so often: where its memory lies can make one faster."""
ROUNDS, MOST_ROUNDS = 12, 40
"""Of four blocks, in each start, at least and at most."""
ROUNDS_S, MOST_ROUNDS_S = 1.5, 60.0
"""More rounds than the least are for so long, and no round begins after that."""
BLOCK_NS = 30e6
IMAGES = 16
_WARM_UP_CALLS, _WARM_UP_ROUNDS, _FASTER = 10, 10, 0.95
_SEED = 0


@dataclass(frozen=True, slots=True)
class Paired:
    """How much longer a chain takes in this environment than in the other.

    Attributes:
        factor: the median of the rounds' ratios, this by the other: 1.25 is a quarter longer. NaN
            where nothing was compared.
        low: the lower end of its 95 % interval.
        high: the upper end.
        blocks: how many blocks were timed, in both environments together.
        reason: why nothing was compared; None where it was.
        p: of the sign test that the median is 1 (two-sided).
    """

    factor: float
    low: float
    high: float
    blocks: int
    reason: str | None = None
    p: float = 1.0

    def slower(self, budget: float = 1.1) -> bool:
        """Whether it takes longer, by more than `budget` allows and beyond what chance explains."""
        return self.reason is None and self.factor > budget and self.low > 1


def compare_environments(
    recipe: Recipe,
    other: Path,
    cells: Sequence[Mapping[str, Any]],
    *,
    threads: int,
    observer: Observer,
) -> dict[str, Paired]:
    """Time cells here and in another environment side by side.

    Args:
        recipe: what makes the plan that the cells are of, in both environments.
        other: its Python, or the folder of a virtual environment. It has an fxbench of its own,
            and whatever the components need.
        cells: records of cells, `id` and `axes` of which are read.
        threads: of numerical libraries.
        observer: is told what is being timed.

    Returns:
        By the id of each cell the comparison, or why there is none.

    Raises:
        UsageError: `other` is no Python.
        FxbenchError: the recipe can't be followed here.
    """
    python = interpreter(other)
    plan = runner.follow(recipe).plan
    results: dict[str, Paired] = {}
    groups: dict[tuple[Any, ...], list[tuple[str, Cell]]] = {}
    for record in cells:
        name = str(record["id"])
        try:
            cell = Cell(**record["axes"])
            reason = _untimed(plan, cell)
        except (TypeError, FxbenchError) as error:
            reason = f"this fxbench can't make it: {error}"
        if reason is not None:
            results[name] = _nothing(reason)
            continue
        chain = Chain.of(cell)
        keys: tuple[Key, ...] = chain.after if follows(plan.registry, chain) else ()
        place = (cell.dataset, cell.split, cell.protocol)
        groups.setdefault((place, keys), []).append((name, cell))
    for together in groups.values():
        results |= _group(recipe, python, plan, together, threads, observer)
    return {str(record["id"]): results[str(record["id"])] for record in cells}


def interpreter(other: Path) -> Path:
    """The Python of an environment.

    Args:
        other: itself, or the folder of a virtual environment.

    Raises:
        UsageError: there is none.
    """
    if other.is_file():
        return other.absolute()
    for name in ("bin/python", "Scripts/python.exe"):
        if (other / name).is_file():
            return (other / name).absolute()
    raise UsageError(
        f"{other} is no environment: expected a Python, or a folder made by `python -m venv` with "
        "the fxbench to compare with installed in it."
    )


def compared(rounds: Sequence[float], blocks: int) -> Paired:
    """What rounds come to.

    Args:
        rounds: the logarithm of this by the other, of each round.
        blocks: how many blocks they are of.

    Returns:
        Their median with the interval that order statistics give (it assumes nothing of how times
        are distributed), and the sign test of no difference, both by
        :func:`scipy.stats.quantile_test`.
    """
    values = np.asarray(rounds, np.float64)
    test = stats.quantile_test(values, q=0.0, p=0.5)
    interval: Any = test.confidence_interval(0.95)
    low, high = float(interval.low), float(interval.high)
    if not math.isfinite(low + high):
        return _nothing(f"{len(values)} rounds are too few for an interval")
    factor = math.exp(float(np.median(values)))
    return Paired(factor, math.exp(low), math.exp(high), blocks, None, float(test.pvalue))


def _untimed(plan: Plan, cell: Cell) -> str | None:
    """Why a cell is not timed; None where it is."""
    if cell != cell.clean or cell.kind == "spotter" or cell.every or cell.smoothing:
        return "only chains on pictures as they are get timed"
    if sent := plan.sends(cell):
        return f"{sent[0]} sends images away, so the network would be timed"
    if not any(belongs(cell, source) for source in plan.sources):
        return "its images are not in the recipe's plan"
    return None


def _nothing(reason: str) -> Paired:
    return Paired(math.nan, math.nan, math.nan, 0, reason)


def _group(
    recipe: Recipe,
    python: Path,
    plan: Plan,
    together: Sequence[tuple[str, Cell]],
    threads: int,
    observer: Observer,
) -> dict[str, Paired]:
    """Cells on the same images that have the same component behind their detectors."""
    source = next(s for s in plan.sources if belongs(together[0][1], s))
    rounds: dict[str, list[float]] = {name: [] for name, _ in together}
    blocks = dict.fromkeys(rounds, 0)
    failed: dict[str, str] = {}
    try:
        sample = latency.sample_images(source)
    except DataError as error:
        return {name: _nothing(str(error)) for name in rounds}
    with images_file(sample) as images:
        for start in range(STARTS):
            with ExitStack() as stack:
                what = f"{together[0][1].kind} {together[0][1].scored}"
                observer.note(f"Timing the {what} in turn ({start + 1} of {STARTS}).")
                try:
                    sides = tuple(
                        stack.enter_context(
                            TimingProcess(
                                recipe, images, threads, what=f"the {what} {where}", python=side
                            )
                        )
                        for side, where in ((python, "elsewhere"), (None, "here"))
                    )
                except FxbenchError as error:
                    return {name: _nothing(str(error)) for name in rounds}
                for name, cell in together:
                    if name in failed:
                        continue
                    try:
                        found, count = _rounds(sides, Chain.of(cell), len(sample.rows))
                    except FxbenchError as error:
                        failed[name] = str(error)
                        continue
                    rounds[name] += found
                    blocks[name] += count
    return {
        name: _nothing(failed[name]) if name in failed else compared(rounds[name], blocks[name])
        for name in rounds
    }


def _rounds(sides: Sequence[TimingProcess], chain: Chain, images: int) -> tuple[list[float], int]:
    """Rounds of four blocks: the logarithm of here by elsewhere of each, and how many blocks."""
    chosen = evenly(range(images), IMAGES)
    typical = max(_warmed(side, chain, chosen) for side in sides)
    count = min(len(chosen), max(1, int(BLOCK_NS / typical)))
    repeats = max(1, round(BLOCK_NS / typical / count))
    logarithms: list[float] = []
    begin = time.perf_counter()
    while len(logarithms) < MOST_ROUNDS:
        took = time.perf_counter() - begin
        if took > (ROUNDS_S if len(logarithms) >= ROUNDS else MOST_ROUNDS_S):
            break
        # Images take turns, those of a round are the same.
        first = len(logarithms) * count
        block = [chosen[(first + i) % len(chosen)] for i in range(count)]
        # Every other round is BAAB: who begins has no advantage.
        order = (0, 1, 1, 0) if len(logarithms) % 2 == 0 else (1, 0, 0, 1)
        logarithms.append(_round(sides, chain, block, repeats, order))
    return logarithms, 4 * len(logarithms)


def _round(
    sides: Sequence[TimingProcess],
    chain: Chain,
    block: list[int],
    repeats: int,
    order: tuple[int, ...],
) -> float:
    """Here by elsewhere: the median over images of each image's difference of medians."""
    times: tuple[list[Float64], list[Float64]] = ([], [])
    for side in order:
        times[side].append(_block(sides[side], chain, block, repeats))
    elsewhere, here = (np.median(np.concatenate(t), axis=0) for t in times)
    return float(np.median(here - elsewhere))


def _block(side: TimingProcess, chain: Chain, block: list[int], repeats: int) -> Float64:
    """The logarithms of nanoseconds, float64 (repeats, images)."""
    request = {"do": "block", "chain": chain.record(), "images": block, "repeats": repeats}
    answer = side.ask(request)
    try:
        ns = np.asarray(answer["ns"], np.float64).reshape(repeats, len(block))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"A process that times answered nonsense: {error}.") from error
    return np.log(np.maximum(ns, 1))


def _warmed(side: TimingProcess, chain: Chain, images: list[int]) -> float:
    """Work until it gets no faster; a typical image's nanoseconds."""
    before = math.inf
    for _ in range(_WARM_UP_ROUNDS):
        now = float(np.median(_block(side, chain, images[:_WARM_UP_CALLS], 1)))
        if now >= before + math.log(_FASTER):
            break
        before = now
    return math.exp(now)
