"""The tables of an analysis: faces, people, expressions and words, as csv, Parquet, JSON Lines."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from fxbench.analysis.columns import OTHER_NAME, SCHEMA, Layout, less, records, table_of
from fxbench.analysis.media import PHOTO
from fxbench.errors import StoreError
from fxbench.files import TEMPORARY_SUFFIX, write_atomic
from fxbench.labels import EMOTIONS
from fxbench.measures import NAMES

FACES, PEOPLE, EVENTS, WORDS = "faces", "people", "events", "words"
FORMS = ("parquet", "csv", "jsonl")
"""Of the table of faces; the others are csv."""

_ANSWERS = (*EMOTIONS, OTHER_NAME)
_PEOPLE = (
    *("file", "detector", "track", "first_s", "last_s", "frames", "detected", "classifier"),
    *("answered", *(f"share.{name}" for name in _ANSWERS)),
    *(f"mean.{name}" for name in _ANSWERS),
)
_EVENTS = (
    *("file", "detector", "track", "spotter", "kind", "onset", "apex", "offset"),
    *("onset_s", "apex_s", "offset_s", "score"),
)
_WORDS = ("file", "transcriber", "word", "begin_s", "end_s", "probability")


def write(
    folder: Path,
    media: Sequence[tuple[dict[str, Any], Path | None]],
    layout: Layout,
) -> tuple[str, ...]:
    """Write all tables anew; each appears when it is whole.

    Args:
        folder: where to.
        media: what is known of each file, in order, and the Parquet file with the rows of a video.
        layout: of the table of faces.

    Returns:
        The names of the files.

    Raises:
        StoreError: one can't be written.
    """
    names = _faces(folder, media, layout)
    known = [record for record, _ in media]
    for name, columns, rows in (
        (PEOPLE, _PEOPLE, _people(known)),
        (EVENTS, _EVENTS, _events(known)),
        (WORDS, _WORDS, _words(known)),
    ):
        place = folder / f"{name}.csv"
        if rows:
            write_atomic(place, _csv(columns, rows))
            names.append(place.name)
        else:
            place.unlink(missing_ok=True)  # of an earlier analysis
    return tuple(names)


def rows_of(record: dict[str, Any], path: Path | None, layout: Layout) -> Iterator[pa.Table]:
    """The rows of a file as the table has them, some at a time.

    Args:
        record: what is known of it.
        path: the Parquet file with the rows of a video.
        layout: of the table.
    """
    if record["kind"] == PHOTO or path is None:
        yield less(table_of(record["rows"], layout), layout, {})
        return
    neutral = {
        (person["detector"], person["track"], landmarker): [
            np.nan if (value := moved["neutral"][name]) is None else value for name in NAMES
        ]
        for person in record["people"]
        for landmarker, moved in person["landmarkers"].items()
    }
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            yield less(file.read_row_group(group, use_threads=False), layout, neutral)


def _faces(
    folder: Path, media: Sequence[tuple[dict[str, Any], Path | None]], layout: Layout
) -> list[str]:
    about = json.dumps({"schema": SCHEMA} | layout.record())
    whole = layout.schema().with_metadata({"fxbench": about})
    flat = layout.schema(points=False)
    with ExitStack() as stack:
        places = {form: stack.enter_context(_new(folder / f"{FACES}.{form}")) for form in FORMS}
        try:
            parquet = stack.enter_context(
                pq.ParquetWriter(places["parquet"], whole, compression="zstd")
            )
            text = stack.enter_context(pyarrow.csv.CSVWriter(places["csv"], flat))
            lines = stack.enter_context(places["jsonl"].open("w", encoding="utf-8"))
            for record, path in media:
                for rows in rows_of(record, path, layout):
                    parquet.write_table(rows.cast(whole))
                    text.write_table(rows.select(flat.names))
                    for row in records(rows):
                        lines.write(json.dumps(row, allow_nan=False) + "\n")
        except OSError as error:
            raise _failed(folder, error) from error
    return [f"{FACES}.{form}" for form in FORMS]


@contextmanager
def _new(path: Path) -> Iterator[Path]:
    """A file that gets its name when it is whole."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        raise _failed(path.parent, error) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _failed(folder: Path, error: OSError) -> StoreError:
    # Arrow's errors have a number, and no text of the system's.
    why = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
    return StoreError(
        f"The tables in {folder} can't be written: {why}. Free some space or make it writable, and "
        "give the same command again: it goes on where it stopped."
    )


def _people(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"file": record["file"]}
        | {key: person[key] for key in ("detector", "track", "first_s", "last_s")}
        | {key: person[key] for key in ("frames", "detected")}
        | {"classifier": classifier, "answered": told["answered"]}
        | {f"{of}.{name}": told[of].get(name) for of in ("share", "mean") for name in _ANSWERS}
        for record in known
        for person in record.get("people", ())
        for classifier, told in person["classifiers"].items()
    ]


def _events(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"file": record["file"]} | {name: event[name] for name in _EVENTS[1:]}
        for record in known
        for event in record.get("events", ())
    ]


def _words(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"file": record["file"], "transcriber": said["transcriber"]}
        | {name: word[name] for name in _WORDS[2:]}
        for record in known
        if (said := record.get("said"))
        for word in said["words"]
    ]


def _csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
