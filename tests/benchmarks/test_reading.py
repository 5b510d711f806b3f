"""What reading, ranking and merging large runs take, and the sizes of their files.

docs/results.md and docs/scale.md have the figures. The runs are made up: see `made_up_run`. Times
are of this process alone, whatever else the machine does. No test fails because something is slow.
"""

from __future__ import annotations

import contextlib
import io
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_run import MadeUpRun

from fxbench.cli import main
from fxbench.leaderboard import leaderboard_rows, leaderboard_table
from fxbench.merge import merge
from fxbench.scoring import rank
from fxbench.store import load

pytestmark = pytest.mark.timeout(1800)

TEN_THOUSAND = MadeUpRun(detectors=25, classifiers=40, conditions=9, images=3500)


class Printed:
    """Lines for the end of a test."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def timed(self, what: str, work: Callable[[], Any]) -> Any:
        begin = time.process_time()
        result = work()
        self.lines.append(f"{time.process_time() - begin:8.2f} s  {what}")
        return result

    def sizes(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                size = path.stat().st_size / 1e6
                self.lines.append(f"{size:8.1f} MB  {path.relative_to(folder)}")


def command(*arguments: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0
    return out.getvalue()


def test_ranking_two_thousand_cells(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    ability, hard = rng.uniform(-0.5, 2.5, (2000, 1)), rng.normal(0, 1.2, 3500)
    right = rng.random((2000, 3500)) < 1 / (1 + np.exp(hard - ability))
    cells = [(str(number), row) for number, row in enumerate(right)]
    printed = Printed()
    ranks, pairs = benchmark.pedantic(lambda: printed.timed("rank", lambda: rank(cells)), rounds=1)
    assert len(ranks) == 2000
    with capsys.disabled():
        print(f"\nA family of 2,000 cells on 3,500 images, {len(pairs):,} tests:")
        print(*printed.lines, sep="\n")
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(f"{most:8.0f} MB  at most in this process")


def test_reading_a_run_of_ten_thousand_cells(
    tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "results" / "made-up"
    TEN_THOUSAND.write(folder)
    printed = Printed()
    printed.sizes(folder)

    def work() -> None:
        stored = printed.timed("load", lambda: load(folder))
        assert len(stored.cells) == 10_000
        table = printed.timed("the leaderboard", lambda: leaderboard_table(stored.cells))
        assert len(table.rows) == 1000
        printed.timed("all rows", lambda: leaderboard_rows(stored.cells))
        for form in ("table", "md", "csv"):
            given = ("leaderboard", "--format", form, "--results", str(folder.parent))
            text = printed.timed(f"fxbench leaderboard --format {form}", lambda: command(*given))  # noqa: B023 - called at once
            assert text.count("classifier-") >= 1000

    benchmark.pedantic(work, rounds=1)
    with capsys.disabled():
        print("\nA run of 10,000 cells, 1,000 of them clean, on 3,500 images:")
        print(*printed.lines, sep="\n")


def test_merging_five_runs(
    tmp_path: Path, benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for number in range(5):
        names = {f"det-{5 * number + index}" for index in range(5)}
        part = MadeUpRun(25, 40, 1, 3500, only=lambda axes, names=names: axes["detector"] in names)
        part.write(tmp_path / str(number))
        folders.append(tmp_path / str(number))
    printed = Printed()
    merged = benchmark.pedantic(
        lambda: printed.timed("merge", lambda: merge(folders, tmp_path / "merged")), rounds=1
    )
    assert merged.cells == 2000
    printed.sizes(tmp_path / "merged")
    with capsys.disabled():
        print("\nFive runs of 400 cells each, 1,000 of all clean, on 3,500 images:")
        print(*printed.lines, sep="\n")
