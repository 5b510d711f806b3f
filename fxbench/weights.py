"""Weight files: where they are looked for and whether they are the right ones."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from fxbench.component import Component, Weights
from fxbench.errors import WeightsError

SEARCH_PATH = "FXBENCH_WEIGHTS"


def search(name: str) -> Path | None:
    """The file `name` in the folders of `FXBENCH_WEIGHTS` or their subfolders, if it is there."""
    for folder in os.environ.get(SEARCH_PATH, "").split(os.pathsep):
        if folder:
            for path in sorted(Path(folder).expanduser().rglob(name)):
                if path.is_file():
                    return path
    return None


def sha256(path: Path) -> str:
    """The hexadecimal sha256 of a file, remembered while its size and time stay the same."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _located(component: Component, weights: Weights) -> Path | None:
    try:
        return weights.locate()
    except Exception as error:
        raise WeightsError(
            f"Looking for the weights {weights.name} of {component.name} failed: {error}"
        ) from error


def check(component: Component) -> dict[str, dict[str, str]]:
    """The sha256 of each weight file of a component, and whether that is the declared one.

    Returns:
        For each file name `{"sha256": …, "state": "verified" | "unverified"}`; unverified where
        the component doesn't know the right one.

    Raises:
        WeightsError: a file is missing or is not the one that was declared.
    """
    record = {}
    for weights in component.weights:
        path = _located(component, weights)
        if path is None or not path.is_file():
            raise WeightsError(
                f"{component.name} needs the weights {weights.name}, which are not there: "
                f"{weights.mend}"
            )
        try:
            digest = sha256(path)
        except OSError as error:
            raise WeightsError(
                f"{path}, which {component.name} needs, can't be read: {error.strerror or error}."
            ) from error
        if weights.sha256 is not None and digest != weights.sha256:
            raise WeightsError(
                f"{path} has the sha256 {digest}, but {component.name} expects {weights.sha256}: "
                f"the file is damaged or another one. {weights.mend}"
            )
        state = "unverified" if weights.sha256 is None else "verified"
        record[weights.name] = {"sha256": digest, "state": state}
    return record
