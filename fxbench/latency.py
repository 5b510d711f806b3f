"""How long the chain detect, crop, predict (or detect, locate) takes, and how many a batch makes.

The rule: images are taken evenly spaced from those that the plan selects, decoded beforehand. The
first `WARM_UP` are run and not counted. Then each image is timed by itself through the detector,
and each face that is scored through crop and classifier; the latency of a chain is the sum for that
image, so a detector is timed once for all classifiers. An image without a face has no chain and is
no sample. Throughput is that of batches of 64, the median of `REPEATS` after one that isn't
counted. All stop early after `BUDGET_S` seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.align import aligned
from fxbench.errors import DataError
from fxbench.faces import choose, crops
from fxbench.facework import one_box_each
from fxbench.pipeline import BATCH, BATCH_BYTES, FIRST_BATCH
from fxbench.sources import Source, evenly_spaced
from fxbench.types import Batch, Boxes, Float32, Frames, Int64, Truth, UInt8
from fxbench.views import Told

WARM_UP = 10
SAMPLES = 100
REPEATS = 3
BUDGET_S = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """A detector's timings on the images of a source.

    Attributes:
        detect_ns: int64 (N,), for each image by itself.
        batch_ns: the median time for the first 64 images at once.
        batch_images: how many these were.
        frame: int64 (M,), the images in which a face was found.
        xyxy: float32 (M, 4), the face that is scored.
    """

    detect_ns: Int64
    batch_ns: int
    batch_images: int
    frame: Int64
    xyxy: Float32


def sample_images(source: Source) -> Batch:
    """Evenly spaced images of a source, decoded; fewer where they are large or can't be read.

    As many as a batch needs, so that the same images serve for both. Of videos the first frames: to
    take others, all that lie between would have to be decoded.
    """
    rows, count = source.answers.rows, max(SAMPLES + WARM_UP, BATCH)
    wanted = rows[:count] if source.clips else rows[evenly_spaced(len(rows), count)]
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


def time_detector(detector: Any, sample: Batch) -> Detections:
    """Time a detector on single images and on a batch."""
    images = sample.frames.images
    found: list[Boxes] = []
    _warm_up(lambda i: detector.detect((images[i % len(images)],)), len(images))
    samples, begin = [], time.perf_counter()
    for image in images:
        start = time.perf_counter_ns()
        boxes = detector.detect((image,))
        samples.append(time.perf_counter_ns() - start)
        found.append(boxes)
        if time.perf_counter() - begin > BUDGET_S:
            break
    # A slow detector's batch is cut to the images that it got through by themselves.
    batch = images[: min(BATCH, len(samples))]
    batch_ns = _repeated(lambda: _ns(lambda: detector.detect(batch)))
    frames, faces = [], []
    for i, boxes in enumerate(found):
        truth = None
        if sample.truth is not None and sample.truth.xyxy is not None:
            truth = sample.truth.xyxy[i : i + 1]
        index = int(choose(boxes, 1, truth)[0])
        if index >= 0:
            frames.append(i)
            faces.append(boxes.xyxy[index])
    return Detections(
        np.asarray(samples, np.int64),
        batch_ns,
        len(batch),
        np.asarray(frames, np.int64),
        np.asarray(faces, np.float32).reshape(-1, 4),
    )


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


def detection_alone(sample: Batch, detections: Detections) -> dict[str, Int64]:
    """Raw samples of a detector alone, one for each image; the columns of :func:`time_chain`."""
    count = len(detections.detect_ns)
    none = np.zeros(count, np.int64)
    return {
        "row": sample.rows[:count],
        "detect_ns": detections.detect_ns,
        "crop_ns": none,
        "predict_ns": none,
        "batch_ns": np.full(count, detections.batch_ns, np.int64),
        "batch_images": np.full(count, detections.batch_images, np.int64),
    }


def time_chain(step: Step, sample: Batch, detections: Detections) -> dict[str, Int64]:
    """Raw samples of a chain, one for each image in which the detector found a face.

    Returns:
        Columns int64 in nanoseconds: `row`, `detect_ns`, `crop_ns`, `predict_ns`; and in every row
        the same `batch_ns`, for all faces of a batch of `batch_images` images, detection included.
    """
    images = sample.frames.images
    frame, xyxy = detections.frame, detections.xyxy
    columns = ("row", "detect_ns", "crop_ns", "predict_ns", "batch_ns", "batch_images")
    if not len(frame):
        return {name: np.zeros(0, np.int64) for name in columns}

    def one(i: int) -> tuple[int, int]:
        image = images[frame[i]]
        return step((image,), np.zeros(1, np.int64), xyxy[i : i + 1])

    _warm_up(lambda i: one(i % len(frame)), len(frame))
    samples, begin = [], time.perf_counter()
    for i in range(len(frame)):
        samples.append(one(i))
        if time.perf_counter() - begin > BUDGET_S:
            break
    inside = frame < detections.batch_images
    batch_ns = detections.batch_ns
    if inside.any():
        batch = images[: detections.batch_images]
        batch_ns += _repeated(lambda: sum(step(batch, frame[inside], xyxy[inside])))
    count = len(samples)
    times = np.asarray(samples, np.int64)
    values = (
        sample.rows[frame[:count]],
        detections.detect_ns[frame[:count]],
        times[:, 0],
        times[:, 1],
        np.full(count, batch_ns, np.int64),
        np.full(count, detections.batch_images, np.int64),
    )
    return dict(zip(columns, values, strict=True))


def summary(columns: dict[str, Any]) -> dict[str, Any] | None:
    """Milliseconds at batch 1 and images per second in batches, from raw samples."""
    if not columns or not len(columns["row"]):
        return None
    chain = columns["detect_ns"] + columns["crop_ns"] + columns["predict_ns"]
    p50, p90, p99 = (float(v) / 1e6 for v in np.percentile(chain, (50, 90, 99)))
    batch_images, batch_ns = int(columns["batch_images"][0]), int(columns["batch_ns"][0])
    return {
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "samples": len(chain),
        "images_per_s": batch_images / (batch_ns / 1e9),
        "batch": batch_images,
    }


def _warm_up(call: Callable[[int], Any], available: int) -> None:
    begin = time.perf_counter()
    for i in range(WARM_UP if available else 0):
        call(i)
        if time.perf_counter() - begin > BUDGET_S / 2:
            return


def _ns(call: Callable[[], Any]) -> int:
    start = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - start


def _repeated(call: Callable[[], int]) -> int:
    """The median of a few timings in nanoseconds, after one that isn't counted.

    Where that first call alone takes half of the budget, it is the answer.

    Args:
        call: does it, and returns how long it took.
    """
    begin = time.perf_counter_ns()
    first = call()
    if time.perf_counter_ns() - begin > BUDGET_S / 2 * 1e9:
        return first
    times: list[int] = []
    while len(times) < REPEATS and time.perf_counter_ns() - begin < BUDGET_S * 1e9:
        times.append(call())
    return int(np.median(times))
