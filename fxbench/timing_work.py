"""What is timed in a process, whichever process that is: detectors, and what follows them."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fxbench import latency
from fxbench.cells import Cell
from fxbench.environment import thread_counts
from fxbench.errors import UsageError
from fxbench.faces import choose
from fxbench.latency import Found, Timed
from fxbench.loader import Loader
from fxbench.reference_work import Reference
from fxbench.registry import Registry
from fxbench.types import Float32, UInt8
from fxbench.views import Told

Key = tuple[str, str]
"""Kind and name of a component."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The components of a cell that take time.

    Attributes:
        detector: its name.
        kind: of what is scored: `detector`, `landmarker` or `classifier`.
        scored: its name.
        align: how faces are aligned before they are classified, or None.
        landmarker: by whose points.
    """

    detector: str
    kind: str
    scored: str
    align: str | None = None
    landmarker: str | None = None

    @staticmethod
    def of(cell: Cell) -> Chain:
        """That of a cell."""
        by = cell.landmarker if cell.align is not None else None
        return Chain(cell.detector, cell.kind, cell.scored, cell.align, by)

    @property
    def after(self) -> tuple[Key, ...]:
        """The components that are loaded to do what follows detection."""
        keys = [] if self.kind == "detector" else [(self.kind, self.scored)]
        return (*keys, *(() if self.landmarker is None else (("landmarker", self.landmarker),)))

    @property
    def keys(self) -> tuple[Key, ...]:
        """All its components."""
        return tuple(dict.fromkeys((("detector", self.detector), *self.after)))

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def owner(registry: Registry, key: Key) -> Key:
    """What is called: a component, or the analyzer that it shows, by plugin."""
    entry = registry.get(*key)
    source = entry.component.source
    return key if source is None else (entry.plugin.module, source.name)


def follows(registry: Registry, chain: Chain) -> bool:
    """Whether anything takes time after detection, which may have given all in one call."""
    if chain.kind == "detector":
        return False
    own = owner(registry, (chain.kind, chain.scored))
    if own != owner(registry, ("detector", chain.detector)):
        return True
    # What an analyzer tells of a face that is cut out and aligned takes another call.
    return chain.kind == "classifier" and chain.align is not None


@dataclass
class Bench:
    """Components of a process, the images that they are timed on, and what loading them took.

    Attributes:
        registry: what is installed.
        loader: makes components.
        images: RGB uint8 (H, W, 3).
        truth: float32 (N, 4), the true face in each, or None.
        threads: of numerical libraries, and of the reference.
    """

    registry: Registry
    loader: Loader
    images: tuple[UInt8, ...]
    truth: Float32 | None
    threads: int
    _reference: Reference | None = field(default=None, init=False)
    _import_s: float = field(default=0.0, init=False)
    _found: dict[str, dict[int, Float32 | None]] = field(default_factory=dict, init=False)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a request says, with an answer that JSON can hold.

        Args:
            request: `do` and what that needs: `detector` a `name`; `rest` a `chain`, the detector's
                `found` and `detected`; `block` a `chain`, `images` and `repeats`.

        Raises:
            UsageError: there is no such request.
            FxbenchError: a component can't be loaded. What it raises itself comes as it is.
        """
        if request["do"] == "detector":
            timed, found = self.detector(request["name"])
            return {"timed": timed.record(), "found": found.record(), "state": self.state()}
        if request["do"] == "rest":
            found, detected = Found.read(request["found"]), Timed.read(request["detected"])
            rest = self.rest(Chain(**request["chain"]), found, detected)
            return {"timed": None if rest is None else rest.record(), "state": self.state()}
        if request["do"] == "block":
            images, repeats = request["images"], request["repeats"]
            return {"ns": self.block(Chain(**request["chain"]), images, repeats)}
        raise UsageError(f"There is no request {request['do']!r} to a process that times.")

    def load(self, keys: tuple[Key, ...]) -> dict[Key, Any]:
        """The components, made where they aren't yet."""
        made = {}
        for key in keys:
            known = key in self.loader.seconds
            begin = time.perf_counter()
            made[key] = self.loader.get(self.registry.get(*key))
            if not known:
                # All but making the component is importing the libraries that it requires.
                took = time.perf_counter() - begin - self.loader.seconds[key]
                self._import_s += max(0.0, took)
        return made

    def detector(self, name: str) -> tuple[Timed, Found]:
        """Time a detector."""
        made = self.load((("detector", name),))["detector", name]
        return latency.time_detector(made, self.images, self.truth, self._referred())

    def rest(self, chain: Chain, found: Found, detected: Timed) -> Timed | None:
        """Time what follows detection in a chain; None where no face was found."""
        step = self._step(chain, self.load(chain.after))
        return latency.time_rest(step, self.images, found, detected, self._referred())

    def block(self, chain: Chain, images: list[int], repeats: int) -> list[list[int]]:
        """Do a whole chain on images one by one: nanoseconds of each image in each repetition.

        An image without a face takes what its detection takes. One call before isn't counted: the
        process has waited, and its caches belong to others.
        """
        made = self.load(chain.keys)
        detector = made["detector", chain.detector]
        step = self._step(chain, made) if follows(self.registry, chain) else None
        found = self._found.setdefault(chain.detector, {})
        self._once(detector, step, found, images[0])
        return [[self._once(detector, step, found, i) for i in images] for _ in range(repeats)]

    def _once(
        self, detector: Any, step: latency.Step | None, found: dict[int, Float32 | None], i: int
    ) -> int:
        image = (self.images[i],)
        begin = time.perf_counter_ns()
        boxes = detector.detect(image)
        took = time.perf_counter_ns() - begin
        if step is None:
            return took
        if i not in found:
            truth = None if self.truth is None else self.truth[i : i + 1]
            index = int(choose(boxes, 1, truth)[0])
            found[i] = boxes.xyxy[index : index + 1] if index >= 0 else None
        face = found[i]
        return took if face is None else took + sum(step(image, np.zeros(1, np.int64), face))

    def state(self) -> dict[str, Any]:
        """What loading took (`seconds`: kind, name and seconds each), and memory and threads."""
        return {
            "seconds": [[*key, s] for key, s in sorted(self.loader.seconds.items())],
            "import_s": self._import_s,
            "peak_bytes": peak_memory(),
            "threads_found": thread_counts(),
        }

    def _referred(self) -> Reference:
        if self._reference is None:
            self._reference = Reference(self.threads)
        return self._reference

    def _step(self, chain: Chain, made: Mapping[Key, Any]) -> latency.Step:
        """What follows detection."""
        component = made[chain.kind, chain.scored]
        if chain.kind == "landmarker":
            return latency.locate(component)
        if chain.align is not None:
            name = str(chain.landmarker)
            found_by = owner(self.registry, ("detector", chain.detector))
            there = owner(self.registry, ("landmarker", name)) == found_by
            aligning = latency.Aligning(made["landmarker", name], chain.align, there)
            return latency.classify(component, aligning)
        if isinstance(component, Told):
            return latency.tell(component)
        return latency.classify(component)


def peak_memory() -> int | None:
    """The most bytes of memory that this process has held so far; None where nobody knows."""
    # A process inherits what `getrusage` says from the one that started it (Linux keeps the
    # larger of both through exec), but not this.
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
