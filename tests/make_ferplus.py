"""Makes tiny FER+ trees for tests: the real file formats, pictures that are nobody's face."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from fxbench.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fxbench.types import UInt8

Layout = Literal["folders", "zip", "csv"]

FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}
USAGES = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
COLUMNS = [*EMOTIONS, "unknown", "NF"]
NO_IMAGE = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]


def clear(emotion: int, top: int = 8) -> list[int]:
    """Ten votes, `top` of them for one emotion and the rest for the next one."""
    votes = [0] * 10
    votes[emotion] = top
    votes[(emotion + 1) % 8] += 10 - top
    return votes


_ALL = {"majority", "plurality", "probability", "crossentropy", "multi-target"}

AMBIGUOUS: list[tuple[list[int], set[str]]] = [
    # votes, and the protocols that keep them
    ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], {"probability", "crossentropy", "multi-target"}),
    ([4, 3, 3, 0, 0, 0, 0, 0, 0, 0], {"plurality", "probability", "crossentropy", "multi-target"}),
    ([3, 3, 2, 2, 0, 0, 0, 0, 0, 0], {"multi-target"}),
    ([2, 2, 2, 2, 2, 0, 0, 0, 0, 0], set()),
    ([0, 2, 0, 0, 0, 0, 0, 0, 8, 0], set()),
    ([0, 0, 0, 1, 0, 0, 0, 0, 0, 9], set()),
    ([4, 1, 1, 1, 1, 1, 1, 0, 0, 0], _ALL),
    ([0, 0, 0, 0, 3, 0, 2, 0, 5, 0], set()),
]

DEFAULT_VOTES: dict[str, list[list[int]]] = {
    "train": [clear(emotion, top) for top in (10, 7) for emotion in range(8)],
    "valid": [clear(emotion, top) for top in (10, 8) for emotion in range(8)]
    + [votes for votes, _ in AMBIGUOUS],
    "test": [clear(emotion, 9) for emotion in range(8)],
}
"""All eight emotions in each split; in valid also images that some or all protocols drop."""


def picture(seed: int) -> UInt8:
    """A grey 48 x 48 picture, uint8 (48, 48): a shaded blob with noise, another for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:48, 0:48]
    centre = rng.uniform(16, 32, 2)
    blob = 180 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / rng.uniform(80, 300))
    image: UInt8 = np.clip(blob + x + rng.normal(0, 8, (48, 48)), 0, 255).astype(np.uint8)
    return image


def png(image: UInt8) -> bytes:
    """The bytes of a PNG file, lossless."""
    return bytes(cv2.imencode(".png", image)[1].tobytes())


def make_ferplus(
    root: Path,
    votes: Mapping[str, Sequence[Sequence[int]]] | None = None,
    layout: Layout = "folders",
) -> Path:
    """Writes the splits of `votes` into `root`, and `fer2013new.csv` beside them.

    The same votes give the same images and labels in each layout. `fer2013new.csv` has for each
    split one more row, the first, that has no image.

    Args:
        root: a folder; made where it is missing.
        votes: by split, ten votes for each image; :data:`DEFAULT_VOTES` where None.
        layout: the authors' `folders`, those as `zip` files, or Kaggle's `csv`.

    Returns:
        `root`.
    """
    votes = DEFAULT_VOTES if votes is None else votes
    root.mkdir(parents=True, exist_ok=True)
    new = [["Usage", "Image name", *COLUMNS]]
    kaggle = ["emotion,pixels,Usage"]
    seed = 0
    for split, rows in votes.items():
        files: dict[str, bytes] = {}
        labels = io.StringIO()
        writer = csv.writer(labels, lineterminator="\n")
        new.append([USAGES[split], "", *map(str, NO_IMAGE)])
        kaggle.append(f"0,{' '.join(['0'] * 48 * 48)},{USAGES[split]}")
        for row in rows:
            name, image = f"fer{100 + 3 * seed:07d}.png", picture(seed)
            seed += 1
            writer.writerow([name, "(0, 0, 48, 48)", *row])
            new.append([USAGES[split], name, *map(str, row)])
            kaggle.append(f"0,{' '.join(map(str, image.ravel()))},{USAGES[split]}")
            files[name] = png(image)
        files["label.csv"] = labels.getvalue().encode()
        if layout == "folders":
            folder = root / FOLDERS[split]
            folder.mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)
        elif layout == "zip":
            make_zip(
                root / f"{FOLDERS[split]}.zip",
                {f"{FOLDERS[split]}/{name}": data for name, data in files.items()},
            )
    if layout == "csv":
        (root / "fer2013.csv").write_text("\n".join(kaggle) + "\n")
    with (root / "fer2013new.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(new)
    return root


def make_zip(path: Path, entries: Mapping[str, bytes]) -> Path:
    """A zip file with these entries, names taken as they are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path
