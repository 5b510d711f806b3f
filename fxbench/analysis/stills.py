"""Photos: a few are looked at together, and each is written down by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fxbench.analysis.columns import batch, records
from fxbench.analysis.drawn import drawn, photo_suffix, write_picture
from fxbench.analysis.media import Media, read_photo
from fxbench.errors import FxbenchError, ImageError, StoreError
from fxbench.types import Bool, Boxes, Frames, Points, UInt8

if TYPE_CHECKING:
    from fxbench.analysis.columns import Layout
    from fxbench.analysis.engine import Answer, Engine, Look

ANNOTATED = "annotated"
_PHOTOS = 8
_PIXELS = 8_000_000
"""So many photos are looked at together at most, and so many pixels if they are more than one."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo that was read, or was not.

    Attributes:
        media: the file.
        shown: what tables call it.
        name: of what is written of it.
        image: RGB uint8 (H, W, 3); None where it can't be read.
        fault: why not.
    """

    media: Media
    shown: str
    name: str
    image: UInt8 | None
    fault: str = ""


def read(given: Iterable[tuple[Media, str, str]]) -> Iterator[list[Photo]]:
    """The photos, a few at a time. One that can't be read has its fault instead of its pixels."""
    some: list[Photo] = []
    pixels = 0
    for media, shown, name in given:
        try:
            photo = Photo(media, shown, name, read_photo(media.path))
        except ImageError as error:
            photo = Photo(media, shown, name, None, str(error))
        size = 0 if photo.image is None else photo.image.shape[0] * photo.image.shape[1]
        if some and (pixels + size > _PIXELS or len(some) == _PHOTOS):
            yield some
            some, pixels = [], 0
        some.append(photo)
        pixels += size
    if some:
        yield some


def look(engine: Engine, photos: list[Photo]) -> list[tuple[Look, ...] | str]:
    """What is seen in each photo, or why nothing is: a component may fail at one."""
    images = tuple(photo.image for photo in photos if photo.image is not None)
    try:
        looks = engine.look(images)
    except StoreError:
        raise
    except FxbenchError as error:
        if len(images) == 1:
            return [photo.fault or str(error) for photo in photos]
        return [one for photo in photos for one in look(engine, [photo])]
    seen: list[tuple[Look, ...] | str] = []
    index = 0
    for photo in photos:
        if photo.image is None:
            seen.append(photo.fault)
            continue
        seen.append(tuple(_one(each, index) for each in looks))
        index += 1
    return seen


def analyse(
    photo: Photo, looks: tuple[Look, ...], layout: Layout, root: Path, *, annotated: bool
) -> dict[str, Any]:
    """Write what was seen in a photo.

    Args:
        photo: one that was read.
        looks: at it alone.
        layout: of the table.
        root: the folder that is written to.
        annotated: whether a picture with the answers is written.

    Returns:
        What is known of it, as JSON can hold it, its rows among it.

    Raises:
        StoreError: the picture can't be written.
    """
    if photo.image is None:
        raise ImageError(photo.fault)
    frames = Frames.stills((photo.name,), (photo.image,))
    numbers = np.zeros(1, np.int64)
    rows = [batch(layout, photo.shown, "photo", one, frames, numbers) for one in looks]
    files = []
    if annotated:
        place = f"{ANNOTATED}/{photo.name}{photo_suffix(photo.media.path)}"
        write_picture(root / place, drawn(photo.image, looks, 0))
        files.append(place)
    silent = {name: why for one in looks for (_, name), why in one.silent.items()}
    return {
        "file": photo.shown,
        "name": photo.name,
        "kind": "photo",
        "width": photo.image.shape[1],
        "height": photo.image.shape[0],
        "faces": {one.detector: len(one.boxes) for one in looks},
        "rows": records(pa.Table.from_batches(rows, layout.schema())),
        "faults": [f"{name} gave no answer: {why}" for name, why in silent.items()],
        "files": files,
    }


def _one(look: Look, index: int) -> Look:
    """What was seen in one picture of several."""
    there: Bool = look.boxes.frame == index
    boxes = Boxes(
        np.zeros(int(there.sum()), np.int64),
        look.boxes.xyxy[there],
        look.boxes.score[there],
        look.boxes.track[there],
    )
    return type(look)(
        look.detector,
        boxes,
        look.detected[there],
        {name: Points(some.xy[there], some.scheme) for name, some in look.points.items()},
        {name: _answer(answer, there) for name, answer in look.answers.items()},
        {(0, name): why for (frame, name), why in look.silent.items() if frame == index},
    )


def _answer(answer: Answer, there: Bool) -> Answer:
    return type(answer)(answer.probabilities[there], answer.other[there], answer.top()[there])
