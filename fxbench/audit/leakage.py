"""Leakage: images of one split that occur in another, pixel for pixel or nearly.

Copies are found by the sha256 of their decoded pixels. Near copies are found by the perceptual
hash of OpenCV (`cv2.img_hash.PHash`, after Zauner 2010, Implementation and benchmarking of
perceptual image hash functions, section 3.2.1): 64 bits, of which at most :data:`NEAR` differ.

How many near copies chance makes is measured on the images themselves: a mirrored picture has the
statistics of a picture, but no copy in the other split (unless somebody mirrored it there). So each
image is looked up mirrored as well, and what is found then is what chance finds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fxbench.audit.findings import Finding, Verdict
from fxbench.protocols import Dataset
from fxbench.types import Float32, Int64, UInt8

NEAR = 4
"""How many of the 64 bits of two near copies may differ."""

_COMMON = 0.01
"""Where chance matches a larger share of the images than this, the hash says nothing."""

_LISTED = 10_000
_SLICE = 64
_ROWS, _COLUMNS = 512, 8192
"""The block of distances that is held at once: 16 MB."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """What is kept of the images of a split, 48 bytes each.

    Attributes:
        rows: int64 (N,), those that could be read.
        exact: N times the sha256 of size and pixels.
        hashes: uint8 (N, 8), the perceptual hash.
        mirrored: uint8 (N, 8), that of the mirrored image.
        unreadable: how many could not be read.
    """

    rows: Int64
    exact: tuple[bytes, ...]
    hashes: UInt8
    mirrored: UInt8
    unreadable: int


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What of one split occurs in another.

    Attributes:
        split: whose images were looked up.
        other: where.
        images: how many were looked up.
        exact: row of `split` to row of `other`, for those that occur there pixel for pixel.
        near: likewise, for those that occur there nearly and not exactly.
        by_chance: how many of the mirrored images have a near copy.
    """

    split: str
    other: str
    images: int
    exact: dict[int, int] = field(repr=False)
    near: dict[int, int] = field(repr=False)
    by_chance: int

    @property
    def rows(self) -> Int64:
        """The rows of `split` that occur in `other`, exactly or nearly, int64, ascending."""
        return np.array(sorted({*self.exact, *self.near}), np.int64)


def prints(dataset: Dataset, split: str, rows: Int64 | None, progress: Progress) -> Prints:
    """Read images and keep their hashes.

    Args:
        dataset: whose.
        split: of it.
        rows: ascending; all where None.
        progress: told what is done.
    """
    wanted = np.arange(len(dataset.ids(split)), dtype=np.int64) if rows is None else rows
    perceptual = cv2.img_hash.PHash.create()
    read: list[int] = []
    exact: list[bytes] = []
    hashes: list[UInt8] = []
    mirrored: list[UInt8] = []
    unreadable = 0
    for start in range(0, len(wanted), _SLICE):
        for batch in dataset.batches(split, wanted[start : start + _SLICE]):
            unreadable += len(batch.failures)
            for row, image in zip(batch.rows.tolist(), batch.frames.images, strict=True):
                pixels = np.ascontiguousarray(image)
                read.append(row)
                size = np.array(pixels.shape, "<i8").tobytes()
                exact.append(hashlib.sha256(size + pixels.tobytes()).digest())
                grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
                hashes.append(perceptual.compute(grey)[0])
                mirrored.append(perceptual.compute(cv2.flip(grey, 1))[0])
        progress(f"{split}: {len(read)} of {len(wanted)} images read")
    return Prints(
        np.array(read, np.int64),
        tuple(exact),
        np.array(hashes, np.uint8).reshape(-1, 8),
        np.array(mirrored, np.uint8).reshape(-1, 8),
        unreadable,
    )


def nearest(hashes: UInt8, others: UInt8) -> tuple[Int64, Int64]:
    """The nearest of `others` for each hash, by Hamming distance; the first of equally near ones.

    A block of distances is a product of matrices of -1 and 1, which BLAS computes faster than bits
    are counted: 28,000 by 3,600 hashes take a second.

    Args:
        hashes: uint8 (N, 8).
        others: uint8 (M, 8), at least one.

    Returns:
        Distances int64 (N,) from 0 to 64, and indices int64 (N,) into `others`.
    """
    distance = np.full(len(hashes), 65, np.int64)
    index = np.zeros(len(hashes), np.int64)
    for left in range(0, len(others), _COLUMNS):
        columns = _signs(others[left : left + _COLUMNS]).T
        for top in range(0, len(hashes), _ROWS):
            part = slice(top, top + _ROWS)
            # The largest product is the least distance: 64 - 2 d.
            product = _signs(hashes[part]) @ columns
            place = product.argmax(axis=1)
            found = np.rint((64 - product[np.arange(len(place)), place]) / 2).astype(np.int64)
            nearer = found < distance[part]
            index[part] = np.where(nearer, place + left, index[part])
            distance[part] = np.where(nearer, found, distance[part])
    return distance, index


def _signs(hashes: UInt8) -> Float32:
    bits: Float32 = np.unpackbits(hashes, axis=1).astype(np.float32) * np.float32(2)
    return bits - np.float32(1)


def compare(split: str, these: Prints, other: str, those: Prints) -> Pair:
    """What of one split occurs in another."""
    first: dict[bytes, int] = {}
    for row, digest in zip(those.rows.tolist(), those.exact, strict=True):
        first.setdefault(digest, row)
    exact = {
        row: first[digest]
        for row, digest in zip(these.rows.tolist(), these.exact, strict=True)
        if digest in first
    }
    near: dict[int, int] = {}
    by_chance = 0
    if len(these.rows) and len(those.rows):
        distance, index = nearest(these.hashes, those.hashes)
        near = {
            int(these.rows[place]): int(those.rows[index[place]])
            for place in np.flatnonzero(distance <= NEAR).tolist()
            if int(these.rows[place]) not in exact
        }
        by_chance = int((nearest(these.mirrored, those.hashes)[0] <= NEAR).sum())
    return Pair(split, other, len(these.rows), exact, near, by_chance)


def check(dataset: Dataset, pairs: tuple[Pair, ...], counted: Int64 | None = None) -> Finding:
    """Say what leaks.

    Args:
        dataset: whose splits they are.
        pairs: what was compared; of a classifier's audit all with the same `split`.
        counted: int64, the rows of `split` that a classifier is scored on. Then copies are a
            warning about its scores; without it they are a mistake of the dataset.
    """
    if not pairs:
        only = ", ".join(dataset.splits)
        return Finding(
            "leakage",
            "undetermined",
            f"There is one split here ({only}): nothing to compare it with.",
            {"splits": list(dataset.splits)},
            "Put the split that a model was trained on beside it.",
        )
    records = [_record(dataset, pair, counted) for pair in pairs]
    numbers: dict[str, Any] = {"threshold_bits": NEAR, "pairs": records}
    found = [_sentence(pair, record) for pair, record in zip(pairs, records, strict=True)]
    exact = sum(len(pair.exact) for pair in pairs)
    near = sum(len(pair.near) for pair in pairs)
    expected = sum(pair.by_chance for pair in pairs)
    if not exact and near <= 2 * expected and expected > _COMMON * sum(p.images for p in pairs):
        return Finding(
            "leakage",
            "undetermined",
            f"{' '.join(found)} Mirrored images match as often, so that near copies can't be told "
            "from images that are merely alike.",
            numbers,
            "Look at the pairs that --json lists.",
        )
    if not exact and near <= 2 * expected:
        sentence = f"No image of one split was found in another. {' '.join(found)}"
        return Finding("leakage", "pass", sentence.strip(), numbers)
    verdict: Verdict = "fail" if counted is None and exact else "warn"
    advice = "Leave these images out of training, or out of scores: --json lists them."
    return Finding("leakage", verdict, " ".join(found), numbers, advice)


def _sentence(pair: Pair, record: dict[str, Any]) -> str:
    counts = ""
    if pair.exact and "exact_counted" in record:
        counts = f" ({record['exact_counted']} of them count here)"
    return (
        f"Of {pair.images} images of {pair.split} {len(pair.exact)} also occur in {pair.other} "
        f"pixel for pixel{counts}, {len(pair.near)} more nearly (chance makes about "
        f"{pair.by_chance})."
    )


def _record(dataset: Dataset, pair: Pair, counted: Int64 | None) -> dict[str, Any]:
    ids, others = dataset.ids(pair.split), dataset.ids(pair.other)
    record: dict[str, Any] = {
        "split": pair.split,
        "other": pair.other,
        "images": pair.images,
        "exact": len(pair.exact),
        "near": len(pair.near),
        "near_by_chance": pair.by_chance,
    }
    for name, found in (("exact", pair.exact), ("near", pair.near)):
        record[f"{name}_list"] = [[ids[a], others[b]] for a, b in sorted(found.items())][:_LISTED]
        if counted is not None:
            rows: npt.NDArray[Any] = np.array(sorted(found), np.int64)
            record[f"{name}_counted"] = int(np.isin(rows, counted).sum())
    return record
