"""What flows between the stages: validated, read-only records of NumPy arrays.

Images are RGB `uint8 (H, W, 3)` of any size, in a tuple. Boxes are `x1, y1, x2, y2` in pixels, the
right and lower edges exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fxbench.errors import PluginError

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


def check_array(what: str, array: Any, dtype: npt.DTypeLike, shape: tuple[int | None, ...]) -> None:
    """Raise PluginError unless `array` has exactly `dtype` and `shape` (None: any length)."""
    if (
        isinstance(array, np.ndarray)
        and array.dtype == dtype
        and array.ndim == len(shape)
        and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    ):
        return
    expected = f"{np.dtype(dtype).name} ({', '.join('*' if n is None else str(n) for n in shape)})"
    if not isinstance(array, np.ndarray):
        raise PluginError(f"{what} must be an array {expected}, not {type(array).__name__}.")
    raise PluginError(f"{what} must be {expected}, but is {array.dtype.name} {array.shape}.")


def _freeze(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A read-only view: whoever holds the original may still write to it."""
    view = array.view()
    view.flags.writeable = False
    return view


def check_image(what: str, image: Any) -> None:
    """Raise PluginError unless `image` is RGB uint8 (H, W, 3) with at least one pixel."""
    check_array(what, image, np.uint8, (None, None, 3))
    if image.size == 0:
        raise PluginError(f"{what} has no pixels: its shape is {image.shape}.")


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Images with their names.

    Attributes:
        ids: N names, unique within a split.
        images: N arrays, RGB uint8 (H, W, 3).
        time_s: float64 (N,), seconds into the clip; NaN for stills.
    """

    ids: tuple[str, ...]
    images: tuple[UInt8, ...]
    time_s: Float64

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.images):
            raise PluginError(f"Frames has {len(self.ids)} ids for {len(self.images)} images.")
        for name, image in zip(self.ids, self.images, strict=True):
            check_image(f"Image {name}", image)
        check_array("Frames.time_s", self.time_s, np.float64, (len(self.images),))
        object.__setattr__(self, "images", tuple(_freeze(image) for image in self.images))
        object.__setattr__(self, "time_s", _freeze(self.time_s))

    @classmethod
    def stills(cls, ids: tuple[str, ...], images: tuple[UInt8, ...]) -> Frames:
        """Frames that belong to no clip."""
        return cls(ids, images, np.full(len(images), np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Faces found in a tuple of images.

    Attributes:
        frame: int64 (M,), the index of the image that the box lies in, ascending.
        xyxy: float32 (M, 4), pixels.
        score: float32 (M,), higher is surer; its scale is the detector's own.
        track: int64 (M,), the person that it follows through a clip; -1 for none.
    """

    frame: Int64
    xyxy: Float32
    score: Float32
    track: Int64

    def __post_init__(self) -> None:
        check_array("Boxes.frame", self.frame, np.int64, (None,))
        count = len(self.frame)
        check_array("Boxes.xyxy", self.xyxy, np.float32, (count, 4))
        check_array("Boxes.score", self.score, np.float32, (count,))
        check_array("Boxes.track", self.track, np.int64, (count,))
        if not (np.isfinite(self.xyxy).all() and np.isfinite(self.score).all()):
            raise PluginError("Boxes holds a coordinate or a score that is not finite.")
        if (
            count
            and ((self.xyxy[:, 2] <= self.xyxy[:, 0]) | (self.xyxy[:, 3] <= self.xyxy[:, 1])).any()
        ):
            raise PluginError("Boxes holds a box without area: it must have x1 < x2 and y1 < y2.")
        if count and (self.frame.min() < 0 or (np.diff(self.frame) < 0).any()):
            raise PluginError("Boxes.frame must be ascending indices from 0 on.")
        for name in ("frame", "xyxy", "score", "track"):
            object.__setattr__(self, name, _freeze(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def from_lists(cls, per_image: list[list[tuple[float, float, float, float, float]]]) -> Boxes:
        """Boxes without tracks from one list of `(x1, y1, x2, y2, score)` for each image."""
        rows = [box for boxes in per_image for box in boxes]
        table = np.asarray(rows, np.float32).reshape(-1, 5)
        frame = np.repeat(np.arange(len(per_image)), [len(boxes) for boxes in per_image])
        return cls(
            frame.astype(np.int64),
            np.ascontiguousarray(table[:, :4]),
            np.ascontiguousarray(table[:, 4]),
            np.full(len(table), -1, np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Landmarks, one row for each box.

    Attributes:
        xy: float32 (M, P, 2), pixels; a row of NaN was not located.
        scheme: the name of the order of the P points, such as `300w-68`.
    """

    xy: Float32
    scheme: str

    def __post_init__(self) -> None:
        check_array("Points.xy", self.xy, np.float32, (None, None, 2))
        object.__setattr__(self, "xy", _freeze(self.xy))


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What an analyzer answers about a tuple of images.

    Attributes:
        boxes: the faces.
        points: their landmarks, row-aligned with `boxes`, or None.
        probabilities: float32 (M, K), of the analyzer's labels, rows sum to 1, or None.
        failures: the index of each image that got no answer, with the reason in one line. It has
            no box.
    """

    boxes: Boxes
    points: Points | None = None
    probabilities: Float32 | None = None
    failures: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.points is not None and len(self.points.xy) != count:
            raise PluginError(f"Analysis has {len(self.points.xy)} rows of points, {count} boxes.")
        if self.probabilities is not None:
            check_array("Analysis.probabilities", self.probabilities, np.float32, (count, None))
            object.__setattr__(self, "probabilities", _freeze(self.probabilities))
        silent = [index for index, _ in self.failures]
        if any(index < 0 for index in silent):
            raise PluginError(f"Analysis.failures has the index {min(silent)}: from 0 on.")
        if np.isin(self.boxes.frame, silent).any():
            raise PluginError("Analysis has a box in an image that it gives no answer for.")

    @classmethod
    def of_each(
        cls,
        found: list[tuple[list[tuple[float, float, float, float, float]], Float32]],
        scheme: str,
        count: int,
    ) -> Analysis:
        """Boxes with points, from what was found in each image.

        Args:
            found: for each image `(x1, y1, x2, y2, score)` of its faces, and the points of each,
                float32 (m, P, 2).
            scheme: of the points.
            count: P, which nothing else tells where no face was found.
        """
        points = [np.zeros((0, count, 2), np.float32), *(points for _, points in found)]
        boxes = Boxes.from_lists([boxes for boxes, _ in found])
        return cls(boxes, Points(np.concatenate(points), scheme))


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known of the faces of a batch, one row for each face.

    Attributes:
        frame: int64 (M,), the index of the image that the face is in.
        votes: float32 (M, 10), how often each of the eight emotions, `unknown` and `not a face`
            was chosen (a dataset with one label for each face gives it one vote), or None.
        xyxy: float32 (M, 4), the face's box in pixels, or None.
        points: its landmarks, or None.
        meta: further columns by name, each of length M.
    """

    frame: Int64
    votes: Float32 | None = None
    xyxy: Float32 | None = None
    points: Points | None = None
    meta: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_array("Truth.frame", self.frame, np.int64, (None,))
        count = len(self.frame)
        object.__setattr__(self, "frame", _freeze(self.frame))
        if self.votes is not None:
            check_array("Truth.votes", self.votes, np.float32, (count, 10))
            object.__setattr__(self, "votes", _freeze(self.votes))
        if self.xyxy is not None:
            check_array("Truth.xyxy", self.xyxy, np.float32, (count, 4))
            object.__setattr__(self, "xyxy", _freeze(self.xyxy))
        if self.points is not None and len(self.points.xy) != count:
            raise PluginError(f"Truth.points has {len(self.points.xy)} rows for {count} faces.")
        for name, column in self.meta.items():
            if len(column) != count:
                raise PluginError(f"Truth.meta[{name!r}] has {len(column)} rows for {count} faces.")


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be read: its row in the split, its name and why."""

    row: int
    id: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some rows of a split.

    Attributes:
        rows: int64 (N,), which row of the split each frame is.
        frames: the N images that could be read.
        truth: what is known of their faces, or None.
        failures: the images that could not be read; they are in none of the others.
    """

    rows: Int64
    frames: Frames
    truth: Truth | None = None
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        check_array("Batch.rows", self.rows, np.int64, (len(self.frames.images),))
        object.__setattr__(self, "rows", _freeze(self.rows))


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The images of a split that count under a protocol, and what is right.

    Attributes:
        rows: int64 (N,), ascending rows of the split.
        labels: int64 (N,), the right emotion as an index into EMOTIONS; -1 where the protocol
            keeps an image that has no single label: it counts in no accuracy.
        accepted: bool (N, 8), the emotions that `multi_target_accuracy` accepts; a row without any
            does not count there. None where the dataset has no votes.
        distribution: float32 (N, 8), the vote distribution over the eight emotions, rows sum to 1;
            a row of NaN does not count in the soft-label metrics. None without votes.
        clusters: int64 (N,); images with the same number are not independent of each other: copies
            of a picture, or pictures of one person. None where each stands by itself.
        groups: what is known of each image besides, such as an age, by the name of a column: (N,)
            texts, empty where it isn't known. Scores can be divided by it.
    """

    rows: Int64
    labels: Int64
    accepted: Bool | None = None
    distribution: Float32 | None = None
    clusters: Int64 | None = None
    groups: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_array("Answers.rows", self.rows, np.int64, (None,))
        count = len(self.rows)
        check_array("Answers.labels", self.labels, np.int64, (count,))
        if self.accepted is not None:
            check_array("Answers.accepted", self.accepted, np.bool_, (count, 8))
        if self.distribution is not None:
            check_array("Answers.distribution", self.distribution, np.float32, (count, 8))
        if self.clusters is not None:
            check_array("Answers.clusters", self.clusters, np.int64, (count,))
        for name, texts in self.groups.items():
            if not isinstance(texts, np.ndarray) or texts.dtype.kind != "U" or len(texts) != count:
                raise PluginError(f"Answers.groups[{name!r}] must be an array of {count} texts.")
        for name in ("rows", "labels", "accepted", "distribution", "clusters"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _freeze(getattr(self, name)))

    def take(self, index: Int64) -> Answers:
        """The answers at positions `index`."""
        return Answers(
            self.rows[index],
            self.labels[index],
            None if self.accepted is None else self.accepted[index],
            None if self.distribution is None else self.distribution[index],
            None if self.clusters is None else self.clusters[index],
            {name: texts[index] for name, texts in self.groups.items()},
        )


@dataclass(frozen=True, slots=True)
class FaceSpec:
    """How a classifier wants a face: the core crops and renders it in 8 bits.

    Attributes:
        size: the side of the square, pixels.
        fit: `stretch` the box to the square, or keep its proportions and `pad` with black.
        margin: how much is added to the box on each side, as a fraction of its width and height.
        interpolation: OpenCV's name for it.
    """

    size: int
    fit: Literal["stretch", "pad"] = "stretch"
    margin: float = 0.0
    interpolation: Literal["nearest", "linear", "cubic", "area"] = "linear"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise PluginError(f"FaceSpec.size must be at least 1, not {self.size}.")
        if self.fit not in ("stretch", "pad"):
            raise PluginError(f"FaceSpec.fit must be 'stretch' or 'pad', not {self.fit!r}.")
        if self.interpolation not in ("nearest", "linear", "cubic", "area"):
            raise PluginError(f"FaceSpec.interpolation {self.interpolation!r} is not known.")
