"""Weight files: where they are looked for and whether they are the right ones."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from fxbench import environment
from fxbench.acceptance import accepted
from fxbench.component import Component, Weights
from fxbench.errors import WeightsError

SEARCH_PATH = "FXBENCH_WEIGHTS"

MANIFEST = "weights.json"
"""Beside the weights that come with a package: `{"NAME": {"sha256": …, "bytes": …}}`."""


State = Literal["verified", "accepted", "unverified", "damaged", "missing", "unreadable"]


@dataclass(frozen=True, slots=True)
class Inspected:
    """A weight file as it lies on disk, compared with its declaration.

    Attributes:
        state: `verified`: it has the declared sha256. `accepted`: none is declared, and a person
            has accepted these contents. `unverified`: none is declared, and nobody has accepted
            any. `damaged`: another size or sha256 than declared or accepted. `missing`.
            `unreadable`: the file, or the search for it, fails.
        path: where it lies; None where it was not found.
        bytes: its size; None where that was not read.
        sha256: of its contents, hexadecimal; None where that was not computed.
        why: the end of a sentence that begins with the file, where it can't be used or where there
            is something to be said; else empty.
        accepted: when a person accepted these contents; empty where nobody did.
    """

    state: State
    path: Path | None = None
    bytes: int | None = None
    sha256: str | None = None
    why: str = ""
    accepted: str = ""

    @property
    def usable(self) -> bool:
        """Whether the file may be loaded."""
        return self.state in ("verified", "accepted", "unverified")


def plain_name(name: str) -> str:
    """`name`, once it is known to be that of a file and no path.

    Raises:
        WeightsError: it leads to another folder, or can't be a file's name.
    """
    if name in ("", ".", "..") or not name.isprintable() or set(name) & set('/\\:*?"<>|'):
        raise WeightsError(
            f"{name!r} is no plain file name: weights are declared by the name of the file alone, "
            "such as 'model.onnx', without a folder."
        )
    return name


def store_folder() -> Path:
    """Where `fxbench weights fetch` puts files."""
    return environment.cache_folder() / "weights"


def deepface_folder() -> Path:
    """Where DeepFace keeps its files, which others load too."""
    return Path(os.environ.get("DEEPFACE_HOME") or Path.home()) / ".deepface" / "weights"


def search(name: str) -> Path | None:
    """The file `name`, if it is there.

    It is looked for in the folders of `FXBENCH_WEIGHTS`, in their order and each with its
    subfolders, then in the store, then where DeepFace keeps its files.

    Raises:
        WeightsError: `name` is no plain file name.
    """
    plain_name(name)
    for folder in _named_folders():
        found = [Path(parent) / name for parent, _, files in os.walk(folder) if name in files]
        for path in sorted(found):
            if path.is_file():
                return path
    for folder in (store_folder(), deepface_folder()):
        if (folder / name).is_file():
            return folder / name
    return None


def _named_folders() -> list[Path]:
    named = os.environ.get(SEARCH_PATH, "").split(os.pathsep)
    return [Path(folder).expanduser() for folder in named if folder]


def sha256(path: Path) -> str:
    """The hexadecimal sha256 of a file, remembered while its size and time stay the same."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


def forget() -> None:
    """Forget what :func:`sha256` remembers, so that contents are read again."""
    _sha256.cache_clear()


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


def inspect(declared: Weights) -> Inspected:
    """Look for a weight file and compare it with its declaration. Nothing is raised or loaded."""
    try:
        path = declared.locate()
        if path is None or not path.is_file():
            return Inspected("missing", why=f"was not found{f' at {path}' if path else ''}")
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return Inspected("unreadable", why=f"could not be looked for: {error}")
    try:
        size = path.stat().st_size
        fault = wrong_size(declared, path)
        if fault:
            return Inspected("damaged", path, size, why=fault)
        digest = sha256(path)
    except OSError as error:
        return Inspected("unreadable", path, why=f"can't be read: {error.strerror or error}")
    if declared.sha256 is None:
        return _by_acceptance(declared.name, path, size, digest)
    if digest != declared.sha256.lower():
        return Inspected(
            "damaged",
            path,
            size,
            digest,
            f"has the sha256 {digest}, but its declaration expects {declared.sha256}: the file is "
            f"damaged or another one{_advice(declared, path)}",
        )
    return Inspected("verified", path, size, digest)


def wrong_size(declared: Weights, path: Path) -> str:
    """What is wrong with a file by its size, which costs no reading; empty where nothing is.

    Returns:
        The end of a sentence that begins with the file.

    Raises:
        OSError: the file is not there.
    """
    if declared.bytes is None:
        return ""
    size = path.stat().st_size
    if size == declared.bytes:
        return ""
    fault = "cut off" if size < declared.bytes else "damaged or another one"
    return (
        f"has {size:,} bytes, but its declaration expects {declared.bytes:,}: the file is {fault}"
        f"{_advice(declared, path)}"
    )


def in_the_way(declared: Weights, path: Path) -> bool:
    """Whether a wrong file at `path` may be found before a fetched one."""
    if path == store_folder() / declared.name:
        return False
    return declared.url is not None or any(path.is_relative_to(f) for f in _named_folders())


def _advice(declared: Weights, path: Path) -> str:
    return ". Delete or replace that file first" if in_the_way(declared, path) else ""


def _by_acceptance(name: str, path: Path, size: int, digest: str) -> Inspected:
    """The state of a file whose right sha256 nobody declares."""
    try:
        known = accepted(name)
    except WeightsError as error:
        # Without the record nothing counts as accepted, which is the cautious answer.
        return Inspected("unverified", path, size, digest, f"may have been accepted, but {error}")
    for acceptance in known:
        if acceptance.sha256 == digest:
            return Inspected("accepted", path, size, digest, accepted=acceptance.when)
    if not known:
        return Inspected("unverified", path, size, digest)
    last = known[-1]
    return Inspected(
        "damaged",
        path,
        size,
        digest,
        f"has the sha256 {digest}, but what was accepted on {last.when[:10]} had {last.sha256}: "
        f"the file has changed. If the new one is right, {accept_command(name)}",
    )


def accept_command(name: str) -> str:
    """The command with which a person accepts a file as it is."""
    return f"fxbench weights verify {shlex.quote(name)} --accept"


def verified(component: str, weights: Weights) -> Path:
    """The path of a component's weight file, once its contents are known to be the declared ones.

    Raises:
        WeightsError: the file is missing, or is not the one that was declared or accepted.
    """
    found = inspect(weights)
    if found.path is None or not found.usable:
        raise WeightsError(_refusal(component, weights, found))
    return found.path


def _refusal(component: str, weights: Weights, found: Inspected) -> str:
    if found.state == "missing":
        return f"{component} needs its weights: {weights.name} {found.why}. {weights.mend}"
    return (
        f"{component} doesn't load its weights: {found.path or weights.name} {found.why}. "
        f"{weights.mend}"
    )


def check(component: Component) -> dict[str, dict[str, str]]:
    """The sha256 of each weight file of a component, and whether that is the declared one.

    Returns:
        For each file name `{"sha256": …, "state": "verified" | "accepted" | "unverified"}`; the
        last two where the component doesn't know the right one: see :class:`Inspected`.

    Raises:
        WeightsError: a file is missing, or is not the one that was declared or accepted.
    """
    record: dict[str, dict[str, str]] = {}
    for weights in component.weights:
        found = inspect(weights)
        if found.sha256 is None or not found.usable:
            raise WeightsError(_refusal(component.name, weights, found))
        record[weights.name] = {"sha256": found.sha256, "state": found.state}
    return record
