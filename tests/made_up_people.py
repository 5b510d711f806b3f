"""Videos of made-up people, and what finds them: squares that move to the right, with brows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from fxbench_mini.dataset import FOLDER

from fxbench.types import Boxes, Points

FRAMES, FPS, WIDTH, HEIGHT = 40, 20.0, 200, 150
TEXTURE = np.kron(np.random.default_rng(0).integers(0, 50, (12, 12)), np.ones((5, 5), int))


def face() -> np.ndarray:
    """A true face of `mini`, in units of its box, float64 (68, 2)."""
    with np.load(FOLDER / "faces.npz", allow_pickle=False) as archive:
        points, (x1, y1, x2, y2) = archive["points"][0].astype(float), archive["boxes"][0]
    return (points - (x1, y1)) / (x2 - x1, y2 - y1)


class Squares:
    """White squares are faces, the left one first; a grey one raises its brows."""

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        self.seen += len(images)
        found = []
        for image in images:
            bright = (cv2.GaussianBlur(image[..., 1], (5, 5), 0) > 90).astype(np.uint8)
            _, _, stats, _ = cv2.connectedComponentsWithStats(bright)
            found.append(
                [
                    (float(x), float(y), float(x + w), float(y + h), 0.9)
                    for x, y, w, h, area in sorted(stats[1:].tolist())
                    if area > 200
                ]
            )
        return Boxes.from_lists(found)


class Brows:
    """Puts a face into the box; its brows are higher by how dark the box is."""

    scheme = "300w-68"

    def locate(self, images: tuple[np.ndarray, ...], boxes: Boxes) -> Points:
        out = np.empty((len(boxes), 68, 2), np.float32)
        for i, (frame, box) in enumerate(zip(boxes.frame.tolist(), boxes.xyxy, strict=True)):
            x1, y1, x2, y2 = box.tolist()
            middle = images[frame][int(y1) : int(y2), int(x1) : int(x2)].mean()
            points = face()
            points[17:27, 1] -= 0.05 * (middle < 180)
            out[i] = points * (x2 - x1, y2 - y1) + (x1, y1)
        return Points(out, self.scheme)


def picture(number: int, people: int = 1) -> np.ndarray:
    """A frame: the first person goes to the right, and is grey from frame 12 to 17."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    shade = 150 if 12 <= number < 18 else 255
    left = 20 + number % 100
    # What is followed between detections needs some texture.
    image[40:100, left : left + 60] = (shade - TEXTURE)[..., None]
    if people > 1 and number >= 20:
        image[20:60, 140:180] = 255
    return image


def film(path: Path, people: int = 1, frames: int = FRAMES) -> Path:
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT)
    )
    for number in range(frames):
        writer.write(picture(number, people))
    writer.release()
    return path
