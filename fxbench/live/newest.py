"""One thing that is replaced again and again by one thread, and taken by others."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """The newest of what was put here: what came before it and was not taken is lost."""

    def __init__(self) -> None:
        """Of nothing."""
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._number = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._closed

    @property
    def number(self) -> int:
        """Of the newest; 0 where nothing came yet."""
        return self._number

    def put(self, item: Item) -> None:
        """Put something newer here."""
        with self._changed:
            self._item = item
            self._number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing comes any more: who waits need not."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def peek(self) -> Item | None:
        """The newest, or None where nothing came yet."""
        with self._changed:
            return self._item

    def after(self, number: int, timeout_s: float) -> tuple[int, Item] | None:
        """Wait for something newer.

        Args:
            number: of what was taken last; 0 for nothing.
            timeout_s: how long to wait.

        Returns:
            Its number and it; None where nothing newer came.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._number > number or self._closed, timeout_s)
            if self._item is None or self._number <= number:
                return None
            return self._number, self._item
