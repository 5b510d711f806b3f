"""How well timings keep what docs/latency.md says: `python -m fxbench.testing.latency_study`.

`--part paired`: a classifier is compared with itself by :mod:`fxbench.paired_timing`, in half of
the runs slowed to 1.25 times its time. `--part load`: it is timed alone and with processes beside
it that take the processor from it, in milliseconds and in reference units; `--figure FILE` draws
that. Without `--part`, both.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fxbench import environment, latency
from fxbench.latency import Found, Timed
from fxbench.paired_timing import compare_environments
from fxbench.progress import Silent
from fxbench.recipe import Recipe
from fxbench.selection import Selection
from fxbench.testing.slowed import NAME, VARIABLE
from fxbench.timed_apart import TimingProcess, images_file
from fxbench.timing_work import Chain

FACTOR = 1.25
BUDGET = 1.1
LOADS = (0, 1, 2, 4)
CELL = {
    "dataset": "mini",
    "split": "test",
    "protocol": "quick",
    "detector": "full-frame",
    "classifier": NAME,
}
_BUSY = "import os; mine = os.getppid()\nwhile os.getppid() == mine: sum(range(10_000))"
"""It ends with the study, however that ends."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One timing of the part `load`.

    Attributes:
        load: how many processes were beside it.
        ms: the median, milliseconds.
        units: the same in reference units.
        holds: whether fxbench would have said it.
    """

    load: int
    ms: float
    units: float
    holds: bool


def recipe() -> Recipe:
    """What is timed."""
    return Recipe(
        Selection(
            datasets=("mini",),
            detectors=("full-frame",),
            classifiers=(NAME,),
            attacks=("none",),
            landmarkers=(),
            limit=64,
        )
    )


@contextlib.contextmanager
def installed(folder: Path) -> Iterator[Path]:
    """Make the plugin known here, and yield the Python of an environment where nothing is slowed.

    Args:
        folder: an empty one.
    """
    packages = folder / "packages"
    about = packages / "fxbench_study-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fxbench-study\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[fxbench]\nslowed = fxbench.testing.slowed\n")
    sys.path.insert(0, str(packages))
    python = folder / "python"
    # Each line of the environment is quoted: folders may have spaces.
    path = os.pathsep.join(p for p in sys.path if p)
    python.write_text(
        "#!/bin/sh\n"
        f"export PYTHONPATH={shlex.quote(path)} {VARIABLE}=1\n"
        f'exec {shlex.quote(sys.executable)} "$@"\n'
    )
    python.chmod(0o755)
    try:
        yield python
    finally:
        sys.path.remove(str(packages))
        os.environ.pop(VARIABLE, None)


@contextlib.contextmanager
def beside(processes: int) -> Iterator[None]:
    """Keep so many processes busy."""
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def study_paired(runs: int, threads: int) -> Iterator[tuple[float, Any]]:
    """Compare the classifier with itself, slowed in every other run: the factor, and the result."""
    records = [{"id": "cell", "axes": CELL}]
    with _folder() as folder, installed(folder) as other:
        for run in range(2 * runs):
            factor = FACTOR if run % 2 else 1.0
            os.environ[VARIABLE] = str(factor)
            found = compare_environments(
                recipe(), other, records, threads=threads, observer=Silent()
            )
            yield factor, found["cell"]


def study_load(runs: int, threads: int) -> Iterator[Timing]:
    """Time the classifier with more and less beside it."""
    from fxbench import runner

    with _folder() as folder, installed(folder):
        (source,) = runner.follow(recipe()).plan.sources
        sample = latency.sample_images(source)
        chain = Chain("full-frame", "classifier", NAME)
        with images_file(sample) as images:
            for _ in range(runs):
                for load in LOADS:
                    with beside(load):
                        time.sleep(0.2)
                        yield _timing(images, chain, sample.rows, load, threads)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fxbench-study-") as folder:
        yield Path(folder)


def _timing(images: Path, chain: Chain, rows: Any, load: int, threads: int) -> Timing:
    with TimingProcess(recipe(), images, threads, what=NAME) as process:
        first = process.ask({"do": "detector", "name": chain.detector})
        request = {"do": "rest", "chain": chain.record(), "found": first["found"]}
        second = process.ask(request | {"detected": first["timed"]})
    detected, rest = Timed.read(first["timed"]), Timed.read(second["timed"])
    assert len(Found.read(first["found"]).frame)
    columns, meta = latency.chain(rows, detected, rest, follows=True)
    summary = latency.summary(columns, meta)
    assert summary is not None
    units = columns["predict_ns"] / columns["reference_ns"]
    return Timing(
        load, summary["p50_ms"], float(np.median(units)), summary["reference_p50"] is not None
    )


def tell_paired(results: Sequence[tuple[float, Any]]) -> str:
    """The figures of the part `paired`, as Markdown."""
    lines = [
        "| planted | runs | found slower | factor, median (range) |",
        "| --- | --- | --- | --- |",
    ]
    for planted in (1.0, FACTOR):
        both = [result for factor, result in results if factor == planted]
        mine = [result for result in both if result.reason is None]
        factors = [result.factor for result in mine]
        slower = sum(result.slower(BUDGET) for result in mine)
        shown = f"{np.median(factors):.3f} ({min(factors):.3f} to {max(factors):.3f})"
        lines.append(f"| {planted:g} | {len(both)} | {slower} | {shown} |")
    return "\n".join(lines)


def tell_load(timings: Sequence[Timing]) -> str:
    """The figures of the part `load`, as Markdown."""
    lines = [
        "| beside it | runs | p50 ms, median (range) | reference units, median (range) | held in |",
        "| --- | --- | --- | --- | --- |",
    ]
    for load in LOADS:
        mine = [timing for timing in timings if timing.load == load]
        cells = [
            f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
            for values in ([t.ms for t in mine], [t.units for t in mine])
        ]
        held = sum(timing.holds for timing in mine)
        lines.append(f"| {load} | {len(mine)} | {cells[0]} | {cells[1]} | {held} |")
    for what, values in (
        ("milliseconds", [t.ms for t in timings]),
        ("reference units", [t.units for t in timings]),
        ("reference units, where they held", [t.units for t in timings if t.holds]),
    ):
        if len(values) > 1:
            scatter = np.exp(np.std(np.log(values), ddof=1))
            lines.append(
                f"\n{what}: {len(values)} timings, largest by smallest "
                f"{max(values) / min(values):.2f}, typical deviation a factor of {scatter:.2f}"
            )
    return "\n".join(lines)


def draw(timings: Sequence[Timing], path: Path) -> None:
    """Draw the part `load`: each timing by the median of those with nothing beside."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure: Any
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
    for panel, name, field in (
        (axes[0], "milliseconds", "ms"),
        (axes[1], "reference units", "units"),
    ):
        alone = float(np.median([getattr(t, field) for t in timings if t.load == 0]))
        for holds, colour, label in ((True, "tab:blue", "holds"), (False, "none", "not compared")):
            mine = [t for t in timings if t.holds == holds]
            shift = {id(t): 0.25 * ((i % 7) / 6 - 0.5) for i, t in enumerate(mine)}
            panel.scatter(
                [LOADS.index(t.load) + shift[id(t)] for t in mine],
                [getattr(t, field) / alone for t in mine],
                facecolors=colour,
                edgecolors="tab:blue",
                label=label,
            )
        panel.axhline(1, color="grey", linewidth=0.8)
        panel.set_yscale("log")
        panel.set_yticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
        panel.set_yticks([], minor=True)
        panel.set_xticks(range(len(LOADS)), [str(load) for load in LOADS])
        panel.set_xlabel("busy processes beside it")
        panel.set_title(name)
    axes[0].set_ylabel("p50, by its median with none beside")
    axes[1].legend(title="in reference units")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and print its figures. 1 where the paired part misses 19 of 20."""
    parser = argparse.ArgumentParser(prog="python -m fxbench.testing.latency_study")
    parser.add_argument("--part", choices=("paired", "load"))
    parser.add_argument("--runs", type=int, default=20, help="of each sort (default: 20)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args(arguments)
    environment.fix_threads(given.threads)
    write = sys.stdout.write
    missed = False
    if given.part != "load":
        begin, results = time.perf_counter(), []
        for planted, result in study_paired(given.runs, given.threads):
            results.append((planted, result))
            write(
                f"planted {planted:g}: {result.factor:.3f} [{result.low:.3f}, {result.high:.3f}], "
                f"{result.blocks} blocks {result.reason or ''}\n"
            )
            sys.stdout.flush()
        write(f"\n{tell_paired(results)}\n\n{time.perf_counter() - begin:.0f} s, {_machine()}\n")
        right = [result.slower(BUDGET) == (planted > 1) for planted, result in results]
        for planted in (1.0, FACTOR):
            mine = [r for r, (p, _) in zip(right, results, strict=True) if p == planted]
            missed |= sum(mine) < 0.95 * len(mine)
    if given.part != "paired":
        timings = []
        for timing in study_load(max(1, given.runs // 2), given.threads):
            timings.append(timing)
            write(f"{timing}\n")
            sys.stdout.flush()
        write(f"\n{tell_load(timings)}\n\n{_machine()}\n")
        if given.figure is not None:
            draw(timings, given.figure)
    return 1 if missed else 0


def _machine() -> str:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{environment.cpu_model()}, {environment.available_cores()} cores{load}"


if __name__ == "__main__":
    sys.exit(main())
