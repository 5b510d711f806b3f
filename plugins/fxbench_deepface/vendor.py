"""Saying in one sentence what DeepFace says in a traceback, and what mends it."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from fxbench.errors import FxbenchError, UnavailableError
from fxbench.loader import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = "0.0.103"
"""The release of DeepFace that this plugin was written for."""

MEND = f"pip install 'fxbench[deepface]' 'deepface=={KNOWN}'"


@contextmanager
def speaking_for(what: str, mend: str = MEND) -> Iterator[None]:
    """Turn whatever DeepFace raises into an error with its words and the command that mends it.

    DeepFace, TensorFlow and Keras warn of one another's old interfaces: that is kept quiet.

    Args:
        what: is being loaded.
        mend: a command.

    Raises:
        UnavailableError: something within was raised that is no FxbenchError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except FxbenchError:
        raise
    except Exception as error:
        # A vendor may raise anything.
        raise UnavailableError(
            f"{what} can't be loaded; DeepFace {_version()} says: {one_line(error)}. "
            f"What may mend it: {mend}"
        ) from error


def _version() -> str:
    try:
        return version("deepface")
    except PackageNotFoundError:
        return "of an unknown version"
