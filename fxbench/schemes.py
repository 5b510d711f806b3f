"""Landmark schemes: which points, in which order, and which of them two schemes share.

`left` and `right` are the subject's own: in a picture that is not mirrored, the subject's right eye
is on the left. Points of the same name are the same point of the face, in whatever scheme. A point
that one scheme has and another lacks is compared with the mean of some of the other's where
:data:`DERIVED` says so; a point without counterpart is compared with nothing.
"""

from __future__ import annotations

from fxbench.errors import PluginError, UsageError

Indices = tuple[int, ...]

Groups = tuple[Indices, ...]
"""For each of some points which points of a scheme it is the mean of: of one, if it is there."""


def _series(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{number}" for number in range(1, count + 1))


_FIVE = (
    "right_eye_centre",
    "left_eye_centre",
    "nose_tip",
    "mouth_right_corner",
    "mouth_left_corner",
)

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
    "yunet-5": _FIVE,
    "mtcnn-5": _FIVE,
}
"""The names of each scheme's points, in order.

`300w-68`: Sagonas, Tzimiropoulos, Zafeiriou & Pantic (2013), 300 faces in-the-wild challenge: the
first facial landmark localization challenge, ICCV Workshops, figure 1, where the points are
numbered from 1; here they count from 0. `dlib-5`: what dlib's model
`shape_predictor_5_face_landmarks.dat` returns. `yunet-5` and `mtcnn-5`: the five points of CelebA
(Liu, Luo, Wang & Tang, 2015, Deep learning face attributes in the wild, ICCV) and of RetinaFace's
labels of WIDER FACE, which detectors that locate points are trained on.
"""


def _around(side: str) -> dict[str, tuple[str, ...]]:
    eye = f"{side}_eye"
    upper, lower = (
        tuple(f"{eye}_{lid}_{part}" for part in ("outer", "inner")) for lid in ("upper", "lower")
    )
    everything = (f"{eye}_outer_corner", *upper, f"{eye}_inner_corner", *lower)
    return {
        f"{eye}_centre": everything,
        f"{side}_pupil": everything,
        f"{eye}_top": upper,
        f"{eye}_bottom": lower,
    }


DERIVED: dict[str, tuple[str, ...]] = _around("right") | _around("left")
"""Points that stand for the mean of others where a scheme has those and not the point itself.

`300w-68` draws six points around each eye and none in it: their mean is its centre, as in the
inter-pupil distance (:func:`fxbench.metrics.landmarks.inter_pupil`). It also stands for the pupil,
which the gaze moves away from there, and the mean of a lid's two points for the lid's middle, which
lies a little further out: errors of these points hold such a part even if nothing is wrong.
"""


def register(scheme: str, points: tuple[str, ...]) -> None:
    """Add a scheme, so that points of the same names can be compared with those of others.

    A plugin calls it before it uses the scheme, such as in a component's factory. Doing so again
    with the same points changes nothing.

    Args:
        scheme: its name, such as `acme-27`.
        points: the names of its points, in order. Use the names of `SCHEMES["300w-68"]` and of
            :data:`DERIVED` for points that are the same, and others for all the rest.

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


def groups(scheme: str, points: tuple[str, ...]) -> Groups | None:
    """What these points are made of in a scheme.

    Args:
        scheme: the name of a scheme.
        points: names of points; those of :data:`DERIVED` may be lacking in the scheme itself.

    Returns:
        For each the indices of the points whose mean it is: one where the scheme has the point.
        None where one of them can't be had, or the scheme is not known.
    """
    found = tuple(_group(scheme, point) for point in points)
    complete = tuple(group for group in found if group is not None)
    return complete if len(complete) == len(points) else None


def _group(scheme: str, point: str) -> Indices | None:
    own = indices(scheme, (point,))
    return indices(scheme, DERIVED[point]) if own is None and point in DERIVED else own


def shared_points(a: str, b: str, count: int | None = None) -> tuple[Groups, Groups]:
    """The points that two schemes share, or that one has and the other's points have as a mean.

    Args:
        a: the name of a scheme.
        b: the name of a scheme.
        count: how many points there are, for a scheme that is known by its name only: it shares
            all of them with itself, and none with any other.

    Returns:
        Equally long `(groups_a, groups_b)`: the mean of the points `groups_a[i]` of `a` is compared
        with the mean of the points `groups_b[i]` of `b`. Such a group is a single point unless the
        scheme lacks it. First come the points that `a` has, in its order, then those that only
        `b` has, in its order.

    Raises:
        UsageError: they share none.
    """
    if a == b:
        known = point_count(a)
        everything = tuple((index,) for index in range(count or 0 if known is None else known))
        if everything:
            return everything, everything
    names = dict.fromkeys((*SCHEMES.get(a, ()), *SCHEMES.get(b, ())))
    pairs = [(_group(a, name), _group(b, name)) for name in names]
    shared = [(own, other) for own, other in pairs if own is not None and other is not None]
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
    return tuple(own for own, _ in shared), tuple(other for _, other in shared)
