"""How long the chain detect, crop, predict (or detect, locate) takes, and how many a batch makes.

The rule: 64 images are taken evenly spaced from those that the plan selects, decoded beforehand.
A detector is timed on up to 32 of them by itself, crop and classifier on the face that is scored in
each of these, as :mod:`fxbench.sampling` says; the latency of a chain is the sum for one image in
one block, so a detector is timed once for all classifiers. An image without a face has no chain and
is no sample. Throughput is that of batches of 8 and 64.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.align import aligned
from fxbench.batching import BATCH, BATCH_BYTES, FIRST_BATCH
from fxbench.errors import DataError
from fxbench.faces import choose, crops
from fxbench.facework import one_box_each
from fxbench.reference_units import SMALL_SHARE, interval, judge, reference_ns
from fxbench.reference_work import Reference
from fxbench.sampling import Sampled, batch_sizes, batches, sample
from fxbench.sources import Source, evenly_spaced
from fxbench.types import Batch, Boxes, Float32, Frames, Int64, Truth, UInt8
from fxbench.views import Told

DETECT_S, REST_S = 3.0, 0.8
"""How many seconds the samples of a detector, and of what follows it, may take. To a classifier
faces are all of one size, but to a detector pictures differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """What was timed of a step of a chain.

    Attributes:
        sampled: its items are indices of images.
        batches: by number of images, the nanoseconds of each repetition.
    """

    sampled: Sampled
    batches: Mapping[int, list[int]]

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        pairs = [[images, times] for images, times in self.batches.items()]
        return {"sampled": self.sampled.record(), "batches": pairs}

    @staticmethod
    def read(record: Mapping[str, Any]) -> Timed:
        """What :meth:`record` has made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        pairs = {int(images): [int(ns) for ns in times] for images, times in record["batches"]}
        if not all(pairs.values()):
            raise ValueError("a batch without a time")
        return Timed(Sampled.read(record["sampled"]), pairs)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The faces that are scored in some images.

    Attributes:
        frame: int64 (M,), the images in which a face was found, ascending.
        xyxy: float32 (M, 4), their faces.
    """

    frame: Int64
    xyxy: Float32

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"frame": self.frame.tolist(), "xyxy": self.xyxy.tolist()}

    @staticmethod
    def read(record: Mapping[str, Any]) -> Found:
        """What :meth:`record` has made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        frame = np.asarray(record["frame"], np.int64).reshape(-1)
        xyxy = np.asarray(record["xyxy"], np.float32).reshape(-1, 4)
        if len(frame) != len(xyxy):
            raise ValueError("faces and boxes of different lengths")
        return Found(frame, xyxy)


def sample_images(source: Source) -> Batch:
    """Evenly spaced images of a source, decoded; fewer where they are large or can't be read.

    Of videos the first frames: to take others, all that lie between would have to be decoded.
    """
    rows = source.answers.rows
    wanted = rows[:BATCH] if source.clips else rows[evenly_spaced(len(rows), BATCH)]
    parts: list[Batch] = []
    size = 0
    for begin in range(0, len(wanted), FIRST_BATCH):
        for part in source.by_clip(wanted[begin : begin + FIRST_BATCH]):
            parts += [b for b in source.dataset.batches(source.split, part) if len(b.rows)]
        size = sum(image.nbytes for b in parts for image in b.frames.images)
        if size > BATCH_BYTES:
            break
    if not parts:
        raise DataError(f"No image of {source.name} can be read, so there is nothing to time.")
    images = tuple(image for b in parts for image in b.frames.images)
    ids = tuple(name for b in parts for name in b.frames.ids)
    boxes = [one_box_each(b.truth, len(b.rows)) for b in parts]
    known = [box for box in boxes if box is not None]
    truth = None
    if len(known) == len(parts):
        truth = Truth(np.arange(len(images)), xyxy=np.concatenate(known))
    return Batch(np.concatenate([b.rows for b in parts]), Frames.stills(ids, images), truth)


def time_detector(
    detector: Any, images: tuple[UInt8, ...], truth: Float32 | None, reference: Reference
) -> tuple[Timed, Found]:
    """Time a detector on single images and in batches.

    Args:
        detector: a :class:`fxbench.protocols.Detector`.
        images: what it looks at.
        truth: float32 (N, 4), the true face in each image, which says what face is scored.
        reference: runs between.
    """
    faces: dict[int, Float32] = {}

    def keep(boxes: Boxes, frames: list[int]) -> None:
        chosen = choose(boxes, len(frames), None if truth is None else truth[frames])
        faces.update((i, boxes.xyxy[j]) for i, j in zip(frames, chosen, strict=True) if j >= 0)

    def one(i: int) -> tuple[int]:
        begin = time.perf_counter_ns()
        boxes = detector.detect((images[i],))
        took = time.perf_counter_ns() - begin
        keep(boxes, [i])
        return (took,)

    def many(size: int) -> int:
        begin = time.perf_counter_ns()
        boxes = detector.detect(images[:size])
        took = time.perf_counter_ns() - begin
        keep(boxes, list(range(size)))
        return took

    sampled = sample(one, range(len(images)), reference, DETECT_S)
    timed = Timed(sampled, batches(many, batch_sizes(len(images), _typical(sampled))))
    frames = sorted(faces)
    xyxy = np.asarray([faces[i] for i in frames], np.float32).reshape(-1, 4)
    return timed, Found(np.asarray(frames, np.int64), xyxy)


def time_rest(
    step: Step, images: tuple[UInt8, ...], found: Found, detected: Timed, reference: Reference
) -> Timed | None:
    """Time what follows detection; None where no face was found in what the detector was timed on.

    Args:
        step: crops and predicts, or locates.
        images: as the detector's.
        found: by the detector.
        detected: on which images, and in which batches, the detector was timed.
        reference: runs between.
    """
    items = [int(i) for i in np.intersect1d(found.frame, detected.sampled.item)]
    if not items:
        return None
    place = {int(frame): i for i, frame in enumerate(found.frame)}

    def one(i: int) -> tuple[int, int]:
        box = found.xyxy[place[i] : place[i] + 1]
        return step((images[i],), np.zeros(1, np.int64), box)

    def many(size: int) -> int:
        inside = found.frame < size
        if not inside.any():
            return 0
        return sum(step(images[:size], found.frame[inside], found.xyxy[inside]))

    sampled = sample(one, items, reference, REST_S)
    slowest = _typical(sampled)
    sizes = [size for size in detected.batches if size in batch_sizes(size, slowest, (size,))]
    return Timed(sampled, batches(many, sizes))


def _typical(sampled: Sampled) -> float:
    return float(np.median(sampled.parts.sum(axis=1)))


Step = Callable[[tuple[UInt8, ...], Int64, Float32], tuple[int, int]]
"""What follows detection for some faces of images: nanoseconds of cropping and of the rest."""


@dataclass(frozen=True, slots=True)
class Aligning:
    """How faces are aligned before they are classified.

    Attributes:
        landmarker: by whose points.
        how: see :func:`fxbench.align.aligned`.
        there: whether the points came with the boxes, in one call, which has been timed.
    """

    landmarker: Any
    how: str
    there: bool = False


def classify(classifier: Any, aligning: Aligning | None = None) -> Step:
    """Crop and predict; where faces are aligned, locating their points counts as cropping."""

    def step(images: tuple[UInt8, ...], frame: Int64, xyxy: Float32) -> tuple[int, int]:
        start = time.perf_counter_ns()
        if aligning is None:
            faces = crops(images, (frame, xyxy), classifier.face)
        else:
            points = aligning.landmarker.locate(images, _boxes(frame, xyxy))
            if aligning.there:
                start = time.perf_counter_ns()
            faces, _ = aligned(
                images, frame, xyxy, points.xy, points.scheme, classifier.face, aligning.how
            )
        between = time.perf_counter_ns()
        classifier.predict(faces)
        return between - start, time.perf_counter_ns() - between

    return step


def locate(landmarker: Any) -> Step:
    """Locate the points, of which no crop is made."""

    def step(images: tuple[UInt8, ...], frame: Int64, xyxy: Float32) -> tuple[int, int]:
        boxes = _boxes(frame, xyxy)
        start = time.perf_counter_ns()
        landmarker.locate(images, boxes)
        return 0, time.perf_counter_ns() - start

    return step


def tell(classifier: Told) -> Step:
    """Analyse the images, of which no crop is made."""

    def step(images: tuple[UInt8, ...], frame: Int64, xyxy: Float32) -> tuple[int, int]:
        start = time.perf_counter_ns()
        classifier.tell(images, _boxes(frame, xyxy))
        return 0, time.perf_counter_ns() - start

    return step


def nothing_more(
    images: tuple[UInt8, ...],  # noqa: ARG001
    frame: Int64,  # noqa: ARG001
    xyxy: Float32,  # noqa: ARG001
) -> tuple[int, int]:
    """The step where detection gave the rest as well, in one call."""
    return 0, 0


def _boxes(frame: Int64, xyxy: Float32) -> Boxes:
    count = len(frame)
    return Boxes(frame, xyxy, np.ones(count, np.float32), np.full(count, -1, np.int64))


def chain(
    rows: Int64, detected: Timed, rest: Timed | None, *, follows: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Raw samples of a chain: of each image, in each block, what all its steps took.

    Args:
        rows: int64 (N,), of the images.
        detected: the detector's times.
        rest: of what follows it; None where that takes no time, or was not timed.
        follows: whether anything takes time after detection. If so and `rest` is None, no face was
            found, and there is no sample.

    Returns:
        Columns: int64 `row`, `block`, and nanoseconds `detect_ns`, `crop_ns`, `predict_ns`; float64
        `detect_reference_ns` and `reference_ns`, a pass of the reference at the time of each step.
        And metadata: the `batches`, the `warm_up` calls, the raw `reference` and its `movement`.
    """
    one = detected.sampled
    mine = np.arange(len(one.item))
    crop = predict = np.zeros(len(one.item), np.int64)
    references = reference_ns(one, one.block)
    after = references
    if follows:
        two = rest.sampled if rest is not None else None
        mine, theirs = _common(one, two)
        crop = predict = np.zeros(0, np.int64)
        after = np.zeros(0)
        if two is not None:
            crop, predict = two.parts[theirs].T
            after = reference_ns(two, two.block[theirs])
    columns = {
        "row": rows[one.item[mine]],
        "block": one.block[mine],
        "detect_ns": one.parts[mine, 0],
        "crop_ns": crop,
        "predict_ns": predict,
        "detect_reference_ns": references[mine],
        "reference_ns": after,
    }
    steps = {"detect": detected} | ({} if rest is None else {"rest": rest})
    sizes = [size for size in detected.batches if rest is None or size in rest.batches]
    meta = {
        "batches": [
            {"images": size} | {f"{name}_ns": timed.batches[size] for name, timed in steps.items()}
            for size in sizes
        ],
        "warm_up": {name: timed.sampled.warm_up for name, timed in steps.items()},
        "reference": {name: timed.sampled.reference.tolist() for name, timed in steps.items()},
        "movement": {name: judge(timed.sampled).record() for name, timed in steps.items()},
    }
    return columns, meta


def _common(one: Sampled, two: Sampled | None) -> tuple[Int64, Int64]:
    """The samples of the same images in the same blocks."""
    if two is None:
        none = np.zeros(0, np.int64)
        return none, none
    first, second = (s.block * (1 << 32) + s.item for s in (one, two))
    _, mine, theirs = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return mine.astype(np.int64), theirs.astype(np.int64)


def summary(columns: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any] | None:
    """What raw samples come to; None where there are none.

    Milliseconds of one image alone, images per second in batches, and the median in reference
    units, or why there is none.
    """
    if not len(columns["row"]):
        return None
    rest = columns["crop_ns"] + columns["predict_ns"]
    whole = columns["detect_ns"] + rest
    p50, p90, p99 = (float(v) / 1e6 for v in np.percentile(whole, (50, 90, 99)))
    throughput = [{"batch": 1, "images_per_s": 1e9 / float(np.median(whole))}]
    for entry in meta["batches"]:
        ns = sum(float(np.median(v)) for name, v in entry.items() if name != "images")
        throughput.append({"batch": entry["images"], "images_per_s": entry["images"] / ns * 1e9})
    units = columns["detect_ns"] / columns["detect_reference_ns"]
    units = units + rest / columns["reference_ns"]
    shares = {"detect": columns["detect_ns"], "rest": rest}
    reasons = [
        f"{_STEPS[name]}: {movement['why']}"
        for name, movement in meta["movement"].items()
        if movement["why"] and np.median(shares[name]) >= SMALL_SHARE * np.median(whole)
    ]
    low, high = (None, None) if reasons else interval(units, columns["block"])
    return {
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "samples": len(whole),
        "images": len(np.unique(columns["row"])),
        "images_per_s": throughput[-1]["images_per_s"],
        "batch": throughput[-1]["batch"],
        "throughput": throughput,
        "reference_p50": None if reasons else float(np.median(units)),
        "reference_low": low,
        "reference_high": high,
        "reference_why": "; ".join(reasons) or None,
    }


_STEPS = {"detect": "detection", "rest": "what follows it"}
