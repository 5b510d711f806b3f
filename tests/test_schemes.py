"""Landmark schemes, and the points that two of them share."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fxbench import schemes
from fxbench.errors import PluginError, UsageError
from fxbench.schemes import SCHEMES, indices, point_count, register, shared_points


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


def test_shared_points_of_the_two_known_schemes():
    mine, theirs = shared_points("dlib-5", "300w-68")
    assert mine == (0, 1, 2, 3, 4)
    assert theirs == (45, 42, 36, 39, 33)
    theirs, mine = shared_points("300w-68", "dlib-5")
    assert dict(zip(theirs, mine, strict=True)) == {45: 0, 42: 1, 36: 2, 39: 3, 33: 4}
    everything = tuple(range(68))
    assert shared_points("300w-68", "300w-68") == (everything, everything)


def test_a_plugin_adds_a_scheme():
    register("acme-3", ("nose_tip", "left_ear", "chin"))
    register("acme-3", ("nose_tip", "left_ear", "chin"))
    assert shared_points("acme-3", "300w-68") == ((0, 2), (30, 8))
    with pytest.raises(PluginError, match="'acme-3' is there already"):
        register("acme-3", ("nose_tip",))


@pytest.mark.parametrize(("name", "points"), [("", ("chin",)), ("a", ()), ("a", ("chin", "chin"))])
def test_a_scheme_needs_a_name_and_different_points(name, points):
    with pytest.raises(PluginError, match="named differently"):
        register(name, points)


def test_a_scheme_known_by_name_shares_all_points_with_itself_alone():
    assert point_count("vendor-27") is None
    assert shared_points("vendor-27", "vendor-27", 3) == ((0, 1, 2), (0, 1, 2))
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
