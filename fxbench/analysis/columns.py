"""The table of faces: a row for each face in each picture behind each detector.

docs/analyzing.md says what each column means. Rows of a video are kept with the measures as they
are; less the person's neutral face they are only when all of the video has been seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fxbench import schemes
from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench.measures import NAMES, measurable, measure
from fxbench.metrics.classification import OTHER
from fxbench.standard_face import POSE, pose, standardised
from fxbench.types import Float32, Points

if TYPE_CHECKING:
    from fxbench.analysis.answer import Answer
    from fxbench.analysis.engine import Engine, Look
    from fxbench.types import Frames, Int64

SCHEMA = 1

FIRST: tuple[tuple[str, pa.DataType], ...] = (
    ("file", pa.string()),
    ("kind", pa.string()),
    ("detector", pa.string()),
    ("frame", pa.int64()),
    ("time_s", pa.float64()),
    ("track", pa.int32()),
    ("detected", pa.bool_()),
    ("score", pa.float32()),
    ("x1", pa.float32()),
    ("y1", pa.float32()),
    ("x2", pa.float32()),
    ("y2", pa.float32()),
)
"""The columns that are there whatever takes part."""

OTHER_NAME = "other"
"""What stands for an answer that is none of the eight emotions."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns there are.

    Attributes:
        classifiers: their names.
        landmarkers: their names.
        measured: those of them whose points can be measured.
    """

    classifiers: tuple[str, ...]
    landmarkers: tuple[str, ...]
    measured: tuple[str, ...]

    @classmethod
    def of(cls, engine: Engine) -> Layout:
        """Of the components that take part."""
        used = {
            name: engine.component("landmarker", name).scheme for name in engine.cast.landmarkers
        }
        return cls(
            engine.cast.classifiers,
            engine.cast.landmarkers,
            tuple(name for name, scheme in used.items() if _can_be_measured(scheme)),
        )

    def schema(self, *, points: bool = True) -> pa.Schema:
        """The schema of the table.

        Args:
            points: whether landmarks are in it; csv has no place for them.
        """
        fields = list(FIRST)
        for name in self.classifiers:
            fields.append((f"{name}.label", pa.string()))
            fields += [(f"{name}.{column}", pa.float32()) for column in (*EMOTIONS, OTHER_NAME)]
        for name in self.measured:
            fields += [(column, pa.float32()) for column in self.measures(name)]
        if points:
            fields += [(f"{name}.points", pa.list_(pa.float32())) for name in self.landmarkers]
        return pa.schema(fields)

    def measures(self, landmarker: str) -> tuple[str, ...]:
        """The columns of the pose and the measures of a landmarker."""
        return tuple(f"{landmarker}.{name}" for name in (*POSE, *NAMES))

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "classifiers": list(self.classifiers),
            "landmarkers": list(self.landmarkers),
            "measured": list(self.measured),
        }


def batch(
    layout: Layout, name: str, kind: str, look: Look, frames: Frames, numbers: Int64
) -> pa.RecordBatch:
    """The rows of a look.

    Args:
        layout: which columns there are.
        name: of the file.
        kind: `photo` or `video`.
        look: at some of its pictures.
        frames: those.
        numbers: int64 (N,), of each of them in the file, from 0 on.
    """
    boxes, count = look.boxes, len(look.boxes)
    time_s = frames.time_s[boxes.frame]
    columns: list[Any] = [
        pa.array([name] * count, pa.string()),
        pa.array([kind] * count, pa.string()),
        pa.array([look.detector] * count, pa.string()),
        numbers[boxes.frame],
        _nullable(time_s),
        pa.array(boxes.track.astype(np.int32), mask=boxes.track < 0),
        look.detected,
        boxes.score,
        *(np.ascontiguousarray(boxes.xyxy[:, i]) for i in range(4)),
    ]
    for classifier in layout.classifiers:
        columns += _answered(look.answers[classifier])
    for landmarker in layout.measured:
        values = _measured(look.points[landmarker], look, frames)
        columns += [_nullable(values[:, i]) for i in range(values.shape[1])]
    for landmarker in layout.landmarkers:
        xy = look.points[landmarker].xy
        known: Any = np.isfinite(xy).all(axis=(1, 2)).tolist()
        columns.append(
            pa.array(
                [row.ravel() if there else None for row, there in zip(xy, known, strict=True)],
                pa.list_(pa.float32()),
            )
        )
    return pa.record_batch([pa.array(column) for column in columns], schema=layout.schema())


def less(table: pa.Table, layout: Layout, neutral: Mapping[tuple[str, int, str], Any]) -> pa.Table:
    """Rows with the measures less what they are in each person's neutral face.

    Args:
        table: rows of one file, as :func:`batch` makes them.
        layout: of the table.
        neutral: the measures of the neutral face, by detector, track and landmarker. Where there is
            none, as in photos, no measure is known.
    """
    if not table.num_rows:
        return table
    keys = list(zip(table["detector"].to_pylist(), table["track"].to_pylist(), strict=True))
    for landmarker in layout.measured:
        nothing = np.full(len(NAMES), np.nan, np.float32)
        own = np.stack(
            [
                np.asarray(neutral.get((detector, track, landmarker), nothing), np.float32)
                for detector, track in keys
            ]
        )
        for index, name in enumerate(NAMES):
            place = table.schema.get_field_index(f"{landmarker}.{name}")
            values = table.column(place).to_numpy(zero_copy_only=False) - own[:, index]
            table = table.set_column(place, table.schema.field(place), _nullable(values))
    return table


def records(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON can hold them, numbers with six digits."""
    return [{key: _plain(value) for key, value in row.items()} for row in table.to_pylist()]


def table_of(rows: Sequence[Mapping[str, Any]], layout: Layout) -> pa.Table:
    """The table of such records."""
    return pa.Table.from_pylist(list(rows), schema=layout.schema())


def _can_be_measured(scheme: str) -> bool:
    try:
        standardised(np.zeros((0, schemes.point_count(scheme) or 1, 2), np.float32), scheme)
    except UsageError:
        return False
    return bool(measurable(scheme))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _nullable(values: Any) -> pa.Array:
    """NaN as what is not known."""
    return pa.array(values, from_pandas=True)


def _answered(answer: Answer) -> list[pa.Array]:
    top = answer.top()
    labels = [
        EMOTIONS[code] if code >= 0 else OTHER_NAME if code == OTHER else None
        for code in top.tolist()
    ]
    shares = [_nullable(np.ascontiguousarray(column)) for column in answer.probabilities.T]
    return [pa.array(labels, pa.string()), *shares, _nullable(answer.other)]


def _measured(points: Points, look: Look, frames: Frames) -> Float32:
    """Pose and measures, float32 (M, 3 + K)."""
    xy = points.xy
    turned = np.full((len(xy), len(POSE)), np.nan, np.float32)
    for index in np.unique(look.boxes.frame).tolist():
        rows = look.boxes.frame == index
        height, width = frames.images[index].shape[:2]
        turned[rows] = pose(np.ascontiguousarray(xy[rows]), (width, height), points.scheme)
    values = measure(standardised(xy, points.scheme)).values
    return np.concatenate([turned, values], axis=1)
