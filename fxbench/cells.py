"""Cells: the combinations that a plan consists of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fxbench.keys import digest
from fxbench.selection import Reason
from fxbench.sources import Source


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. An axis that is None is at its default and left out of the record.

    With a spotter it is about expressions in videos, else with a classifier about emotions, else
    with a landmarker about its points, else about the detector's boxes. A classifier's cell has a
    landmarker where faces are aligned, or something is put onto them, by its points; a spotter's
    has the landmarker and the classifier that it wants answers of.

    In videos, faces may be looked for in every k-th frame alone (`every`), and a classifier's
    answers be smoothed over so many seconds (`smoothing`).
    """

    dataset: str
    split: str
    protocol: str
    detector: str
    classifier: str | None = None
    landmarker: str | None = None
    attack: str | None = None
    norm: str | None = None
    epsilon: float | None = None
    surrogate: str | None = None
    align: str | None = None
    target_label: str | None = None
    subset: int | None = None
    corruption: str | None = None
    severity: int | None = None
    spotter: str | None = None
    every: int | None = None
    smoothing: float | None = None

    @property
    def axes(self) -> dict[str, Any]:
        """The axes that are not at their default."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in record.items() if value is not None}

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits, the same in every run."""
        return digest(self.axes)[:12]

    @property
    def kind(self) -> str:
        """The kind of component that it scores."""
        if self.spotter is not None:
            return "spotter"
        if self.classifier is not None:
            return "classifier"
        return "detector" if self.landmarker is None else "landmarker"

    @property
    def scored(self) -> str:
        """The name of the component that it scores."""
        return self.spotter or self.classifier or self.landmarker or self.detector

    @property
    def clean(self) -> Cell:
        """The same without an attack and without a corruption: what its result is measured by."""
        defaults: dict[str, Any] = dict.fromkeys((*_ATTACK, "corruption", "severity"))
        if self.corruption is not None:
            defaults["landmarker"] = None
        return replace(self, **defaults)

    @property
    def scene(self) -> Scene:
        """Where its faces are looked for, and by whom."""
        placer = self.landmarker if self.corruption is not None else None
        return Scene(self.detector, self.corruption, self.severity, placer, self.every)

    @property
    def attack_axes(self) -> dict[str, Any]:
        """What is done to faces before they are classified; None where nothing is."""
        return {axis: getattr(self, axis) for axis in _ATTACK}


_ATTACK = ("attack", "norm", "epsilon", "surrogate", "target_label", "subset")


@dataclass(frozen=True, slots=True)
class Scene:
    """The pictures in which a detector looks for faces.

    Attributes:
        detector: its name.
        corruption: what is done to the pictures before; None for pictures as they are.
        severity: of the corruption.
        landmarker: by whose points it is placed, in the boxes that the detector finds in the
            picture as it is; None where it isn't placed, or by the dataset's true points.
        every: of a video, the detector looks at every so many frames and faces are followed through
            those between; None for each frame.
    """

    detector: str
    corruption: str | None = None
    severity: int | None = None
    landmarker: str | None = None
    every: int | None = None

    @property
    def unchanged(self) -> Scene:
        """The same pictures as they are."""
        return Scene(self.detector, every=self.every)


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell with its place in the plan.

    Attributes:
        reason: why it is not run; None where it is.
        status: `planned`, `skipped` or `failed`.
        asked: False where the reason for skipping follows from the kinds alone (no gradient) or
            from a component that nobody named, so that the exit status stays 0.
    """

    cell: Cell
    reason: Reason | None = None
    status: str = "planned"
    asked: bool = True


def belongs(cell: Cell, source: Source) -> bool:
    """Whether the cell is about the images of that source."""
    return (cell.dataset, cell.split, cell.protocol) == (
        source.entry.name,
        source.split,
        source.protocol,
    )


def components(cell: Cell) -> list[tuple[str, str]]:
    """Kind and name of the components that a cell's result depends on, its dataset apart."""
    names = [
        ("detector", cell.detector),
        ("landmarker", cell.landmarker),
        ("classifier", cell.classifier),
        ("attack", cell.attack),
        ("classifier", cell.surrogate),
        ("corruption", cell.corruption),
        ("spotter", cell.spotter),
    ]
    return list(dict.fromkeys((kind, name) for kind, name in names if name is not None))
