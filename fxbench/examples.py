"""Sheets of adversarial examples, drawn of a run's first faces where a licence allows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.types import Float32, UInt8

if TYPE_CHECKING:
    from fxbench.cells import Cell
    from fxbench.plan import Plan

FACES = 4
"""How many stand on a sheet."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A face before and after an attack.

    Attributes:
        clean: RGB uint8 (size, size, 3).
        adversarial: likewise.
        label: the right emotion.
        before: the emotion that the classifier saw in the clean face, and its probability.
        after: in the adversarial one.
    """

    clean: UInt8
    adversarial: UInt8
    label: str
    before: tuple[str, float]
    after: tuple[str, float]


class Examples:
    """The first faces that were read rightly when clean, of each classifier and attack.

    One condition of each: behind the plan's first detector, with the largest budget and the
    classifier's own gradients. A dataset that may not be shown has no sheet.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._folder = folder
        self._examples: dict[Cell, list[Example]] = {}
        # Diagrams are an extra; without it a run has none, and that is no failure.
        if find_spec("matplotlib") is None:
            return
        for source in plan.sources:
            if not source.dataset.terms.may_show:
                continue
            attacked = [c for c in plan.runnable(source) if c.attack and c.epsilon]
            largest: dict[tuple[Any, ...], Cell] = {}
            for cell in sorted(attacked, key=lambda cell: cell.epsilon or 0.0):
                about = (cell.classifier, cell.attack, cell.norm, cell.target_label)
                first = cell.detector == attacked[0].detector and cell.align is None
                # Asking a service about a few faces once more would cost money.
                first = first and not plan.sends(cell)
                if first and plan.is_own(cell) and not self._drawn(cell):
                    largest[about] = cell
            self._examples |= {cell: [] for cell in largest.values()}

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Those of which faces are still to be added."""
        return tuple(cell for cell in self._examples if self.wanted(cell))

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> Examples:
        """An empty one for these cells, to be filled elsewhere. It draws nothing."""
        other = cls.__new__(cls)
        other._examples = {cell: [] for cell in cells}  # noqa: SLF001 - it is its own class
        return other

    def found(self) -> dict[Cell, list[Example]]:
        """What has been added."""
        return {cell: examples for cell, examples in self._examples.items() if examples}

    def join(self, found: Mapping[Cell, Sequence[Example]]) -> None:
        """Add what was found elsewhere, as far as it is still wanted."""
        for cell, examples in found.items():
            self._examples[cell] += examples[: self.wanted(cell)]

    def wanted(self, cell: Cell) -> int:
        """How many faces of a cell are still to be added."""
        return FACES - len(self._examples[cell]) if cell in self._examples else 0

    def add(
        self,
        cell: Cell,
        labels: tuple[str | None, ...],
        right: list[int],
        faces: tuple[UInt8, UInt8],
        outputs: tuple[Float32, Float32],
    ) -> None:
        """Add what was attacked and right when clean, as far as it is still wanted.

        Args:
            cell: with the attack.
            labels: of the classifier's outputs.
            right: the index of each face's right emotion, or -1.
            faces: clean and adversarial, uint8 (M, size, size, 3) each.
            outputs: the answers to both, float32 (M, K) each.
        """
        tops = [answers.argmax(axis=1) for answers in outputs]
        for row, emotion in enumerate(right):
            if self.wanted(cell) <= 0:
                return
            if emotion < 0 or labels[tops[0][row]] != EMOTIONS[emotion]:
                continue
            said = [
                (labels[top[row]] or "other", float(answers[row, top[row]]))
                for top, answers in zip(tops, outputs, strict=True)
            ]
            clean, adversarial = (images[row].copy() for images in faces)
            label = EMOTIONS[emotion]
            self._examples[cell].append(Example(clean, adversarial, label, said[0], said[1]))

    def draw(self) -> list[Path]:
        """Write the sheets, and return where.

        Raises:
            StoreError: one can't be written.
        """
        filled = {cell: examples for cell, examples in self._examples.items() if examples}
        if not filled:
            return []
        from fxbench.plots_robustness import Answer, sheet

        paths = []
        for cell, examples in filled.items():
            title = f"{cell.attack} on {cell.classifier}, {cell.norm}, epsilon {_budget(cell)}"
            if cell.target_label:
                title += f", towards {cell.target_label}"
            paths.append(
                sheet(
                    np.stack([example.clean for example in examples]),
                    np.stack([example.adversarial for example in examples]),
                    self._path(cell),
                    labels=[example.label for example in examples],
                    before=[Answer(*example.before) for example in examples],
                    after=[Answer(*example.after) for example in examples],
                    title=title,
                )
            )
        return paths

    def _drawn(self, cell: Cell) -> bool:
        return self._path(cell).is_file()

    def _path(self, cell: Cell) -> Path:
        parts = [cell.dataset, cell.classifier, cell.attack, cell.norm, _budget(cell)]
        if cell.target_label:
            parts.append(cell.target_label)
        return self._folder / f"{'-'.join(str(part).replace('/', 'of') for part in parts)}.png"


def _budget(cell: Cell) -> str:
    from fxbench.tabular import format_epsilon

    return format_epsilon(cell.epsilon)
