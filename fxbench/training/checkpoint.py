"""The state of a training between two epochs, in one file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.errors import DataError, StoreError, UsageError
from fxbench.files import write_atomic

_SCHEMA = 1
Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A training after some epochs.

    Attributes:
        epoch: how many are done.
        model: all variables of the network, those of its random generators included.
        optimizer: those of the optimizer.
        average: the averaged weights.
        steps: how often they were averaged.
        history: one record for each epoch.
    """

    epoch: int
    model: Arrays
    optimizer: Arrays
    average: Arrays
    steps: int
    history: list[dict[str, Any]]


def save(path: Path, checkpoint: Checkpoint, identity: dict[str, Any]) -> None:
    """Write it, atomically.

    Args:
        path: the file.
        checkpoint: what to write.
        identity: what another training must have in common to go on with it, as JSON.

    Raises:
        StoreError: the disk is full, or the folder can't be written.
    """
    arrays: dict[str, Any] = {}
    for part in ("model", "optimizer", "average"):
        for i, array in enumerate(getattr(checkpoint, part)):
            arrays[f"{part}.{i}"] = array
    head = {
        "schema": _SCHEMA,
        "identity": identity,
        "epoch": checkpoint.epoch,
        "steps": checkpoint.steps,
        "history": checkpoint.history,
    }
    buffer = io.BytesIO()
    np.savez(buffer, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays)
    try:
        write_atomic(path, buffer.getvalue())
    except StoreError as error:
        raise StoreError(
            f"The checkpoint {path} could not be written ({error.__cause__}): make room, and give "
            "the same command with --resume. It goes on behind the last epoch that was kept."
        ) from error


def load(path: Path, identity: dict[str, Any]) -> Checkpoint:
    """Read it again.

    Raises:
        DataError: the file is missing or damaged.
        UsageError: it is of another training.
    """
    if not path.is_file():
        raise DataError(
            f"There is no checkpoint {path} to go on from: leave --resume out to begin anew."
        )
    try:
        # From memory: NumPy leaves a damaged file open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            parts: dict[str, Arrays] = {}
            for part in ("model", "optimizer", "average"):
                count = sum(name.startswith(f"{part}.") for name in file.files)
                parts[part] = [file[f"{part}.{i}"] for i in range(count)]
            schema = head["schema"]
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"The checkpoint {path} is damaged ({error}): leave --resume out to begin anew."
        ) from error
    if schema != _SCHEMA:
        raise DataError(
            f"The checkpoint {path} has the schema {schema}, this version reads {_SCHEMA}: go on "
            "with the version of fxbench that wrote it, or leave --resume out to begin anew."
        )
    differing = _differing(head["identity"], identity)
    if differing:
        raise UsageError(
            f"The checkpoint {path} is of another training: {differing}. Give the same command "
            "again, or leave --resume out to begin anew."
        )
    return Checkpoint(head["epoch"], **parts, steps=head["steps"], history=head["history"])


def restore(variables: Sequence[Any], values: Arrays) -> None:
    """Give Keras variables their saved values.

    Raises:
        DataError: they don't fit.
    """
    if len(variables) != len(values):
        raise DataError(
            f"The checkpoint holds {len(values)} arrays where {len(variables)} are expected: it is "
            "of another version of Keras or of the network. Leave --resume out to begin anew."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _differing(saved: dict[str, Any], now: dict[str, Any], prefix: str = "") -> str:
    """What differs between two records, in words."""
    found = []
    for key in sorted(saved.keys() | now.keys()):
        a, b = saved.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            inner = _differing(a, b, f"{prefix}{key}.")
            found += [inner] if inner else []
        elif a != b:
            found.append(f"{prefix}{key} was {a}, now it is {b}")
    return ", ".join(found)
