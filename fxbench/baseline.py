"""A baseline: what a gate measures a run by, as a file that reads well in a review.

One line for each number and one for each image, in a fixed order, so that a diff shows which
numbers moved and which images are answered differently.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.answers import NOT_ASKED, Answered
from fxbench.errors import SchemaError, UsageError
from fxbench.files import write_atomic
from fxbench.labels import EMOTIONS
from fxbench.metrics.classification import NOT_FOUND, OTHER
from fxbench.sides import PLACE, Side, called, combination, estimates, place
from fxbench.tabular import escape_halves

if TYPE_CHECKING:
    from fxbench.sides import Record
    from fxbench.types import Int64

SCHEMA = 1
LETTERS = {
    "n": "neutral",
    "h": "happiness",
    "u": "surprise",
    "s": "sadness",
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "c": "contempt",
    "?": "other",
    "-": "not found",
    ".": "not asked, or no label",
}
"""What the letters of an image's line mean: its label, then the answer of each cell."""
_CODES = {letter: EMOTIONS.index(name) for letter, name in LETTERS.items() if name in EMOTIONS}
_CODES |= {"?": OTHER, "-": NOT_FOUND, ".": NOT_ASKED}
_LETTERS = {code: letter for letter, code in _CODES.items()}
_DIGITS = 6
"""Decimals of a metric, one image among a million; of a time all digits that are kept."""
_LINE_EACH = ("environment", "components", "letters", "columns", "images")
"""What has a line for each entry, though the entries are plain."""
_RECKONED = ("reference_p50", "reference_low", "reference_high")
"""What is compared of a latency."""
_ENVIRONMENT = ("fxbench", "python", "platform", "machine", "cpu", "threads")


def baseline_text(side: Side) -> str:
    """The content of the file.

    Args:
        side: a run. Its cells without a result are left out.

    Raises:
        UsageError: no cell has a result.
    """
    cells = {key: cell for key, cell in side.cells.items() if cell["status"] == "ok"}
    if not cells:
        raise UsageError(f"{side.name} has no cell with a result: there is nothing to gate by.")
    used = {place(cell)[0] for cell in cells.values()}
    record = {
        "schema": SCHEMA,
        "run": side.name,
        "environment": {name: side.environment.get(name) for name in _ENVIRONMENT},
        "datasets": {
            name: {key: about.get(key) for key in ("split", "protocol", "fingerprint", "note")}
            for name, about in side.datasets.items()
            if name in used
        },
        "components": dict(side.components),
        "cells": {key: _cell(cell) for key, cell in cells.items()},
        "letters": LETTERS,
        "answers": [_answers(one, cells) for one in side.answered.values()],
    }
    return escape_halves(_dump(record, 0, "")) + "\n"


def _cell(cell: Record) -> dict[str, Any]:
    kept = as_kept(cell)
    latency = kept["latency"]
    plain = None if latency is None else {k: v for k, v in latency.items() if _is_plain(v)}
    return {
        "cell": called(cell["axes"]),
        "axes": cell["axes"],
        "images": (cell.get("images") or {}).get("n"),
        "latency": plain,
        "metrics": kept["metrics"],
    }


def as_kept(cell: Record) -> dict[str, Any]:
    """The latency of a cell and its other numbers, rounded as a baseline keeps them.

    A run that is held against its own baseline has to have the same numbers, to the last digit.
    """
    latency = cell.get("latency")
    return {
        "latency": None if latency is None else {k: _digits(v) for k, v in latency.items()},
        "metrics": {
            name: {key: _short(value) for key, value in estimate.items()}
            for name, estimate in estimates(cell)
        },
    }


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _short(value: Any) -> Any:
    return round(value, _DIGITS) if isinstance(value, float) else value


def _digits(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _answers(answered: Answered, cells: Mapping[str, Any]) -> dict[str, Any]:
    columns = [cell for cell in answered.cells if cell in cells]
    rows = [_text(answered.labels, unlabelled=True), *(_text(answered.top(c)) for c in columns)]
    lines = ("".join(letters) for letters in zip(*rows, strict=True))
    about = {name: getattr(answered, name) for name in PLACE}
    images = {name: f"{line[0]} {line[1:]}" for name, line in zip(answered.ids, lines, strict=True)}
    if len(images) < len(answered.ids):
        raise UsageError(
            f"Images of {answered.dataset} have the same name, so that a baseline can't tell them "
            "apart: give each its own."
        )
    return about | {"columns": columns, "images": images}


def _text(codes: Int64, *, unlabelled: bool = False) -> str:
    if unlabelled:
        codes = np.where(codes < 0, NOT_ASKED, codes)
    return "".join(_LETTERS[code] for code in codes.tolist())


def _dump(value: Any, depth: int, key: str) -> str:
    """As JSON; on one line what has only plain values."""
    entries = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(entries, list) or not entries:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if key not in _LINE_EACH and all(_is_plain(entry) for entry in entries):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    margin = " " * (depth + 1)
    if isinstance(value, Mapping):
        lines = [
            f"{margin}{json.dumps(name, ensure_ascii=False)}: {_dump(entry, depth + 1, name)}"
            for name, entry in value.items()
        ]
        ends = "{}"
    else:
        lines = [f"{margin}{_dump(entry, depth + 1, '')}" for entry in value]
        ends = "[]"
    return f"{ends[0]}\n" + ",\n".join(lines) + f"\n{' ' * depth}{ends[1]}"


def write(path: Path, side: Side) -> None:
    """Write a baseline into the file that `-o` names.

    Raises:
        UsageError: the run has no cell with a result, or the path is no place for a file.
        StoreError: the file can't be written.
    """
    # What can't be asked about can't be written either, which is said there.
    with contextlib.suppress(OSError):
        if path.is_fifo() or path.is_char_device():
            raise UsageError(
                f"{path} is a pipe or a device, and a baseline is a file that is kept and read "
                "again: name one with -o."
            )
    write_atomic(path, baseline_text(side).encode(), asked="-o")


def read(path: Path) -> Side:
    """Read a baseline.

    Raises:
        UsageError: there is no such file.
        SchemaError: it is damaged, none, or of a newer version.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"The baseline {path} can't be read ({error.strerror or error}): make one with "
            "`fxbench baseline RUN -o FILE`."
        ) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, _unreadable(error)) from error
    schema = record.get("schema") if isinstance(record, dict) else None
    if type(schema) is not int or schema < 1 or "answers" not in record:
        raise SchemaError(
            f"{path} is no baseline: expected a file that `fxbench baseline` has written."
        )
    if schema > SCHEMA:
        raise SchemaError(
            f"{path} has the schema {schema}, but this version of fxbench reads up to {SCHEMA}: "
            "upgrade it with pip install --upgrade fxbench."
        )
    try:
        for part in ("cells", "datasets", "environment", "components"):
            if not isinstance(record[part], dict):
                raise _DamageError(f"its {part} are no object")
        if not all(isinstance(about, dict) for about in record["datasets"].values()):
            raise _DamageError("its datasets are no objects")
        answered = [_read_answers(one) for one in record["answers"]]
        cells = {key: _read_cell(key, cell) for key, cell in record["cells"].items()}
        _check_names(cells)
        return Side(
            f"the baseline {path.name}",
            cells,
            {(one.dataset, one.split, one.protocol): one for one in answered},
            dict(record["datasets"]),
            dict(record["environment"]),
            dict(record["components"]),
        )
    except _DamageError as error:
        raise _damaged(path, str(error)) from error
    except KeyError as error:
        raise _damaged(path, f"it lacks {error.args[0]!r}") from error
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        raise _damaged(path, "an entry is not as `fxbench baseline` writes it") from error


class _DamageError(Exception):
    """What is wrong with a baseline, as a person is told."""


def _damaged(path: Path, what: str) -> SchemaError:
    return SchemaError(
        f"{path} is no baseline, or is damaged ({what}): make it again with `fxbench baseline RUN "
        "-o FILE`, or take it from your version control."
    )


def _unreadable(error: Exception) -> str:
    """Why a text is no JSON."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON in line {error.lineno}"
    return "it is no text in UTF-8" if isinstance(error, UnicodeError) else "it is no JSON"


def _read_cell(key: str, cell: Mapping[str, Any]) -> dict[str, Any]:
    axes = dict(cell["axes"])
    # What can't be called by its axes, or reckoned with, is refused here and not in the midst.
    name = called(axes)
    for metric, estimate in cell["metrics"].items():
        numbers = [estimate[end] for end in ("value", "low", "high")]
        if not all(number is None or _is_number(number) for number in numbers):
            raise _DamageError(f"{metric} of {name} is no number")
    latency = cell["latency"]
    for what in _RECKONED:
        value = (latency or {}).get(what)
        if value is not None and not _is_number(value):
            raise _DamageError(f"{what} of {name} is no number")
    return {
        "id": key,
        "axes": axes | {name: str(axes[name]) for name in PLACE},
        "status": "ok",
        "images": {"n": cell["images"]},
        "latency": latency,
        "metrics": {name: dict(estimate) for name, estimate in cell["metrics"].items()},
    }


def _check_names(cells: Mapping[str, Record]) -> None:
    known = set()
    for cell in cells.values():
        key = combination(cell["axes"])
        if key in known:
            raise _DamageError(f"two of its cells are called {called(cell['axes'])}")
        known.add(key)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value is not True


def _read_answers(record: Mapping[str, Any]) -> Answered:
    columns, images = list(record["columns"]), dict(record["images"])
    lines = [f"{line[0]}{line[2:]}" for line in images.values()]
    for name, line in zip(images, lines, strict=True):
        if len(line) != len(columns) + 1:
            raise _DamageError(f"the line of the image {name!r} has not one letter for each cell")
        if not set(line) <= set(_CODES):
            raise _DamageError(f"the line of the image {name!r} has a letter that means nothing")
    codes = np.array([[_CODES[letter] for letter in line] for line in lines], np.int64)
    codes = codes.reshape(len(lines), len(columns) + 1)
    labels = np.where(codes[:, 0] == NOT_ASKED, -1, codes[:, 0])
    rows = np.arange(len(lines))
    dataset, split, protocol = (str(record[name]) for name in PLACE)
    return Answered(
        dataset,
        split,
        protocol,
        rows,
        tuple(images),
        labels,
        rows,
        {},
        {cell: codes[:, 1 + index] for index, cell in enumerate(columns)},
    )
