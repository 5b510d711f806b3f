"""Runs an iterator in a thread of its own, a few items ahead of whoever consumes it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], depth: int = 3) -> Generator[Item, None, None]:
    """The same items; at most `depth` of them wait. An exception of `items` is raised here.

    Closing the generator (leaving its loop) stops the thread.
    """
    waiting: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(depth)
    stop = threading.Event()

    def put(entry: tuple[Item | None, BaseException | None, bool]) -> None:
        while not stop.is_set():
            try:
                waiting.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return

    def fill() -> None:
        try:
            for item in items:
                put((item, None, False))
                if stop.is_set():
                    return
            put((None, None, True))
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            put((None, error, True))

    thread = threading.Thread(target=fill, name="fxbench-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = waiting.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
