"""How much sooner two workers are done than one, on a matrix bound by dlib-hog.

Everything that a person waits for is in it: starting the workers, making the plan in each, loading,
computing, joining and scoring. docs/scale.md has the figure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fxbench import runner

pytest.importorskip("distributed", reason="needs the extra dask")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3600), pytest.mark.filterwarnings("ignore")]


def test_two_workers_against_one(bench: Callable[..., Any], compare: Callable[..., None]) -> None:
    ours = bench(
        detectors=("dlib-hog",),
        classifiers=("emopy-onnx",),
        corruptions=("brightness", "contrast", "jpeg-compression", "pixelate"),
        severities=(1, 3, 5),
    )

    def with_workers(count: int) -> list[Any]:
        number = next(ours.numbers)
        settings = runner.Settings(
            results=ours.folder / f"results-{number}",
            cache=ours.folder / f"cache-{number}",
            threads=1,
            measure_latency=False,
        )
        stored = runner.run(ours.prepared, replace(settings, workers=count))
        assert stored.run["workers"]["machines"][0]["workers"] == count
        return [cell["metrics"] for cell in stored.cells]

    compare(
        "two workers of one thread against one, bound by dlib-hog: time",
        "at least 1.7",
        13 * ours.images,
        lambda: with_workers(2),
        lambda: with_workers(1),
        rounds=2,
        of="speed",
    )
    assert with_workers(2) == with_workers(1)
