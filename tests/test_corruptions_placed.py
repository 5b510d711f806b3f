"""The corruptions that are placed by landmarks: what they cover, and on what."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from corruptions_golden import SIDE, corrupted, drawn, flat, points_of, speckled
from fxbench_corruptions import fxbench_corruptions
from fxbench_corruptions.placing import layout
from fxbench_floors.mean_shape import shape

from fxbench.errors import PluginError
from fxbench.schemes import SCHEMES, groups, indices, register
from fxbench.types import Points

PLACED = ["sunglasses", "face-mask", "hand-over-mouth"]


@pytest.fixture(scope="module")
def made():
    return {component.name: component.factory() for component in fxbench_corruptions()}


def as_scheme(points, scheme):
    """The 68 points in another scheme that has no other ones."""
    xy = points.xy[0]
    named = groups("300w-68", SCHEMES[scheme])
    return Points(np.array([[xy[list(g)].mean(axis=0) for g in named]], np.float32), scheme)


def test_a_scheme_of_one_s_own_places_it_too(made):
    register("acme-7", ("left_pupil", "right_pupil", "mouth_centre", *(f"x{n}" for n in range(4))))
    points = points_of(flat(0, 120))
    eyes = [points.xy[0, first : first + 6].mean(axis=0) for first in (42, 36)]
    mouth = points.xy[0, [48, 54]].mean(axis=0)
    own = np.array([[*eyes, mouth, *np.zeros((4, 2))]], np.float32)
    full = covered(made["hand-over-mouth"], 4, points, 120)
    few = covered(made["hand-over-mouth"], 4, Points(own, "acme-7"), 120)
    assert (full & few).sum() > 0.95 * (full | few).sum()


def covered(corruption, severity, points, size):
    """Where a placed corruption changes a picture of that size, as a mask."""
    image = speckled(size)
    return (corrupted(corruption, severity, image, points=points) != image).any(axis=2)


@pytest.mark.parametrize("name", PLACED)
@pytest.mark.parametrize("scheme", ["yunet-5", "mtcnn-5", "dlib-5"])
def test_five_points_place_it_about_as_sixty_eight_do(made, name, scheme):
    points = points_of(flat(0, 120))
    full = covered(made[name], 4, points, 120)
    few = covered(made[name], 4, as_scheme(points, scheme), 120)
    assert (full & few).sum() > 0.7 * (full | few).sum()


def test_they_cover_what_their_names_say(made):
    points = points_of(flat(0, 160))
    xy = points.xy[0].round().astype(int)
    eyes, mouth, chin = xy[36:48], xy[48:68], xy[8]
    nose, brows = xy[30], xy[17:27]

    def share(name, where, severity=5):
        mask = covered(made[name], severity, points, 160)
        return mask[where[..., 1], where[..., 0]].mean()

    assert share("sunglasses", eyes) == 1
    assert share("sunglasses", mouth) == 0
    assert share("face-mask", mouth) == 1
    assert share("face-mask", mouth, 1) == 0, "below the lips"
    assert share("face-mask", chin[None]) == 1
    assert share("face-mask", nose[None], 3) == 0
    assert share("face-mask", nose[None], 4) == 1
    assert share("face-mask", eyes) == 0
    assert share("hand-over-mouth", mouth) > 0.9
    assert share("hand-over-mouth", brows) == 0


@pytest.mark.parametrize("name", PLACED)
def test_they_follow_the_head(made, name):
    """A face that is turned about its middle wears what is turned with it."""
    points = points_of(flat(0, 161))
    upright = covered(made[name], 4, points, 161).astype(np.uint8)
    turn = cv2.getRotationMatrix2D((80, 80), 25, 1.0)
    xy = points.xy[0] @ turn[:, :2].T + turn[:, 2]
    turned = Points(xy[None].astype(np.float32), points.scheme)
    found = covered(made[name], 4, turned, 161)
    expected = cv2.warpAffine(upright, turn, (161, 161), flags=cv2.INTER_NEAREST).astype(bool)
    assert (found & expected).sum() > 0.9 * (found | expected).sum()


def test_a_hand_has_the_colour_of_the_face(made):
    for colour in ((224, 172, 145), (90, 60, 45)):
        image = np.full((120, 120, 3), (30, 90, 160), np.uint8)
        cv2.ellipse(image, (60, 64), (46, 56), 0, 0, 360, colour, -1)
        answer = corrupted(made["hand-over-mouth"], 5, image, points=points_of(image))
        mask = (np.abs(answer.astype(int) - image).max(axis=2) > 8) & (image[..., 2] == 160)
        found = np.median(answer[mask], axis=0)
        np.testing.assert_allclose(found / found.sum(), np.array(colour) / sum(colour), atol=0.03)


@pytest.mark.parametrize("name", PLACED)
def test_faces_that_hardly_can_be_placed_on_are_survived(made, name):
    image = drawn()
    xy = points_of(image).xy
    profile = xy * np.float32([0.02, 1])
    for odd in (xy * 0, profile, xy * np.float32([1, 0]), xy + 1e7, xy * -3, xy * 1e5):
        answer = corrupted(made[name], 5, image, points=Points(odd.astype(np.float32), "300w-68"))
        assert (answer.shape, answer.dtype) == (image.shape, np.uint8)


@pytest.mark.parametrize("name", PLACED)
def test_without_eyes_or_mouth_it_says_so(made, name):
    image = drawn()

    def corrupt(points):
        random = np.random.default_rng(0)
        made[name].corrupt(image, 1, random=random, side=SIDE, points=points)

    with pytest.raises(PluginError, match="no landmarks to place it by"):
        corrupt(None)
    with pytest.raises(PluginError, match="'acme-3' doesn't name both eyes and the mouth"):
        corrupt(Points(np.zeros((1, 3, 2), np.float32), "acme-3"))
    with pytest.raises(PluginError, match="not located"):
        corrupt(Points(np.full((1, 68, 2), np.nan, np.float32), "300w-68"))


def test_the_axes_of_a_face():
    points = Points(100 * shape()[None], "300w-68")
    found = layout(points, 100.0)
    eyes = [points.xy[0, first : first + 6].mean(axis=0) for first in (36, 42)]
    np.testing.assert_allclose(found.origin, np.mean(eyes, axis=0), atol=1e-3)
    np.testing.assert_allclose(found.across, eyes[1] - eyes[0], atol=1e-3)
    corners = points.xy[0, list(indices("300w-68", ("mouth_right_corner", "mouth_left_corner")))]
    np.testing.assert_allclose(found.mouth, corners.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(found.fitted(found.jaw), points.xy[0, :17], atol=1e-3)
    assert found.nose == pytest.approx(0, abs=1e-6)
