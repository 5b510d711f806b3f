"""`python -m fxbench.testing.rate_study`: what one image costs each component, in CPU seconds.

docs/scale.md calculates with these rates. CPU seconds of one thread, in batches of 64 as in a run:
other processes on the machine change them little. Photos of `mini`, cropped as each classifier
wants them; gradients where there are any.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from fxbench import environment

IMAGES = 128
ROUNDS = 3


def cpu_ms(work: Callable[[], Any], images: int) -> float:
    """CPU milliseconds for each image: the median of some rounds, after one that isn't counted."""
    taken = []
    for _ in range(ROUNDS + 1):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return 1e3 * statistics.median(taken[1:]) / images


def _each(call: Callable[[Any], Any], parts: Iterable[Any]) -> None:
    for part in parts:
        call(part)


def main() -> None:
    """Measure and print a table."""
    environment.fix_threads(1)
    import numpy as np

    from fxbench import runner
    from fxbench.batching import BATCH, batches
    from fxbench.faces import crops
    from fxbench.selection import Selection

    prepared = runner.prepare(
        Selection(
            datasets=("mini",),
            detectors=("all",),
            classifiers=("all",),
            attacks=("none",),
            limit=IMAGES,
        )
    )
    plan, load = prepared.plan, prepared.loader.get
    (source,) = plan.sources
    images = [i for b in batches(source, source.answers.rows) for i in b.frames.images]
    parts = [tuple(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    rows: list[tuple[str, str, float]] = []

    def measure(kind: str, name: str, work: Callable[[], Any]) -> None:
        rows.append((kind, name, cpu_ms(work, len(images))))
        sys.stderr.write(f"{kind} {name}: {rows[-1][2]:.2f} ms\n")

    measure("decode", source.entry.name, lambda: list(batches(source, source.answers.rows)))
    for kind, name in plan.digests:
        if kind == "detector":
            detector = load(plan.registry.get(kind, name))
            measure(kind, name, partial(_each, detector.detect, parts))
        elif kind == "classifier":
            entry = plan.registry.get(kind, name)
            model = load(entry)
            frame = np.arange(len(images))
            boxes = np.array([(0, 0, i.shape[1], i.shape[0]) for i in images], np.float32)

            def cut(model: Any = model, boxes: Any = boxes, frame: Any = frame) -> Any:
                return crops(tuple(images), (frame, boxes), model.face)

            faces = cut()
            measure("crop", name, cut)
            groups = [faces[i : i + BATCH] for i in range(0, len(faces), BATCH)]
            measure("predict", name, partial(_each, model.predict, groups))
            if "gradient" in entry.component.traits:
                towards = np.full((len(faces), len(model.labels)), 1 / len(model.labels))
                targets = towards.astype(np.float32)

                def climb(m: Any = model, g: Any = groups, t: Any = targets) -> None:
                    for part in g:
                        m.gradient(part.astype(np.float32) / np.float32(255), t[: len(part)])

                measure("gradient", name, climb)
    sys.stdout.write(f"{environment.cpu_model()}, one thread, {len(images)} images of mini\n\n")
    sys.stdout.write("| what | of | CPU ms an image |\n| --- | --- | ---: |\n")
    for kind, name, milliseconds in sorted(rows):
        sys.stdout.write(f"| {kind} | {name} | {milliseconds:.2f} |\n")
    for kind in dict.fromkeys(kind for kind, _, _ in rows):
        middle = statistics.mean(value for k, _, value in rows if k == kind)
        sys.stdout.write(f"| {kind} | mean | {middle:.2f} |\n")


if __name__ == "__main__":
    main()
