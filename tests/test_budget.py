"""No adversarial face is scored that was changed by more than its budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxbench.adversary import held
from fxbench.budget import check_budget
from fxbench.errors import PluginError

GREY = np.full((3, 6, 6, 3), 100, np.uint8)


def changed(by: int, pixels: int = 1, face: int = 1) -> np.ndarray:
    """Grey faces, of one of which the first so many numbers differ."""
    faces = GREY.copy()
    faces[face].reshape(-1)[:pixels] = 100 + by
    return faces


@pytest.mark.parametrize("by", [-8, 8])
def test_whole_grey_levels_count(by: int) -> None:
    check_budget(GREY, changed(by), "linf", 8 / 255)
    check_budget(GREY, changed(by), "linf", 8.9 / 255)
    with pytest.raises(PluginError, match=r"face 1 of 3 .* changed by 8 grey levels.* allows 7\."):
        check_budget(GREY, changed(by), "linf", 7.9 / 255)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_fraction_of_255_allows_its_whole_grey_levels(norm: str) -> None:
    black = np.zeros((1, 1, 1, 3), np.uint8)
    for level in range(1, 256):
        check_budget(black, black + np.uint8(level), norm, level / 255)
        with pytest.raises(PluginError, match=f"by {level} grey|is {level} grey"):
            check_budget(black, black + np.uint8(level), norm, level / 255 - 1e-7)


def test_the_root_mean_square_is_taken_over_a_face() -> None:
    # 27 of 108 numbers, by 4: the mean square is 4.
    check_budget(GREY, changed(4, 27), "l2", 2 / 255)
    with pytest.raises(PluginError, match=r"square of its change is 2\.072751 .* allows 2\.$"):
        check_budget(GREY, changed(4, 29), "l2", 2 / 255)
    # What another face leaves of its budget is of no use to this one.
    with pytest.raises(PluginError, match="face 0 of 3"):
        check_budget(GREY, changed(150, 108, face=0), "l2", 100 / 255)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_epsilon_0_means_equal(norm: str) -> None:
    check_budget(GREY, GREY.copy(), norm, 0.0)
    check_budget(GREY[:0], GREY[:0], norm, 0.0)
    with pytest.raises(PluginError, match="allows"):
        check_budget(GREY, changed(1), norm, 0.0)


def test_changes_of_the_whole_range_don_t_wrap() -> None:
    black, white = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    for pair in ((black, white), (white, black)):
        for norm in ("linf", "l2"):
            check_budget(*pair, norm, 1.0)
            with pytest.raises(PluginError, match="255 grey levels"):
                check_budget(*pair, norm, 254 / 255)


@pytest.mark.parametrize(
    ("faces", "norm", "epsilon", "message"),
    [
        (GREY[:2], "linf", 1.0, "adversarial must be uint8"),
        (GREY.astype(np.float32), "linf", 1.0, "adversarial must be uint8"),
        (GREY, "l1", 1.0, "'linf' or 'l2'"),
        (GREY, "linf", -1.0, "0 or more"),
        (GREY, "l2", float("nan"), "0 or more"),
    ],
)
def test_what_can_t_be_compared_doesn_t_pass(
    faces: np.ndarray, norm: str, epsilon: float, message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        check_budget(GREY, faces, norm, epsilon)


@given(
    seed=st.integers(0, 2**32 - 1),
    epsilon=st.sampled_from([0.0, 0.001, 1 / 255, 0.02, 8 / 255, 32 / 255, 0.5, 1.0]),
    scale=st.sampled_from([0.001, 0.1, 3.0]),
    norm=st.sampled_from(["linf", "l2"]),
    side=st.sampled_from([1, 5, 48]),
)
@settings(max_examples=80, deadline=None)
def test_what_the_core_holds_to_a_budget_passes(
    seed: int, epsilon: float, scale: float, norm: str, side: int
) -> None:
    drawn = np.random.default_rng(seed)
    faces = drawn.integers(0, 256, (3, side, side, 3), np.uint8)
    wanted = (faces / 255 + drawn.normal(0, scale, faces.shape)).astype(np.float32)
    check_budget(faces, held(faces, wanted, norm, epsilon), norm, epsilon)
