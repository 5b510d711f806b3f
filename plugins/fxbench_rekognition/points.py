"""Rekognition's thirty landmarks, and which points of the face they are.

In AWS's names `left` is the side of the picture; here it is the subject's own, as everywhere. What
AWS calls the left eye is therefore the right eye.

A point has a name of `300w-68`, or of a point derived from it, where it is the same by its
definition and where published answers place it there. The brows' ends and the sides of the nose
have names of their own: in published answers a brow is about 0.57 of the distance between the
pupils long and the sides of the nose are 0.37 to 0.39 of it apart, against medians of 0.67 and 0.47
in dlib's faces annotated by `300w-68`. So have the points of the jaw, which `300w-68` spaces
evenly, and the brows' middles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fxbench.schemes import register

if TYPE_CHECKING:
    from fxbench.types import Float64

SCHEME = "rekognition-30"

POINTS = {
    "eyeLeft": "right_eye_centre",
    "eyeRight": "left_eye_centre",
    "nose": "nose_tip",
    "mouthLeft": "mouth_right_corner",
    "mouthRight": "mouth_left_corner",
    "leftEyeBrowLeft": "right_brow_outer_end",
    "leftEyeBrowRight": "right_brow_inner_end",
    "leftEyeBrowUp": "right_brow_middle",
    "rightEyeBrowLeft": "left_brow_inner_end",
    "rightEyeBrowRight": "left_brow_outer_end",
    "rightEyeBrowUp": "left_brow_middle",
    "leftEyeLeft": "right_eye_outer_corner",
    "leftEyeRight": "right_eye_inner_corner",
    "leftEyeUp": "right_eye_top",
    "leftEyeDown": "right_eye_bottom",
    "rightEyeLeft": "left_eye_inner_corner",
    "rightEyeRight": "left_eye_outer_corner",
    "rightEyeUp": "left_eye_top",
    "rightEyeDown": "left_eye_bottom",
    "noseLeft": "nose_right_side",
    "noseRight": "nose_left_side",
    "mouthUp": "upper_lip_top",
    "mouthDown": "lower_lip_bottom",
    "leftPupil": "right_pupil",
    "rightPupil": "left_pupil",
    "upperJawlineLeft": "right_upper_jawline",
    "midJawlineLeft": "right_mid_jawline",
    "chinBottom": "chin",
    "midJawlineRight": "left_mid_jawline",
    "upperJawlineRight": "left_upper_jawline",
}
"""What AWS calls a point, in the order of its service model, and its name in the scheme."""

_TYPES = tuple(POINTS)
_BROWS = (
    ("leftEyeBrowLeft", "leftEyeBrowUp", "leftEyeBrowRight"),
    ("rightEyeBrowLeft", "rightEyeBrowUp", "rightEyeBrowRight"),
)
"""Each from the left of the picture to the right."""


def register_scheme() -> None:
    """Make the scheme known, so that its points can be compared."""
    register(SCHEME, tuple(POINTS.values()))


def in_order(located: Mapping[str, tuple[float, float]]) -> Float64:
    """The points of one face in the order of the scheme.

    Answers of some versions of the service have the names of a brow's highest and last points
    exchanged: the one between the other two, along the line of the eyes, is its middle.

    Args:
        located: x and y by AWS's name.

    Returns:
        float64 (30, 2), all NaN where a point is missing.
    """
    if not set(_TYPES) <= set(located):
        return np.full((len(_TYPES), 2), np.nan)
    xy = np.array([located[name] for name in _TYPES], np.float64)
    across = xy[_TYPES.index("eyeRight")] - xy[_TYPES.index("eyeLeft")]
    for brow in _BROWS:
        rows = [_TYPES.index(name) for name in brow]
        xy[rows] = xy[rows][np.argsort(xy[rows] @ across, kind="stable")]
    return xy
