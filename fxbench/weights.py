"""Weight files: where they are looked for and whether they are the right ones."""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from fxbench.component import Component, Weights
from fxbench.errors import WeightsError

SEARCH_PATH = "FXBENCH_WEIGHTS"

MANIFEST = "weights.json"
"""Beside the weights that come with a package: `{"NAME": {"sha256": …, "bytes": …}}`."""


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


def shipped(folder: Path, name: str, *, mend: str, source: str = "", licence: str = "") -> Weights:
    """A weight file that comes with a package, its sha256 read from the manifest beside it.

    Args:
        folder: where the file and :data:`MANIFEST` lie.
        name: the file's name. One that the manifest doesn't list counts as missing.
        mend: see :class:`fxbench.component.Weights`, also for the others.
        source: where the file comes from.
        licence: of the weights.

    Raises:
        WeightsError: the manifest is no such file.
    """
    record = manifest(folder).get(name, {})
    locate = partial(_beside, folder / name, listed=bool(record))
    return Weights(name, locate, record.get("sha256"), mend, source, licence)


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """What the manifest in `folder` says of each file; nothing where there is none.

    Raises:
        WeightsError: it can't be read.
    """
    path = folder / MANIFEST
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is no readable list of weights: {error}") from error
    if not isinstance(record, dict) or not all(isinstance(r, dict) for r in record.values()):
        raise WeightsError(f"{path} must be an object with one object for each weight file.")
    return record


def _beside(path: Path, *, listed: bool) -> Path | None:
    return path if listed and path.is_file() else None


def verified(component: str, weights: Weights) -> Path:
    """The path of a component's weight file, once its contents are known to be the declared ones.

    Raises:
        WeightsError: the file is missing, or is not the one that was declared.
    """
    path = weights.locate()
    if path is None or not path.is_file():
        raise WeightsError(
            f"The weights of {component} were not found{f' at {path}' if path else ''}: the file "
            f"{weights.name} is expected. {weights.mend}"
        )
    found = sha256(path)
    if weights.sha256 is not None and found != weights.sha256:
        raise WeightsError(
            f"The weights of {component}, {path}, have the sha256 {found}, but {weights.sha256} "
            f"was expected. {weights.mend}"
        )
    return path


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
