"""Timelines of people as Parquet and csv: boxes, pose, measures and landmarks, frame by frame.

A person's neutral face is known only at the end. So rows go to a file first, and the measures are
taken from there: what stays in memory is about a hundred bytes for each face of each frame, and no
picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from fxbench.landmark_video import Located
from fxbench.measures import NAMES, Measures, baseline, measure
from fxbench.standard_face import POSE, pose, standardised
from fxbench.types import Bool, Float32, Float64, Int64

SCHEMA = 1
_FIRST = ("track", "frame", "time_s", "detected", "score", "x1", "y1", "x2", "y2")
_ROWS = 1000
"""So many rows are a group of the Parquet file."""


def columns(points: int) -> tuple[str, ...]:
    """The columns of both files, for a scheme of so many points."""
    return (
        *_FIRST,
        *POSE,
        *NAMES,
        *(f"{axis}_{i}" for i in range(points) for axis in "xy"),
        *(f"standard_{axis}_{i}" for i in range(68) for axis in "xy"),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """The timeline of a person, a row for each frame in which they were found.

    Attributes:
        track: their number in the video.
        frame: int64 (N,), of the video.
        time_s: float64 (N,), seconds.
        detected: bool (N,): whether the detector found them there, and did not look elsewhere.
        pose: float32 (N, 3), see :func:`fxbench.standard_face.pose`; NaN where not located.
        measures: less the person's neutral baseline.
        neutral: float32 (K,), that baseline.
    """

    track: int
    frame: Int64
    time_s: Float64
    detected: Bool
    pose: Float32
    measures: Measures
    neutral: Float32

    @property
    def located(self) -> Bool:
        """Whether landmarks were located, bool (N,)."""
        return np.asarray(np.isfinite(self.measures.values).any(axis=1), np.bool_)

    def strongest(self) -> tuple[str, float, float] | None:
        """The measure that is farthest from neutral: its name, how far, and when (seconds)."""
        far = np.nan_to_num(np.abs(self.measures.values))
        if not far.any():
            return None
        row, column = np.unravel_index(np.argmax(far), far.shape)
        value = float(self.measures.values[row, column])
        return NAMES[column], value, float(self.time_s[row])


class Timelines:
    """Takes what is located in a video, and writes the files at the end.

    Args:
        folder: for files that are not finished, on the disk of those that are to be written.
        scheme: of the points.
        points: how many they are.
    """

    def __init__(self, folder: Path, scheme: str, points: int) -> None:
        self._folder = folder
        self._scheme = scheme
        self._names = columns(points)
        self._kept: list[dict[str, npt.NDArray[Any]]] = []
        self._waiting: list[tuple[dict[str, npt.NDArray[Any]], Float32]] = []
        self._rows = 0
        self._raw: pq.ParquetWriter | None = None

    def add(self, some: Located) -> None:
        """The next frames."""
        boxes, xy = some.boxes, some.points.xy
        if not len(boxes):
            return
        standard = standardised(xy, self._scheme)
        turned = np.full((len(boxes), 3), np.nan, np.float32)
        for index in np.unique(boxes.frame).tolist():
            rows = boxes.frame == index
            height, width = some.frames.images[index].shape[:2]
            turned[rows] = pose(np.ascontiguousarray(xy[rows]), (width, height), self._scheme)
        first: dict[str, npt.NDArray[Any]] = {
            "track": boxes.track.astype(np.int32),
            "frame": some.number[boxes.frame],
            "time_s": some.frames.time_s[boxes.frame],
            "detected": some.detected,
            "score": boxes.score,
        }
        values = measure(standard).values
        self._kept.append(
            {name: first[name] for name in ("track", "frame", "time_s", "detected")}
            | {"pose": turned, "measures": values}
        )
        rest = np.concatenate(
            [
                boxes.xyxy,
                turned,
                values,
                xy.reshape(len(boxes), -1),
                standard.xy.reshape(len(boxes), -1),
            ],
            axis=1,
        )
        self._waiting.append((first, rest))
        self._rows += len(boxes)
        if self._rows >= _ROWS:
            self._flush()

    def finish(self, parquet: Path, csv: Path, about: dict[str, Any]) -> tuple[Person, ...]:
        """Write the files, and tell who was there.

        Args:
            parquet: the one file.
            csv: the other, with the same columns; what is not known is empty.
            about: what Parquet's metadata are to say, under `fxbench`, as JSON.

        Returns:
            The people, those that were found in most frames first.
        """
        people = self._people()
        neutral = {person.track: person.neutral for person in people}
        about = about | {
            "schema": SCHEMA,
            "neutral": {
                str(track): {
                    name: None if np.isnan(value) else round(float(value), 6)
                    for name, value in zip(NAMES, values.tolist(), strict=True)
                }
                for track, values in neutral.items()
            },
        }
        schema = self._schema().with_metadata({"fxbench": json.dumps(about)})
        with (
            pq.ParquetWriter(parquet, schema, compression="zstd", use_dictionary=False) as whole,
            pyarrow.csv.CSVWriter(csv, schema) as text,
        ):
            for batch in self._batches():
                less = _less(batch, neutral).cast(schema)
                whole.write_table(less)
                text.write_table(less)
        return people

    def _schema(self) -> pa.Schema:
        kinds = {"track": pa.int32(), "frame": pa.int64(), "time_s": pa.float64()}
        kinds["detected"] = pa.bool_()
        return pa.schema([(name, kinds.get(name, pa.float32())) for name in self._names])

    def _flush(self) -> None:
        if self._raw is None:
            self._raw = pq.ParquetWriter(
                self._folder / "raw.parquet", self._schema(), use_dictionary=False
            )
        self._raw.write_table(self._taken())

    def _taken(self) -> pa.Table:
        """The rows that wait, which wait no more."""
        first = {
            name: np.concatenate([columns[name] for columns, _ in self._waiting])
            for name in self._waiting[0][0]
        }
        rest = np.concatenate([values for _, values in self._waiting])
        self._waiting, self._rows = [], 0
        arrays = [pa.array(column) for column in first.values()]
        arrays += [_column(rest[:, i]) for i in range(rest.shape[1])]
        return pa.Table.from_arrays(arrays, schema=self._schema())

    def _batches(self) -> Iterator[pa.Table]:
        if self._raw is not None:
            if self._rows:
                self._flush()
            self._raw.close()
            with pq.ParquetFile(self._folder / "raw.parquet", pre_buffer=False) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, use_threads=False)
        elif self._waiting:
            yield self._taken()

    def _people(self) -> tuple[Person, ...]:
        if not self._kept:
            return ()
        joined = {name: np.concatenate([k[name] for k in self._kept]) for name in self._kept[0]}
        people = []
        for track in np.unique(joined["track"]).tolist():
            own = {name: column[joined["track"] == track] for name, column in joined.items()}
            measured = Measures(own["measures"])
            neutral = baseline(measured)
            people.append(
                Person(
                    track,
                    own["frame"],
                    own["time_s"],
                    own["detected"],
                    own["pose"],
                    measured.less(neutral),
                    neutral,
                )
            )
        return tuple(sorted(people, key=lambda person: -len(person.frame)))


def _column(values: Float32) -> pa.Array:
    return pa.array(values, from_pandas=True)


def _less(table: pa.Table, neutral: dict[int, Float32]) -> pa.Table:
    """The measures less each person's neutral ones."""
    tracks = table["track"].to_numpy()
    for index, name in enumerate(NAMES):
        own = np.array([neutral[track][index] for track in tracks.tolist()], np.float32)
        place = table.schema.get_field_index(name)
        less = table[name].to_numpy() - own
        table = table.set_column(place, name, _column(less))
    return table
