"""What both of MediaPipe's tasks need."""

from __future__ import annotations

import re
import warnings
import weakref
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.errors import DataError, UnavailableError, UsageError
from fxbench.loader import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from fxbench.types import UInt8

_LAST_SILENT = (0, 10, 33)
"""The last release whose library opens no connection. 0.10.35 sends figures of its use to Google
(https://github.com/google-ai-edge/mediapipe/issues/6291), and the notices of 1.x say so."""


def import_mediapipe(name: str, confidence: float, *, allow_metrics: bool) -> Any:
    """The module `mediapipe`.

    Args:
        name: of the component, for messages.
        confidence: its option.
        allow_metrics: whether a release that sends figures of its use may be loaded.

    Raises:
        UsageError: the confidence is out of its range.
        UnavailableError: a release that sends figures of its use, without leave.
    """
    if not 0.0 <= confidence <= 1.0:
        raise UsageError(
            f"{name} got the confidence {confidence}; a number from 0 to 1 is expected."
        )
    found = version("mediapipe")
    if not allow_metrics and _numbers(found) > _LAST_SILENT:
        raise UnavailableError(
            f"{name} doesn't load MediaPipe {found}, which sends figures of its use to Google: pip "
            f"install 'fxbench[mediapipe]', or allow that by --set {name}.allow_metrics=true"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mediapipe
        from mediapipe.tasks.python import vision  # noqa: F401 - to be had as an attribute
    return mediapipe


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release)[:3])


def opened(owner: object, what: str, make: Callable[[], Any]) -> Any:
    """A task that is closed with its owner, if that goes before the program ends.

    Raises:
        DataError: MediaPipe can't load the model.
    """
    try:
        task = make()
    except (RuntimeError, ValueError) as error:
        raise DataError(f"MediaPipe can't load {what}: {one_line(error)}") from error
    weakref.finalize(owner, _close, task)
    return task


def _close(task: Any) -> None:
    try:
        task.close()
    except RuntimeError:
        # The program ends and has stopped the threads that MediaPipe closes with. Without this it
        # would try again when the task is collected, and say that it can't.
        task._handle = None  # noqa: SLF001


def picture(mediapipe: Any, image: UInt8) -> Any:
    """An RGB image uint8 (H, W, 3) as MediaPipe takes it."""
    return mediapipe.Image(
        image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
    )
