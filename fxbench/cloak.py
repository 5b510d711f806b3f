"""Change a picture within a budget so that classifiers misread the expressions in it.

The change is made in the picture's own pixels and is to transfer to classifiers that it was not
made with: momentum iterations (Dong et al. 2018, Boosting adversarial attacks with momentum,
algorithm 2), on several surrogates at once (section 3.3 there), each of which sees its own crop of
the face, shifted and scaled at random in every iteration (Xie et al. 2019, Improving
transferability of adversarial examples with input diversity), with the gradient smoothed (Dong et
al. 2019, Evading defenses to transferable adversarial examples by translation-invariant attacks).
What it achieves is measured elsewhere: :mod:`fxbench.cloak_effect`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy import sparse

from fxbench.attacked import WhiteBox
from fxbench.errors import FxbenchError, UsageError
from fxbench.faces import INTERPOLATION, crops, padded_size, pixel_edges
from fxbench.protocols import Differentiable
from fxbench.types import FaceSpec, Float32, Int64, UInt8

MAX_PIXELS = 16_000_000
"""The largest face that is cloaked: the work on it takes some 150 bytes for each pixel."""

_BLOCK = 256
"""So many unit impulses are resized at once."""

_POOL = 3
"""From so many times the views of an iteration those of each are drawn."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a cloak is made.

    Attributes:
        epsilon: the largest change of a pixel, in units of [0, 1].
        steps: iterations for each face.
        target: the emotion that classifiers are to answer; None: any but their clean answer.
        seed: of the random views.
        views: crops of the face that each surrogate sees in an iteration, the right one among them.
        shift: how far the others are moved at most, as a fraction of the box's side.
        zoom: how much larger or smaller their sides are at most, as a fraction.
        blur: standard deviation of the Gaussian that smooths the change, as a fraction of the box's
            side.
        fade: over which fraction of its side the change fades out towards a face's border.
        decay: of the momentum.
        reach: how far all steps together go, in budgets.
    """

    epsilon: float = 8 / 255
    steps: int = 20
    target: str | None = None
    seed: int = 0
    views: int = 8
    shift: float = 0.06
    zoom: float = 0.1
    blur: float = 0.0075
    fade: float = 0.1
    decay: float = 1.0
    reach: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1 or self.levels < 1:
            raise UsageError(
                f"An epsilon of {self.epsilon:g} changes no pixel of an 8-bit picture: expected is "
                "1/255 to 1."
            )
        if self.steps < 1:
            raise UsageError(f"A cloak takes at least 1 step, not {self.steps}.")

    @property
    def levels(self) -> int:
        """The budget in whole grey levels, so that rounding can't exceed it."""
        return int(np.floor(self.epsilon * 255 + 1e-6))


class Rendering:
    """How a face is rendered from a part of a picture: the linear map of :mod:`fxbench.faces`.

    The rounding to 8 bits is left out. Resizing works on rows and columns by themselves, so that
    two small matrices are all of it, and their transposes carry a gradient back.

    Attributes:
        rows: (size, H), from the part's rows to the face's.
        columns: (size, W).
    """

    def __init__(
        self, edges: tuple[int, int, int, int], shape: tuple[int, int], spec: FaceSpec
    ) -> None:
        """The map for one face.

        Args:
            edges: what is cut out, `x1, y1, x2, y2` in pixels of the part.
            shape: height and width of the part.
            spec: how the face is rendered.
        """
        x1, y1, x2, y2 = edges
        width, height = x2 - x1, y2 - y1
        wide, high = spec.size, spec.size
        if spec.fit == "pad":
            wide, high = padded_size(width, height, spec.size)
        # Where one axis grows, OpenCV takes areas of neither.
        grows = wide > width or high > height
        top, left = (spec.size - high) // 2, (spec.size - wide) // 2
        same = (width, height) == (wide, high)
        self.rows: Any = _placed(
            _axis(height, high, spec, same=same, grows=grows), y1, top, (spec.size, shape[0])
        )
        self.columns: Any = _placed(
            _axis(width, wide, spec, same=same, grows=grows), x1, left, (spec.size, shape[1])
        )

    def render(self, part: Float32) -> Float32:
        """The face float32 (size, size, 3) of a part of a picture float32 (H, W, 3)."""
        return _applied(self.rows, self.columns, part)

    def transposed(self, slopes: Float32) -> Float32:
        """The gradient float32 (H, W, 3) in the part, of one in the face (size, size, 3)."""
        return _applied(self.rows.T, self.columns.T, slopes)


def _applied(rows: Any, columns: Any, pixels: Float32) -> Float32:
    height, width, _ = pixels.shape
    down = (rows @ pixels.reshape(height, -1)).reshape(-1, width, 3)
    across = columns @ down.transpose(1, 0, 2).reshape(width, -1)
    result: Float32 = across.reshape(columns.shape[0], -1, 3).transpose(1, 0, 2)
    return np.ascontiguousarray(result, np.float32)


def _axis(count: int, wanted: int, spec: FaceSpec, *, same: bool, grows: bool) -> Any:
    """What resizing does along one axis, (wanted, count): what it makes of unit impulses."""
    if same:
        return sparse.identity(count, np.float32, format="csr")
    flag = INTERPOLATION[spec.interpolation]
    repeat = 2 if grows and spec.interpolation == "area" else 1
    parts = []
    for start in range(0, count, _BLOCK):
        width = min(_BLOCK, count - start)
        impulses = np.eye(count, width, -start, np.float32)
        size = (width * repeat, wanted)
        parts.append(sparse.csr_matrix(cv2.resize(impulses, size, interpolation=flag)[:, ::repeat]))
    return sparse.hstack(parts, "csr")


def _placed(matrix: Any, column: int, row: int, shape: tuple[int, int]) -> Any:
    """The matrix within a larger one of zeros."""
    entries = matrix.tocoo()
    return sparse.csr_matrix((entries.data, (entries.row + row, entries.col + column)), shape)


def allowed(boxes: Float32, surrogates: Sequence[Differentiable], width: int, height: int) -> Int64:
    """Where a cloak may change a picture: each box with the largest margin of a surrogate.

    Args:
        boxes: float32 (M, 4), pixels.
        surrogates: who look at the faces.
        width: of the picture.
        height: of the picture.

    Returns:
        int64 (M, 4), edges in pixels.
    """
    margin = max(model.face.margin for model in surrogates)
    return pixel_edges(boxes, margin, np.tile(np.array([width, height]), (len(boxes), 1)))


def cloaked(
    image: UInt8,
    boxes: Float32,
    surrogates: Sequence[Differentiable],
    recipe: Recipe,
    progress: Callable[[int, int], None] | None = None,
) -> UInt8:
    """The picture with its faces cloaked, one after the other.

    Args:
        image: RGB uint8 (H, W, 3); it is not changed.
        boxes: float32 (M, 4), the faces, pixels.
        surrogates: whose gradients are taken. Each has the target among its labels, if there is
            one.
        recipe: how.
        progress: told of each face and step that begins, from 0 on.

    Returns:
        RGB uint8 (H, W, 3). No pixel differs by more than the budget, and none outside
        :func:`allowed`.

    Raises:
        UsageError: a face is larger than :data:`MAX_PIXELS`.
        FxbenchError: a surrogate failed, or the change broke these rules.
    """
    height, width = image.shape[:2]
    areas = allowed(boxes, surrogates, width, height)
    largest = int((areas[:, 2:] - areas[:, :2]).prod(axis=1).max(initial=0))
    if largest > MAX_PIXELS:
        raise UsageError(
            f"A face has {largest / 1e6:.0f} megapixels, more than the {MAX_PIXELS // 1_000_000} "
            "that are cloaked: make the picture smaller."
        )
    result = image.copy()
    random = np.random.default_rng(recipe.seed)
    for face, (box, area) in enumerate(zip(boxes, areas, strict=True)):
        work = _Face(image, result, box, area, surrogates, recipe, random)
        for step in range(recipe.steps):
            if progress is not None:
                progress(face, step)
            work.step()
        work.write(result)
    check_cloak(image, result, areas, recipe.levels)
    return result


def check_cloak(image: UInt8, result: UInt8, areas: Int64, levels: int) -> None:
    """Make sure that a cloak kept to its budget and its places.

    Raises:
        FxbenchError: it didn't.
    """
    outside = np.ones(image.shape[:2], np.bool_)
    for x1, y1, x2, y2 in areas.tolist():
        outside[y1:y2, x1:x2] = False
    change = cv2.absdiff(image, result)
    if change.max(initial=0) > levels or change[outside].any():
        raise FxbenchError(
            f"The change is {change.max(initial=0)} grey levels where {levels} were allowed, or "
            "lies outside the faces: nothing was written. Please report this."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Aim:
    """A surrogate, the crops that it may be shown, the right one first, and what to move from."""

    model: WhiteBox
    views: tuple[Rendering, ...]
    target: Float32


class _Face:
    """The work on one face, in the part of the picture that any view of it shows.

    What is looked for is a drawing within the budget; the change is the drawing smoothed and
    faded out towards the borders, which is less to be seen than its edges were. Smoothing and
    fading are linear and equal to their transposes, in reverse order: so a gradient goes back.
    """

    def __init__(
        self,
        image: UInt8,
        result: UInt8,
        box: Float32,
        area: Int64,
        surrogates: Sequence[Differentiable],
        recipe: Recipe,
        random: np.random.Generator,
    ) -> None:
        self._recipe, self._random = recipe, random
        boxes = _near(box, recipe, random)
        size = np.tile(np.array(image.shape[1::-1]), (len(boxes), 1))
        widest = pixel_edges(boxes, max(model.face.margin for model in surrogates), size)
        x1, y1 = np.minimum(widest[:, :2].min(0), area[:2]).tolist()
        x2, y2 = np.maximum(widest[:, 2:].max(0), area[2:]).tolist()
        self._part = np.s_[y1:y2, x1:x2]
        corner = np.array([x1, y1, x1, y1])
        self._aims = []
        for model in surrogates:
            edges = (pixel_edges(boxes, model.face.margin, size) - corner).tolist()
            views = tuple(Rendering((*edge,), (y2 - y1, x2 - x1), model.face) for edge in edges)
            white = WhiteBox(model, targeted=recipe.target is not None)
            self._aims.append(_Aim(white, views, _target(image, box, model, recipe.target)))
        original = image[self._part].astype(np.float32)
        self._low = np.maximum(original - recipe.levels, 0)
        self._high = np.minimum(original + recipe.levels, 255)
        # Another face's cloak may reach into this one's.
        self._begin = result[self._part].astype(np.float32)
        self._pixels = self._begin
        self._fading = _fading(area - corner, original.shape[:2], recipe.fade)
        self._sigma = max(recipe.blur * float(np.sqrt(np.prod(box[2:] - box[:2]))), 1e-3)
        self._momentum = np.zeros_like(original)
        self._drawing = np.zeros_like(original)

    def step(self) -> None:
        """One iteration."""
        recipe = self._recipe
        slopes = self._smooth(self._slopes() * self._fading)
        self._momentum = recipe.decay * self._momentum + _scaled(slopes)
        length = recipe.reach * recipe.levels / recipe.steps
        moved = self._drawing + np.float32(length) * np.sign(self._momentum)
        self._drawing = np.clip(moved, -recipe.levels, recipe.levels)
        change = self._smooth(self._drawing) * self._fading
        self._pixels = np.clip(self._begin + change, self._low, self._high)

    def write(self, result: UInt8) -> None:
        """Put the face into the picture, rounded to 8 bits."""
        result[self._part] = np.rint(self._pixels).astype(np.uint8)

    def _smooth(self, pixels: Float32) -> Float32:
        # What lies beyond the part is as 0: only then is smoothing its own transpose.
        border = cv2.BORDER_CONSTANT
        smoothed = cv2.GaussianBlur(pixels, (0, 0), self._sigma, borderType=border)
        return np.asarray(smoothed, np.float32)

    def _slopes(self) -> Float32:
        """The sum of the surrogates' gradients in the part, each scaled to the same size."""
        total = np.zeros_like(self._pixels)
        for aim in self._aims:
            others = self._random.permutation(len(aim.views) - 1)[: self._recipe.views - 1] + 1
            shown = [aim.views[index] for index in (0, *others.tolist())]
            faces = np.stack([view.render(self._pixels / np.float32(255)) for view in shown])
            slopes = aim.model.gradient(faces, np.tile(aim.target, (len(shown), 1)))
            back = np.zeros_like(total)
            for view, slope in zip(shown, slopes, strict=True):
                back += view.transposed(slope)
            total += _scaled(back)
        return total


def _scaled(slopes: Float32) -> Float32:
    """To a mean absolute value of 1, or 0 where there is no slope."""
    result: Float32 = slopes / np.float32(max(float(np.abs(slopes).mean()), 1e-12))
    return result


def _near(box: Float32, recipe: Recipe, random: np.random.Generator) -> Float32:
    """The box, and others near it that views are drawn from, float32 (n, 4)."""
    count = _POOL * recipe.views
    side = box[2:] - box[:2]
    shift = random.uniform(-recipe.shift, recipe.shift, (count, 2))
    zoom = random.uniform(1 - recipe.zoom, 1 + recipe.zoom, (count, 1))
    middle = (box[:2] + box[2:]) / 2 + shift * side
    boxes = np.concatenate([middle - zoom * side / 2, middle + zoom * side / 2], axis=1)
    boxes[0] = box
    return boxes.astype(np.float32)


def _target(image: UInt8, box: Float32, model: Differentiable, emotion: str | None) -> Float32:
    """One-hot float32 (K,): the output to be reached, else the clean answer, to be left."""
    if emotion is None:
        face = crops((image,), (np.zeros(1, np.int64), box[None]), model.face)
        output = int(model.predict(face)[0].argmax())
    else:
        output = model.labels.index(emotion)
    target = np.zeros(len(model.labels), np.float32)
    target[output] = 1
    return target


def _fading(area: Int64, shape: tuple[int, ...], fade: float) -> Float32:
    """What a change is multiplied by, float32 (H, W, 1): 1 within the area, 0 outside.

    Towards the area's borders it falls linearly over the fraction `fade` of the side.
    """
    fading = np.zeros((*shape[:2], 1), np.float32)
    x1, y1, x2, y2 = area.tolist()
    down, across = (
        np.minimum(1, (np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5) / max(fade * n, 0.5))
        for n in (y2 - y1, x2 - x1)
    )
    fading[y1:y2, x1:x2, 0] = np.outer(down, across)
    return fading
