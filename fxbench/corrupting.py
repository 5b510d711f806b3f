"""Which corruptions a plan has, and by whose landmarks those that need them are placed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fxbench.selection import Chosen, Reason, Selection, choose, ready
from fxbench.sources import Source

if TYPE_CHECKING:
    from fxbench.cells import Cell
    from fxbench.options import Options
    from fxbench.registry import Entry, Registry


@dataclass(frozen=True, slots=True)
class Corruptions:
    """All corruptions of a plan.

    Attributes:
        chosen: those that were asked for.
        severities: of each.
        placer: the landmarker by whose points they are placed where the dataset has no true ones;
            None where none is ready.
        baselines: the classifiers that others' errors are divided by.
    """

    chosen: tuple[Chosen, ...] = ()
    severities: tuple[int, ...] = ()
    placer: Chosen | None = None
    baselines: tuple[Chosen, ...] = ()

    def on(
        self, clean: Cell, classifier: Entry, source: Source
    ) -> Iterator[tuple[Cell, Chosen, Reason | None]]:
        """The cells of a classifier on corrupted pictures, each with why it can't be run.

        Args:
            clean: its cell on the pictures as they are.
            classifier: whose cells. Floors and recorded answers have none.
            source: the images.
        """
        if clean.align is not None or classifier.component.traits & {"floor", "recorded"}:
            return
        for chosen in self.chosen:
            placed = "placed" in chosen.entry.component.traits and not source.dataset.scheme
            landmarker = self.placer.entry.name if placed and self.placer else None
            reason = chosen.reason
            if reason is None and placed and landmarker is None:
                reason = Reason(
                    "no landmarks",
                    f"{chosen.entry.name} is placed by landmarks, and no landmarker is ready.",
                    "pip install 'fxbench[dlib]'",
                )
            for severity in self.severities:
                cell = replace(
                    clean,
                    corruption=chosen.entry.name,
                    severity=severity,
                    landmarker=landmarker,
                )
                yield cell, chosen, reason


def corruptions(
    registry: Registry,
    options: Options,
    selection: Selection,
    left_out: list[tuple[Entry, Reason]],
) -> Corruptions:
    """The corruptions that were asked for; none where nobody named any.

    Raises:
        UsageError: an unknown name.
    """
    named = tuple(name for name in selection.corruptions or () if name != "none")
    if not named:
        return Corruptions()
    chosen = choose(registry, options, "corruption", named, left_out)
    landmarkers = [
        one
        for one in choose(registry, options, "landmarker", selection.landmarkers, [])
        if one.reason is None
        and "floor" not in one.entry.component.traits
        # Where something is put before a face is no reason to send the picture away.
        and not one.entry.component.sends
    ]
    baselines = [
        Chosen(entry, None, named=False)
        for entry in registry.of_kind("classifier")
        if "baseline" in entry.component.traits and ready(entry, options)
    ]
    severities = tuple(dict.fromkeys(selection.severities))
    placer = landmarkers[0] if landmarkers else None
    return Corruptions(tuple(chosen), severities, placer, tuple(baselines))
