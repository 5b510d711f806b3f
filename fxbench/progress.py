"""What a run tells whoever watches it. The library itself prints nothing."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Watches a run."""

    def start(self, units: int, cells: int, gradients: int = 0, queries: int = 0) -> None:
        """The run begins.

        Args:
            units: of work, each an image through one stage.
            cells: that they are for.
            gradients: that attacks will take at most, each for one face.
            queries: that black-box attacks will make at most.
        """
        ...

    def called(self, gradients: int, queries: int) -> None:
        """Attacks have taken so many gradients, and made so many queries."""
        ...

    def advance(self, units: int, what: str) -> None:
        """So many units are done; `what` says in a few words what they were."""
        ...

    def cell_done(self) -> None:
        """A cell has its result."""
        ...

    def note(self, text: str) -> None:
        """Something that a person should know, one sentence."""
        ...


class Silent:
    """An observer that tells nobody."""

    def start(self, units: int, cells: int, gradients: int = 0, queries: int = 0) -> None:
        """Do nothing."""

    def called(self, gradients: int, queries: int) -> None:
        """Do nothing."""

    def advance(self, units: int, what: str) -> None:
        """Do nothing."""

    def cell_done(self) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
