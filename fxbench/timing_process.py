"""A process in which components are timed: `python -m fxbench.timing_process`.

It reads requests from standard input and writes answers to what was standard output when it began,
each a line of JSON; what a component prints goes to standard error instead. The first request says
how to begin, before any numerical library is imported:

    {"do": "begin", "protocol": 1, "path": [...] or null, "threads": 1, "recipe": {...},
     "images": "images.npz"}

then, as often as wanted, `detector`, `rest` or `block` (see :class:`fxbench.timing_work.Bench`). An
answer is `{"answer": ...}`, or `{"error": "..."}` with a sentence for people.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from fxbench.timing_work import Bench

PROTOCOL = 1
"""Of requests and answers: both processes must have the same."""


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer every request until there is none left."""
    bench: Bench | None = None
    for line in requests:
        request = json.loads(line)
        try:
            if request["do"] == "begin":
                bench, answer = begin(request)
            elif bench is None:
                raise RuntimeError("The first request must be 'begin'.")
            else:
                answer = {"answer": bench.answer(request)}
        except (Exception, SystemExit) as error:  # noqa: BLE001 - plugins raise anything
            answer = {"error": told(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def begin(request: dict[str, Any]) -> tuple[Bench | None, dict[str, Any]]:
    """Find the components and read the images; the first answer."""
    if request["protocol"] != PROTOCOL:
        return None, {
            "error": f"This fxbench speaks protocol {PROTOCOL} of timing, not "
            f"{request['protocol']}: install the same version of fxbench in both environments."
        }
    if request["path"] is not None:
        # Packages are found where the process that started this one finds them.
        sys.path[:] = request["path"]
    from fxbench import environment

    environment.fix_threads(request["threads"])
    import cv2
    import numpy as np

    from fxbench.loader import Loader
    from fxbench.recipe import Recipe
    from fxbench.timing_work import Bench, peak_memory

    cv2.setNumThreads(request["threads"])
    recipe = Recipe.read(request["recipe"])
    registry = recipe.registry()
    with np.load(request["images"], allow_pickle=False) as file:
        names = [name for name in file.files if name.startswith("image")]
        images = tuple(file[name] for name in names)
        truth = file["truth"] if "truth" in file.files else None
    loader = Loader(recipe.options(registry))
    bench = Bench(registry, loader, images, truth, request["threads"])
    about = {
        "python": sys.version.split()[0],
        "packages": environment.packages(),
        "cpu": environment.cpu_model(),
        "base_bytes": peak_memory(),
    }
    return bench, {"answer": about}


def told(error: BaseException) -> str:
    """An error as a sentence."""
    from fxbench.errors import FxbenchError
    from fxbench.loader import one_line

    return str(error) if isinstance(error, FxbenchError) else one_line(error)


def main() -> None:
    """Set the streams apart, then serve."""
    # A component may print, also from C, and may read: neither may touch the two streams.
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    serve(requests, answers)


if __name__ == "__main__":
    main()
