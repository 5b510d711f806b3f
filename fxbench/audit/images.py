"""The labelled images of a dataset, as faces for a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import PluginError, UsageError
from fxbench.faces import crops
from fxbench.types import FaceSpec, Float32, Int64, Truth, UInt8

if TYPE_CHECKING:
    from fxbench.sources import Source

LEAST = 20
"""With fewer labelled images nothing can be said."""

_SLICE = 32
"""How many images are decoded at once."""


class Images:
    """The images of a plan that have a right emotion.

    A face is the image's true box where the dataset has boxes (of several the first), else the
    whole image: a detector's mistakes are not the classifier's.

    Attributes:
        name: dataset, split and protocol, for people.
        rows: int64 (N,), their rows of the split, ascending.
        truth: int64 (N,), the right emotion, an index into EMOTIONS.
    """

    def __init__(self, source: Source) -> None:
        """Choose the images.

        Raises:
            UsageError: they have no label, or there are too few.
        """
        labelled = np.flatnonzero(source.answers.labels >= 0)
        if not len(labelled):
            raise UsageError(
                f"{source.name} has no emotion labels, and an audit compares answers with them: "
                "choose another dataset, split or protocol."
            )
        if len(labelled) < LEAST:
            raise UsageError(
                f"{source.name} has {len(labelled)} labelled images here, too few to tell anything "
                f"from: an audit needs at least {LEAST}, and some hundred to tell much."
            )
        self.name = source.name
        self.rows: Int64 = source.answers.rows[labelled]
        self.truth: Int64 = source.answers.labels[labelled]
        self._source = source

    def __len__(self) -> int:
        return len(self.rows)

    def faces(
        self, spec: FaceSpec, positions: Int64 | None = None
    ) -> Iterator[tuple[Int64, UInt8]]:
        """The faces, a few at a time.

        Args:
            spec: how they are rendered.
            positions: int64, ascending: which of the N images; all where None.

        Yields:
            Positions int64 (M,) and faces uint8 (M, size, size, 3). An image that can't be read is
            left out.

        Raises:
            PluginError: the dataset gives rows that it was not asked for.
        """
        wanted = np.arange(len(self.rows)) if positions is None else positions
        dataset, split = self._source.dataset, self._source.split
        for start in range(0, len(wanted), _SLICE):
            rows = self.rows[wanted[start : start + _SLICE]]
            for batch in dataset.batches(split, rows):
                if not np.isin(batch.rows, rows).all():
                    raise PluginError(
                        f"The dataset {self._source.entry.name} gave rows of {split} that it was "
                        "not asked for."
                    )
                images = batch.frames.images
                frame = np.arange(len(images), dtype=np.int64)
                faces = crops(images, (frame, boxes(batch.truth, images)), spec)
                yield np.searchsorted(self.rows, batch.rows).astype(np.int64), faces


def boxes(truth: Truth | None, images: tuple[UInt8, ...]) -> Float32:
    """One box for each image, float32 (N, 4): its first true one, else the whole image."""
    whole = [(0, 0, image.shape[1], image.shape[0]) for image in images]
    chosen = np.array(whole, np.float32).reshape(-1, 4)
    if truth is not None and truth.xyxy is not None:
        known = np.isfinite(truth.xyxy).all(axis=1)
        # Backwards, so that the first of an image is written last.
        chosen[truth.frame[known][::-1]] = truth.xyxy[known][::-1]
    return chosen
