"""How long the chain detect, crop, predict takes for one image, and how many a batch makes.

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

from fxbench.faces import choose, crops
from fxbench.pipeline import BATCH
from fxbench.plan import Source, evenly_spaced
from fxbench.types import Batch, Boxes, Float32, Frames, Int64, Truth

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
    """Evenly spaced images of a source, decoded; fewer where some can't be read.

    As many as a batch needs, so that the same images serve for both.
    """
    rows = source.answers.rows
    wanted = rows[evenly_spaced(len(rows), max(SAMPLES + WARM_UP, BATCH))]
    parts = [b for b in source.dataset.batches(source.split, wanted) if len(b.rows)]
    frames = [b.frames for b in parts]
    images = tuple(image for part in frames for image in part.images)
    ids = tuple(name for part in frames for name in part.ids)
    rows = np.concatenate([b.rows for b in parts]) if parts else np.zeros(0, np.int64)
    boxes = [b.truth.xyxy for b in parts if b.truth is not None and b.truth.xyxy is not None]
    truth = np.concatenate(boxes) if parts and len(boxes) == len(parts) else None
    known = Truth(np.arange(len(rows)), xyxy=truth) if truth is not None else None
    return Batch(rows, Frames.stills(ids, images), known)


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
    batch_ns = _repeated(lambda: detector.detect(batch))
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


def time_classifier(classifier: Any, sample: Batch, detections: Detections) -> dict[str, Int64]:
    """Raw samples of a chain, one for each image in which the detector found a face.

    Returns:
        Columns int64 in nanoseconds: `row`, `detect_ns`, `crop_ns`, `predict_ns`; and in every row
        the same `batch_ns`, for all faces of a batch of `batch_images` images, detection included.
    """
    images, spec = sample.frames.images, classifier.face
    frame, xyxy = detections.frame, detections.xyxy
    if not len(frame):
        return {}

    def one(i: int) -> tuple[int, int]:
        start = time.perf_counter_ns()
        face = crops(images, (frame[i : i + 1], xyxy[i : i + 1]), spec)
        between = time.perf_counter_ns()
        classifier.predict(face)
        return between - start, time.perf_counter_ns() - between

    _warm_up(lambda i: one(i % len(frame)), len(frame))
    samples, begin = [], time.perf_counter()
    for i in range(len(frame)):
        samples.append(one(i))
        if time.perf_counter() - begin > BUDGET_S:
            break
    inside = frame < detections.batch_images
    batch_ns = detections.batch_ns
    if inside.any():
        batch_ns += _repeated(
            lambda: classifier.predict(crops(images, (frame[inside], xyxy[inside]), spec))
        )
    count = len(samples)
    times = np.asarray(samples, np.int64)
    return {
        "row": sample.rows[frame[:count]],
        "detect_ns": detections.detect_ns[frame[:count]],
        "crop_ns": times[:, 0],
        "predict_ns": times[:, 1],
        "batch_ns": np.full(count, batch_ns, np.int64),
        "batch_images": np.full(count, detections.batch_images, np.int64),
    }


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


def _repeated(call: Callable[[], Any]) -> int:
    """The median of a few timings in nanoseconds, after one call that isn't counted.

    Where that first call alone takes half of the budget, it is the answer.
    """
    begin = time.perf_counter_ns()
    call()
    first = time.perf_counter_ns() - begin
    if first > BUDGET_S / 2 * 1e9:
        return first
    times: list[int] = []
    while len(times) < REPEATS and time.perf_counter_ns() - begin < BUDGET_S * 1e9:
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return int(np.median(times))
