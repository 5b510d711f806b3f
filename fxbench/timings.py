"""Times the chains of a run, and puts a summary into each cell's record."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from fxbench import latency
from fxbench.cells import Cell, belongs, components
from fxbench.errors import FxbenchError, StoreError
from fxbench.loader import Loader, one_line
from fxbench.plan import Plan
from fxbench.progress import Observer
from fxbench.sources import Source
from fxbench.store import RunFolder
from fxbench.types import Batch
from fxbench.views import Told

_log = logging.getLogger("fxbench")


class Timings:
    """Times what the run's folder holds no samples of yet."""

    def __init__(self, plan: Plan, loader: Loader, folder: RunFolder, observer: Observer) -> None:
        self._plan = plan
        self._loader = loader
        self._folder = folder
        self._observer = observer

    def add(self, source: Source, records: list[dict[str, Any]]) -> None:
        """Put `latency` into every record of a clean cell that has a result.

        Recorded answers have nothing to time, and nothing is sent away for it. Where timing fails,
        the record gets `latency_error` and keeps its scores.
        """
        sample: Batch | None = None
        detections: dict[str, latency.Detections] = {}
        by_id = {p.cell.id: p.cell for p in self._plan.cells if belongs(p.cell, source)}
        timed = [
            (record, by_id[record["id"]], self._folder.read_latency(record["id"]))
            for record in records
            if record["status"] == "ok" and self._can_be_timed(by_id[record["id"]])
        ]
        lacking = sum(known is None for _, _, known in timed)
        done = 0
        for record, cell, stored in timed:
            known = stored
            if known is None:
                done += 1
                self._observer.note(f"Timing {done} of {lacking}: {_described(cell)}")
                try:
                    sample = sample or latency.sample_images(source)
                    known = self._time(cell, sample, detections)
                except StoreError:
                    raise
                except (Exception, SystemExit) as error:  # noqa: BLE001 - plugins raise anything
                    _log.debug("Timing failed", exc_info=True)
                    text = str(error) if isinstance(error, FxbenchError) else one_line(error)
                    record["latency_error"] = text
                    continue
            columns, meta = known
            timings = latency.summary(columns)
            if timings is not None:
                record["latency"] = timings | meta["load"] | {"threads": meta["threads"]}

    def _can_be_timed(self, cell: Cell) -> bool:
        if cell != cell.clean or self._plan.sends(cell) or cell.kind == "spotter":
            return False
        # How often faces are looked for, and what is made of answers, changes no image's time.
        if cell.every is not None or cell.smoothing is not None:
            return False
        if cell.classifier is None:
            return True
        traits = self._plan.registry.get("classifier", cell.classifier).component.traits
        return "recorded" not in traits

    def _time(
        self, cell: Cell, sample: Batch, detections: dict[str, latency.Detections]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        keys = components(cell)
        made = {key: self._loader.get(self._plan.registry.get(*key)) for key in keys}
        if cell.detector not in detections:
            detector = made["detector", cell.detector]
            detections[cell.detector] = latency.time_detector(detector, sample)
        found = detections[cell.detector]
        columns: dict[str, Any]
        if cell.kind == "detector":
            columns = latency.detection_alone(sample, found)
        else:
            columns = latency.time_chain(self._step(cell, made), sample, found)
        seconds = {key: self._loader.seconds[key] for key in keys}
        meta = {
            "axes": cell.axes,
            "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
            "load": {
                "detect_load_s": seconds["detector", cell.detector],
                "classify_load_s": seconds.get((cell.kind, cell.scored), 0.0)
                if cell.kind != "detector"
                else 0.0,
                "load_s": sum({self._owner(key): s for key, s in seconds.items()}.values()),
            },
        }
        self._folder.write_latency(cell.id, columns, meta)
        return columns, meta

    def _step(self, cell: Cell, made: Mapping[tuple[str, str], Any]) -> latency.Step:
        """What follows detection in a cell."""
        component = made[cell.kind, cell.scored]
        found_by = self._owner(("detector", cell.detector))
        of_one_call = self._owner((cell.kind, cell.scored)) == found_by
        if cell.kind == "landmarker":
            return latency.nothing_more if of_one_call else latency.locate(component)
        if cell.align is not None:
            name = str(cell.landmarker)
            there = self._owner(("landmarker", name)) == found_by
            aligning = latency.Aligning(made["landmarker", name], cell.align, there)
            return latency.classify(component, aligning)
        if isinstance(component, Told):
            return latency.nothing_more if of_one_call else latency.tell(component)
        return latency.classify(component)

    def _owner(self, key: tuple[str, str]) -> tuple[str, str]:
        """What is called: a component, or the analyzer that it shows, by plugin."""
        entry = self._plan.registry.get(*key)
        source = entry.component.source
        return key if source is None else (entry.plugin.module, source.name)


def _described(cell: Cell) -> str:
    behind = "" if cell.kind == "detector" else f" behind {cell.detector}"
    return f"{cell.scored}{behind}{'' if cell.align is None else f' ({cell.align})'}"
