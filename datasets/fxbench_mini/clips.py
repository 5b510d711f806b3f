"""Short videos of the model's faces, with the truth about every frame.

A person is a neutral face drawn from the model. An expression adds the way from the mean neutral
face to the mean face of the emotion, times its intensity. The head moves by its pose and turns a
little along a direction of the model, and so does a mouth that talks; lids shut by their points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fxbench.files import write_atomic
from fxbench.labels import EMOTIONS
from fxbench_mini import clip_files
from fxbench_mini.aam import CENTRED, AppearanceModel, Pose, to_texture
from fxbench_mini.clip_plan import Plan, plans, wander
from fxbench_mini.files import arrays
from fxbench_mini.sampling import background, fer_crop, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fxbench.types import Float32, Float64, UInt8
    from fxbench_mini.sampling import Neighbours

    Report = Callable[[str, float], None]

SIZE = 128
"""Width and height of a frame, pixels."""

_NEUTRAL = EMOTIONS.index("neutral")

_STEP = 1 / 64
"""True points are given to this fraction of a pixel: the file is half as large then."""

_LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
"""Points of an upper lid, and those of the lower lid under them."""

_EYES = (
    ([36, 37, 38, 39, 40, 41], [37, 38], [36, 41, 40, 39], [18, 19, 20]),
    ([42, 43, 44, 45, 46, 47], [43, 44], [42, 47, 46, 45], [23, 24, 25]),
)
"""The points of each eye's outline, upper lid, lower lid and brow."""

_SOFT = 0.6
"""Blur at the edges of the lids, texture pixels."""

_SHUT = 0.9
"""The upper lids go this much of the way: lids that touch would leave the eye no room."""

NOISE = (1.0, 3.0)
"""Standard deviation of the sensor's noise, grey levels; each clip has its own."""

_SWAY = Pose(scale=0.02, angle=2.0, dx=0.014 * SIZE, dy=0.01 * SIZE)
"""How far a head moves that moves by 1."""

_TURN = 0.35
"""How far it turns, in standard deviations of the model's faces."""

_LIKENESS = 0.8
"""Of the deviation that stills have: a face that moves looks odd sooner than one that does not."""

_TRIES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One drawn clip and what is true of it.

    Attributes:
        frames: uint8 (N, SIZE, SIZE), grey, before compression.
        points: float32 (N, 68, 2), pixels, where whole numbers are pixel centres.
        intensity: float32 (N,), of the expression; 1 is the expression of the stills of `mini`.
        blink: float32 (N,), 0 for open lids, 1 for shut ones.
        talk: float32 (N,), how far the mouth is moved besides, standard deviations.
        pose: float32 (N, 4), the fields of :class:`fxbench_mini.aam.Pose`.
    """

    frames: UInt8
    points: Float32
    intensity: Float32
    blink: Float32
    talk: Float32
    pose: Float32


def write(
    model: AppearanceModel,
    folder: Path,
    *,
    seed: int,
    report: Report,
    neighbours: Neighbours | None = None,
    wanted: Sequence[Plan] | None = None,
) -> None:
    """Draw the clips and write them.

    The same model and seed give the same arrays, and with the same build of OpenCV the same files.

    Args:
        model: the fitted model.
        folder: gets the videos, :data:`fxbench_mini.clip_files.TRUTH` and, last,
            :data:`fxbench_mini.clip_files.MANIFEST`, each whole or not at all.
        seed: of everything that chance decides.
        report: called with a step in words and the share of the work that is done.
        neighbours: a person who, neutral or with an expression, is too near to a photograph is
            drawn again; None: no person is.
        wanted: what to draw; None: :func:`fxbench_mini.clip_plan.plans` of the seed.

    Raises:
        StoreError: a video can't be encoded or the folder can't be written.
    """
    wanted = plans(seed) if wanted is None else wanted
    people = {i: person(model, [seed, 2, i], neighbours) for i in {p.subject for p in wanted}}
    rows = []
    truth: dict[str, list[Float32]] = {name: [] for name in clip_files.PER_FRAME}
    for done, plan in enumerate(wanted):
        report(f"drawing the clip {plan.name}", done / len(wanted))
        clip = draw(model, people[plan.subject], plan, np.random.default_rng([seed, 3, done]))
        data = clip_files.encode(clip.frames, plan.fps, plan.name)
        write_atomic(folder / plan.name, data)
        rows.append(clip_files.row(plan, SIZE, data))
        for name, parts in truth.items():
            parts.append(getattr(clip, name))
    joined = {name: np.concatenate(parts) for name, parts in truth.items()}
    write_atomic(folder / clip_files.TRUTH, arrays(joined))
    write_atomic(folder / clip_files.MANIFEST, clip_files.table(rows))


def person(
    model: AppearanceModel, seed: Sequence[int], neighbours: Neighbours | None = None
) -> Float32:
    """The parameters of a person's neutral face, float32 (S + T,).

    Args:
        model: the model.
        seed: of the draw.
        neighbours: see :func:`write`.
    """
    for attempt in range(_TRIES):
        rng = np.random.default_rng([*seed, attempt])
        found = parameters(model, _NEUTRAL, rng, scale=_LIKENESS)
        if neighbours is None:
            return found
        faces = [found + _way(model, emotion) for emotion in range(len(EMOTIONS))]
        drawn = [model.render(face, size=SIZE)[0] for face in faces]
        crops = np.stack([fer_crop(image, CENTRED) for image in drawn])
        if neighbours.distances(crops).min() > neighbours.limit:
            return found
    raise AssertionError("the model draws its own training images")


def draw(
    model: AppearanceModel,
    neutral: Float32,
    plan: Plan,
    rng: np.random.Generator,
    noise: tuple[float, float] = NOISE,
) -> Clip:
    """Draw a clip.

    Args:
        model: the model.
        neutral: float32 (S + T,), the person's neutral face.
        plan: what happens.
        rng: of the movements, the background and the noise.
        noise: the least and the greatest standard deviation of the noise, grey levels.
    """
    behind = background(rng, SIZE)
    deviation = rng.uniform(*noise)
    poses = _poses(plan, rng)
    turn = _TURN * plan.motion * wander(rng, plan.frames, plan.fps)
    intensity, blink, talk = plan.intensity(), plan.closure(), plan.speech(rng)
    expression, turned, open_mouth = _way(model, plan.emotion), _turned(model), _open_mouth(model)
    eyes = _eyes(model)
    frames = np.empty((plan.frames, SIZE, SIZE), np.uint8)
    points = np.empty((plan.frames, 68, 2), np.float32)
    for i in range(plan.frames):
        face = neutral + intensity[i] * expression + turn[i] * turned + talk[i] * open_mouth
        posed, own = _with_lids(model, eyes, np.asarray(face, np.float32), float(blink[i]))
        image, exact = posed.render(
            own, size=SIZE, pose=Pose(*poses[i].tolist()), background=behind
        )
        grain = rng.normal(0, deviation, image.shape)
        frames[i] = np.clip(np.round(image + grain), 0, 255).astype(np.uint8)
        points[i] = np.round(exact / _STEP) * _STEP
    return Clip(
        frames,
        points,
        intensity.astype(np.float32),
        blink.astype(np.float32),
        talk.astype(np.float32),
        poses.astype(np.float32),
    )


def _way(model: AppearanceModel, emotion: int) -> Float32:
    """From the mean neutral face to the mean face of an emotion, float32 (S + T,)."""
    rng = np.random.default_rng(0)  # decides nothing, as the deviation is 0
    means = [parameters(model, label, rng, scale=0) for label in (_NEUTRAL, emotion)]
    return means[1] - means[0]


def _along(model: AppearanceModel, feature: Float64) -> Float32:
    """How faces differ, on average, that differ in a feature by its standard deviation.

    The feature is a weighted sum of coordinates; the regression of all parameters on it, within the
    classes, tells how the rest of the face goes along: teeth show where lips part.

    Args:
        model: the model.
        feature: float64 (68, 2), the weights.

    Returns:
        float32 (S + T,).
    """
    gradient = np.zeros(len(model.within))
    gradient[: len(model.shape_modes)] = np.tensordot(model.shape_modes, feature, 2)
    loading = model.within.astype(np.float64).T @ gradient
    return np.asarray(
        model.within @ loading / max(float(np.linalg.norm(loading)), 1e-12), np.float32
    )


def _open_mouth(model: AppearanceModel) -> Float32:
    feature = np.zeros((68, 2))
    feature[66, 1], feature[62, 1] = 1, -1
    return _along(model, feature)


def _turned(model: AppearanceModel) -> Float32:
    feature = np.zeros((68, 2))
    feature[30, 0], feature[[0, 16], 0] = 1, -0.5
    return _along(model, feature)


def _with_lids(
    model: AppearanceModel, eyes: Float32, face: Float32, closure: float
) -> tuple[AppearanceModel, Float32]:
    """A model and its parameters that draw `face` with the lids closed so far.

    One more mode of the shape brings the lids together, and what is seen between them turns into
    the skin of the lid and the dark line of the lashes: squeezed, the white of an eye would shine.

    Args:
        model: the model.
        eyes: see :func:`_eyes`.
        face: float32 (S + T,).
        closure: 0 for open lids, 1 for shut ones.
    """
    shape = model.shape(face)
    mode = np.zeros_like(shape)
    for upper, lower in _LIDS:
        mode[upper] = _SHUT * (shape[lower] - shape[upper])
    texture = model.texture(face)
    change = np.zeros_like(texture)
    for inside, line, above in eyes:
        skin = (above * texture).sum() / above.sum()
        lashes = np.minimum(texture[inside > 0.5].min(), skin)
        change += inside * (skin + line * (lashes - skin) - texture)
    shut = replace(
        model,
        shape_modes=np.concatenate([model.shape_modes, mode[None]]),
        # The iris is seen until it is covered.
        mean_texture=model.mean_texture + np.float32(closure**2) * change,
    )
    return shut, np.insert(face, len(model.shape_modes), np.float32(closure))


def _eyes(model: AppearanceModel) -> Float32:
    """Parts of the texture for each eye, float32 (2, 3, H, W) in 0..1, soft.

    They are what lies between the lids, the lower lid's edge, and the skin under the brow.
    """
    points = to_texture(model.mean_shape)
    parts = np.zeros((2, 3, *model.mean_texture.shape), np.float32)
    for own, (outline, upper, lower, brow) in zip(parts, _EYES, strict=True):
        cv2.fillPoly(own[0], [np.round(points[outline]).astype(np.int32)], 1.0)
        own[0] = cv2.dilate(own[0], np.ones((3, 3), np.uint8))
        cv2.polylines(own[1], [np.round(points[lower]).astype(np.int32)], False, 1.0)
        middle = (points[upper].mean(0) + points[brow].mean(0)) / 2
        cv2.circle(own[2], np.round(middle).astype(int).tolist(), 2, 1.0, -1)
        for part in own:
            part[:] = cv2.GaussianBlur(part, (0, 0), _SOFT)
    return parts


def _poses(plan: Plan, rng: np.random.Generator) -> Float64:
    """Where the head is in each frame, float64 (frames, 4), the fields of Pose."""
    place = np.array(
        [
            rng.uniform(0.95, 1.08),
            rng.uniform(-4, 4),
            rng.uniform(-0.02, 0.02) * SIZE,
            rng.uniform(-0.02, 0.02) * SIZE,
        ]
    )
    moves = np.stack([wander(rng, plan.frames, plan.fps) for _ in place], axis=1)
    return np.asarray(place + plan.motion * np.array(_SWAY) * moves, np.float64)
