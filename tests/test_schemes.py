"""Landmark schemes, and the points that two of them share."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fxbench import schemes
from fxbench.errors import PluginError, UsageError
from fxbench.schemes import (
    DERIVED,
    SCHEMES,
    groups,
    indices,
    point_count,
    register,
    shared_points,
)

RIGHT_EYE = tuple(range(36, 42))
LEFT_EYE = tuple(range(42, 48))


def single(*points: int) -> tuple[tuple[int, ...], ...]:
    return tuple((point,) for point in points)


@pytest.fixture(autouse=True)
def _own_schemes(monkeypatch):
    monkeypatch.setattr(schemes, "SCHEMES", SCHEMES.copy())


def test_every_point_of_a_scheme_has_a_name_of_its_own():
    assert point_count("300w-68") == 68
    assert point_count("dlib-5") == 5
    for names in SCHEMES.values():
        assert len(set(names)) == len(names)


def test_the_68_points_mirror_each_other():
    # The pairs that 300-W's users swap when they mirror a picture.
    mirrored = [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *range(27, 31),
        *range(35, 30, -1),
        *(45, 44, 43, 42, 47, 46),
        *(39, 38, 37, 36, 41, 40),
        *range(54, 47, -1),
        *range(59, 54, -1),
        *range(64, 59, -1),
        *range(67, 64, -1),
    ]
    swap = {"right": "left", "left": "right"}
    for name, other in zip(SCHEMES["300w-68"], mirrored, strict=True):
        expected = "_".join(swap.get(word, word) for word in name.split("_"))
        assert SCHEMES["300w-68"][other] == expected


def test_the_subjects_right_comes_first():
    names = SCHEMES["300w-68"]
    assert names[0].startswith("right_jaw")
    assert names[8] == "chin"
    assert names[17].startswith("right_brow")
    assert names[36] == "right_eye_outer_corner"
    assert names[39] == "right_eye_inner_corner"
    assert names[42] == "left_eye_inner_corner"
    assert names[45] == "left_eye_outer_corner"
    assert names[48] == "mouth_right_corner"


def test_shared_points_of_dlib_s_schemes():
    mine, theirs = shared_points("dlib-5", "300w-68")
    assert mine == single(0, 1, 2, 3, 4)
    assert theirs == single(45, 42, 36, 39, 33)
    theirs, mine = shared_points("300w-68", "dlib-5")
    assert theirs == single(33, 36, 39, 42, 45)
    assert mine == single(4, 2, 3, 1, 0)
    everything = single(*range(68))
    assert shared_points("300w-68", "300w-68") == (everything, everything)


@pytest.mark.parametrize("scheme", ["yunet-5", "mtcnn-5"])
def test_an_eye_s_centre_is_the_mean_of_the_points_around_it(scheme):
    mine, theirs = shared_points(scheme, "300w-68")
    assert mine == single(0, 1, 2, 3, 4)
    assert [sorted(group) for group in theirs] == [
        list(RIGHT_EYE),
        list(LEFT_EYE),
        [30],
        [48],
        [54],
    ]
    # Points that the first scheme has come first, in its order, then those of the other.
    theirs, mine = shared_points("300w-68", scheme)
    assert mine == single(2, 3, 4, 0, 1)
    assert [sorted(group) for group in theirs][:3] == [[30], [48], [54]]
    assert [sorted(group) for group in theirs][3:] == [list(RIGHT_EYE), list(LEFT_EYE)]


def test_the_two_detectors_have_the_same_five_points():
    assert shared_points("yunet-5", "mtcnn-5") == (single(0, 1, 2, 3, 4),) * 2
    assert SCHEMES["yunet-5"][0] == "right_eye_centre"


def test_a_point_is_derived_only_where_the_scheme_lacks_it():
    register("eye-8", (*SCHEMES["300w-68"][36:42], "right_eye_centre", "right_pupil"))
    mine, theirs = shared_points("eye-8", "yunet-5")
    assert (mine, theirs) == (single(6), single(0))
    # Two schemes that both lack a point do not share what it would be derived from once more.
    mine, theirs = shared_points("eye-8", "300w-68")
    assert mine == single(*range(8))
    assert theirs[:6] == single(*RIGHT_EYE)
    assert [sorted(group) for group in theirs[6:]] == [list(RIGHT_EYE)] * 2


def test_pupils_and_lids_of_a_vendor_are_compared_with_means():
    register("acme-3", ("left_pupil", "left_eye_top", "left_eye_bottom"))
    mine, theirs = shared_points("acme-3", "300w-68")
    assert mine == single(0, 1, 2)
    assert [sorted(group) for group in theirs] == [list(LEFT_EYE), [43, 44], [46, 47]]


def test_derived_points_are_of_points_that_exist_and_of_one_side():
    for name, points in DERIVED.items():
        assert set(points) <= set(SCHEMES["300w-68"])
        assert {point.partition("_")[0] for point in points} == {name.partition("_")[0]}


def test_groups_of_points():
    assert groups("yunet-5", ("nose_tip", "left_eye_centre")) == single(2, 1)
    right, chin = groups("300w-68", ("right_eye_centre", "chin"))
    assert (sorted(right), chin) == (list(RIGHT_EYE), (8,))
    assert groups("dlib-5", ("right_eye_centre", "nose_base")) is None
    assert groups("yunet-5", ("chin",)) is None
    assert groups("vendor-27", ("chin",)) is None
    assert groups("yunet-5", ()) == ()


def test_a_plugin_adds_a_scheme():
    register("acme-3", ("nose_tip", "left_ear", "chin"))
    register("acme-3", ("nose_tip", "left_ear", "chin"))
    assert shared_points("acme-3", "300w-68") == (single(0, 2), single(30, 8))
    with pytest.raises(PluginError, match="'acme-3' is there already"):
        register("acme-3", ("nose_tip",))


@pytest.mark.parametrize(("name", "points"), [("", ("chin",)), ("a", ()), ("a", ("chin", "chin"))])
def test_a_scheme_needs_a_name_and_different_points(name, points):
    with pytest.raises(PluginError, match="named differently"):
        register(name, points)


def test_a_scheme_known_by_name_shares_all_points_with_itself_alone():
    assert point_count("vendor-27") is None
    assert shared_points("vendor-27", "vendor-27", 3) == (single(0, 1, 2), single(0, 1, 2))
    with pytest.raises(UsageError, match="vendor-27 is known by name only"):
        shared_points("vendor-27", "300w-68", 27)
    with pytest.raises(UsageError, match="vendor-27 and other-9 are known by name only"):
        shared_points("vendor-27", "other-9")
    with pytest.raises(UsageError, match="vendor-27 is known by name only"):
        shared_points("vendor-27", "vendor-27")


def test_schemes_without_a_common_point():
    register("ears", ("left_ear", "right_ear"))
    with pytest.raises(UsageError, match="ears and dlib-5 can't be compared"):
        shared_points("ears", "dlib-5")


def test_indices_of_points():
    assert indices("300w-68", ("left_eye_outer_corner", "chin")) == (45, 8)
    assert indices("dlib-5", ("left_eye_outer_corner", "chin")) is None
    assert indices("vendor-27", ("chin",)) is None


def test_the_module_is_light():
    code = "import sys, fxbench.schemes; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
