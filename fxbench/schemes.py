"""Landmark schemes: which points, in which order, and which of them two schemes share.

`left` and `right` are the subject's own: in a picture that is not mirrored, the subject's right eye
is on the left. Points of the same name are the same point of the face, in whatever scheme; a point
without counterpart is compared with nothing.
"""

from __future__ import annotations

from fxbench.errors import PluginError, UsageError

Indices = tuple[int, ...]


def _series(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{number}" for number in range(1, count + 1))


SCHEMES: dict[str, tuple[str, ...]] = {
    "300w-68": (
        # 0-16, from the subject's right ear along the jaw to the left one; 8 is the chin
        *_series("right_jaw", 8),
        "chin",
        *reversed(_series("left_jaw", 8)),
        # 17-26, brows from right to left
        *(f"right_brow_{part}" for part in ("outer", "outer_middle", "top", "inner_middle")),
        "right_brow_inner",
        "left_brow_inner",
        *(f"left_brow_{part}" for part in ("inner_middle", "top", "outer_middle", "outer")),
        # 27-35, the bridge down to the tip, then the base from right to left; 33 is its middle
        "nose_root",
        "nose_bridge_upper",
        "nose_bridge_lower",
        "nose_tip",
        "right_nostril_outer",
        "right_nostril_inner",
        "nose_base",
        "left_nostril_inner",
        "left_nostril_outer",
        # 36-41
        "right_eye_outer_corner",
        "right_eye_upper_outer",
        "right_eye_upper_inner",
        "right_eye_inner_corner",
        "right_eye_lower_inner",
        "right_eye_lower_outer",
        # 42-47
        "left_eye_inner_corner",
        "left_eye_upper_inner",
        "left_eye_upper_outer",
        "left_eye_outer_corner",
        "left_eye_lower_outer",
        "left_eye_lower_inner",
        # 48-59, outer edge of the lips: the upper one from right to left, the lower one back
        "mouth_right_corner",
        "upper_lip_right_outer",
        "upper_lip_right_peak",
        "upper_lip_top",
        "upper_lip_left_peak",
        "upper_lip_left_outer",
        "mouth_left_corner",
        "lower_lip_left_outer",
        "lower_lip_left",
        "lower_lip_bottom",
        "lower_lip_right",
        "lower_lip_right_outer",
        # 60-67, inner edge of the lips in the same order
        "mouth_right_inner_corner",
        "upper_lip_right_inner",
        "upper_lip_inner",
        "upper_lip_left_inner",
        "mouth_left_inner_corner",
        "lower_lip_left_inner",
        "lower_lip_inner",
        "lower_lip_right_inner",
    ),
    "dlib-5": (
        "left_eye_outer_corner",
        "left_eye_inner_corner",
        "right_eye_outer_corner",
        "right_eye_inner_corner",
        "nose_base",
    ),
}
"""The names of each scheme's points, in order.

`300w-68`: Sagonas, Tzimiropoulos, Zafeiriou & Pantic (2013), 300 faces in-the-wild challenge: the
first facial landmark localization challenge, ICCV Workshops, figure 1, where the points are
numbered from 1; here they count from 0. `dlib-5`: what dlib's model
`shape_predictor_5_face_landmarks.dat` returns.
"""


def register(scheme: str, points: tuple[str, ...]) -> None:
    """Add a scheme, so that points of the same names can be compared with those of others.

    A plugin calls it before it uses the scheme, such as in a component's factory. Doing so again
    with the same points changes nothing.

    Args:
        scheme: its name, such as `acme-27`.
        points: the names of its points, in order. Use the names of `SCHEMES["300w-68"]` for points
            that are the same, and others for all the rest.

    Raises:
        PluginError: a scheme of that name has other points, or two points have the same name.
    """
    points = tuple(points)
    if not scheme or not points or len(set(points)) != len(points):
        raise PluginError(
            f"The landmark scheme {scheme!r} must have a name and points that are named "
            "differently: number the ones that have no name."
        )
    if SCHEMES.setdefault(scheme, points) != points:
        raise PluginError(
            f"The landmark scheme {scheme!r} is there already, with other points: choose another "
            "name for yours."
        )


def point_count(scheme: str) -> int | None:
    """How many points a scheme has; None for a scheme that is known by its name only."""
    return len(SCHEMES[scheme]) if scheme in SCHEMES else None


def indices(scheme: str, points: tuple[str, ...]) -> Indices | None:
    """Where these points stand in a scheme; None where it lacks one of them or is not known."""
    names = SCHEMES.get(scheme, ())
    if not set(points) <= set(names):
        return None
    return tuple(names.index(point) for point in points)


def shared_points(a: str, b: str, count: int | None = None) -> tuple[Indices, Indices]:
    """The points that two schemes share, in the order of `a`.

    Args:
        a: the name of a scheme.
        b: the name of a scheme.
        count: how many points there are, for a scheme that is known by its name only: it shares
            all of them with itself, and none with any other.

    Returns:
        Equally long `(index_a, index_b)`: point `index_a[i]` of `a` is point `index_b[i]` of `b`.

    Raises:
        UsageError: they share none.
    """
    if a == b:
        known = point_count(a)
        everything = tuple(range(count or 0 if known is None else known))
        if everything:
            return everything, everything
    names_a, names_b = SCHEMES.get(a, ()), SCHEMES.get(b, ())
    shared = tuple(name for name in names_a if name in names_b)
    if not shared:
        unknown = [name for name in dict.fromkeys((a, b)) if name not in SCHEMES]
        why = (
            f"{' and '.join(unknown)} {'are' if len(unknown) > 1 else 'is'} known by name only"
            if unknown
            else "no point of one is a point of the other"
        )
        raise UsageError(
            f"The landmark schemes {a} and {b} can't be compared: {why}. Take a landmarker of the "
            f"scheme of the dataset's points, or of one of {', '.join(sorted(SCHEMES))}."
        )
    return (
        tuple(names_a.index(name) for name in shared),
        tuple(names_b.index(name) for name in shared),
    )
