"""The work behind the fixtures `fxbench_gate` and `fxbench_time`."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fxbench import __version__, answers, api, baseline, budgets, keys, store
from fxbench.environment import thread_counts
from fxbench.errors import DataError, UsageError
from fxbench.gate import judge
from fxbench.gate_report import gate_table, sentence
from fxbench.judgement import Judgement
from fxbench.names import unknown_name
from fxbench.options import FILE_NAME
from fxbench.registry import discover
from fxbench.sides import Side, called, side_of_run
from fxbench.tabular import to_text
from fxbench.testing.kit import load
from fxbench.testing.pictures import faces, photos
from fxbench.types import Boxes

__all__ = ["judged", "ran", "report", "sentence", "work", "written"]

_IMAGES = 20
"""Of one cell that a failing test lists."""


def ran(root: Path, results: Path, plan: Mapping[str, Any]) -> Side:
    """Run a plan.

    Args:
        root: where `fxbench.toml` lies; paths in the plan are from there on.
        results: where the run's folder is made.
        plan: keywords of :func:`fxbench.run`.

    Raises:
        FxbenchError: it can't be run, or a keyword is none.
        DataError: a cell that was asked for has no result: that is no better or worse than
            anything.
    """
    known = inspect.signature(api.run).parameters
    for name in plan:
        if name not in known:
            raise UsageError(unknown_name("keyword of fxbench_gate", name, known))
    with contextlib.chdir(root):
        made = api.run(**{"latency": False} | dict(plan) | {"results": results})
    stored = store.load(made.folder)
    failed = [cell for cell in stored.cells if cell["status"] == "failed"]
    if failed:
        told = "; ".join(
            dict.fromkeys(f"{called(cell['axes'])}: {cell['reason']['message']}" for cell in failed)
        )
        raise DataError(f"{len(failed)} of {len(stored.cells)} cells failed: {told}")
    return side_of_run(stored, answers.read(stored.folder))


def written(path: Path, side: Side) -> None:
    """Write a baseline.

    Raises:
        StoreError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    baseline.write(path, side)


def judged(path: Path, root: Path, side: Side) -> Judgement:
    """Hold a run against a baseline.

    Raises:
        UsageError: there is no baseline yet, or a budget is wrong.
        SchemaError: the baseline is damaged.
    """
    if not path.is_file():
        raise UsageError(
            f"There is no baseline {path}: `pytest --fxbench-update` writes it. Look at it and put "
            "it under version control."
        )
    return judge(side, baseline.read(path), budgets.read(root / FILE_NAME))


def report(judgement: Judgement) -> str:
    """What a failing test shows: the checks, and the images that are answered differently."""
    table = gate_table(judgement)
    # Its first note is the sentence that stands above it here, for pytest's short summary.
    table = replace(table, notes=table.notes[1:])
    lines = [sentence(judgement), "", to_text(table)]
    axes = {check.cell: check.axes for check in judgement.checks}
    for cell, flips in judgement.flips.items():
        lines.append(f"{called(axes[cell])} answers {len(flips):,} images differently:")
        lines += [
            f"  {flip.kind}: {flip.id}, {flip.label or 'no label'}: {flip.before} -> {flip.after}"
            for flip in flips[:_IMAGES]
        ]
        if len(flips) > _IMAGES:
            lines.append(f"  and {len(flips) - _IMAGES:,} more")
    lines.append("`pytest --fxbench-update` makes this the new baseline, if that is right.")
    return "\n".join(lines)


def work(
    kind: str, name: str, batch: int, options: Mapping[str, Any]
) -> tuple[Callable[[], Any], dict[str, Any]]:
    """What is timed, called once already, and what must be known of it to compare.

    Raises:
        UsageError: there is no such component, or none of that kind can be timed.
    """
    if batch < 1:
        raise UsageError(f"batch must be at least 1, not {batch!r}.")
    if kind not in ("detector", "landmarker", "classifier"):
        raise UsageError(f"A detector, a landmarker or a classifier can be timed, no {kind!r}.")
    made = load(kind, name, **options)
    few = photos()[:1] * batch
    call: Callable[[], Any]
    if kind == "detector":

        def call() -> Any:
            return made.detect(few)

    elif kind == "landmarker":
        height, width = few[0].shape[:2]
        middle = (width * 0.15, height * 0.15, width * 0.85, height * 0.85, 1.0)
        places = Boxes.from_lists([[middle]] * batch)

        def call() -> Any:
            return made.locate(few, places)

    else:
        crops = faces(made.face, count=batch)

        def call() -> Any:
            return made.predict(crops)

    call()
    entry = discover().get(kind, name)
    about = {
        "version": __version__,
        "component": f"{kind} {name}",
        "code": keys.sources_digest(entry.plugin.module)[:12],
        "batch": batch,
        "threads": thread_counts(),
    }
    return call, about
