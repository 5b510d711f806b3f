"""The images of a run's dataset, read again to be looked at, where that is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fxbench.errors import FxbenchError
from fxbench.following import moved
from fxbench.loader import Loader
from fxbench.options import Options, resolve
from fxbench.protocols import Dataset, Videos
from fxbench.recipe import Recipe
from fxbench.registry import Registry, discover
from fxbench.types import Int64, UInt8

THUMBNAIL = 240
"""The longer side of a picture that is shown, pixels, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredImages:
    """The images of one split of a dataset.

    Attributes:
        dataset: reads them; None where they are not shown.
        split: which.
        why: why they are not shown, one sentence; empty where they are.
    """

    dataset: Dataset | None
    split: str
    why: str = ""

    def thumbnails(self, rows: Sequence[int]) -> dict[int, UInt8]:
        """Small pictures RGB uint8 (H, W, 3) by row; an image that can't be read has none.

        Raises:
            FxbenchError: the dataset fails.
        """
        if self.dataset is None or not rows:
            return {}
        found: dict[int, UInt8] = {}
        for wanted in _by_clip(self.dataset, self.split, np.unique(np.asarray(rows, np.int64))):
            for batch in self.dataset.batches(self.split, wanted):
                for row, image in zip(batch.rows.tolist(), batch.frames.images, strict=True):
                    found[row] = thumbnail(image)
        return found


def _by_clip(dataset: Dataset, split: str, rows: Int64) -> Iterator[Int64]:
    """Rows as a dataset may be asked for them: frames of one video at a time."""
    if not isinstance(dataset, Videos):
        yield rows
        return
    for clip in dataset.clips(split):
        own = rows[(rows >= clip.first) & (rows < clip.first + clip.frames)]
        if len(own):
            yield own


def thumbnail(image: UInt8, side: int = THUMBNAIL) -> UInt8:
    """A picture whose longer side is `side` pixels; a smaller one becomes larger without blur."""
    scale = side / max(image.shape[:2])
    size = [max(1, round(scale * length)) for length in image.shape[1::-1]]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


def opened(
    run: Mapping[str, Any], dataset: str, split: str, settings: tuple[str, ...]
) -> StoredImages:
    """The images that a run was made on.

    They are shown only where both the run's record and the dataset that is installed say that
    they may be, and where their fingerprint is the run's.

    Args:
        run: its record.
        dataset: the name.
        split: which.
        settings: options that say where things are, as texts `NAME.OPTION=VALUE`.
    """
    record = (run.get("datasets") or {}).get(dataset) or {}
    terms = record.get("terms") or {}
    if not terms.get("may_show", False):
        licence = terms.get("licence") or "its record names none"
        return StoredImages(
            None, split, f"The licence of {dataset} doesn't allow its images to be shown: {licence}"
        )
    try:
        registry, options = _as_it_was(run, settings)
        entry = registry.get("dataset", dataset)
        found: Dataset = Loader(options).get(entry)
        fingerprint = found.fingerprint(split)
    except FxbenchError as error:
        return StoredImages(None, split, f"The images of {dataset} can't be read here: {error}")
    if not found.terms.may_show:
        return StoredImages(
            None, split, f"The licence of {dataset} doesn't allow its images to be shown."
        )
    if fingerprint != record.get("fingerprint"):
        return StoredImages(
            None,
            split,
            f"The images of {dataset} on this machine are others than the run's: their "
            f"fingerprint is {fingerprint[:12]}, the run's {str(record.get('fingerprint'))[:12]}.",
        )
    return StoredImages(found, split)


def _as_it_was(run: Mapping[str, Any], settings: tuple[str, ...]) -> tuple[Registry, Options]:
    """What is installed, with the options that the run had as far as they are known."""
    if run.get("recipe"):
        recipe = Recipe.read(run["recipe"])
        registry = recipe.registry()
        moved_here = moved(recipe, _own(registry, run, settings), registry)
        return registry, moved_here.options(registry)
    registry = discover()
    components = [entry.component for entry in registry.entries]
    return registry, resolve(components, settings, os.environ, Path())


def _own(registry: Registry, run: Mapping[str, Any], settings: tuple[str, ...]) -> tuple[str, ...]:
    """The settings that say where the run's datasets are: the others would change its results."""
    places = {
        (entry.component.owner, option.name)
        for entry in registry.of_kind("dataset")
        if entry.name in (run.get("datasets") or {})
        for option in entry.component.options
        if not option.affects_results
    }
    named = ((text, text.partition("=")[0].rpartition(".")) for text in settings)
    return tuple(text for text, (owner, _, option) in named if (owner, option) in places)
