"""What people ask for because it was there once. This module imports the standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from fxbench.errors import PluginError


@dataclass(frozen=True, slots=True)
class Retired:
    """A component that a vendor had once, or that people expect of it, and why it can't be had.

    A hook returns it among its components. It stands in no list and runs in no plan: who asks for
    it by its name is told the reason.

    Attributes:
        name: what people ask for; another component of the kind may have it, which then counts.
        reason: whole sentences: who retired it and when, and what to take instead.
    """

    name: str
    reason: str

    def __post_init__(self) -> None:
        if not self.name or not self.reason:
            raise PluginError(
                f"{self!r} must have a name that people ask for and a reason why it can't be had."
            )
