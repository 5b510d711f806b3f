"""Cloaks keep to their budget and place, and what they achieve is measured on what is written."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from made_up import Uniform
from made_up_cloak import Bright, Fixed, box, photo
from scipy import ndimage

from fxbench import cloak, cloak_effect, views
from fxbench.attacked import WhiteBox
from fxbench.cloak import Recipe, Rendering, allowed, check_cloak, cloaked
from fxbench.cloak_effect import Answer, Asked, Told
from fxbench.component import Component
from fxbench.errors import FxbenchError, UsageError
from fxbench.faces import crops, pixel_edges
from fxbench.types import Analysis, Boxes, FaceSpec

SPECS = {
    "emopy": FaceSpec(48),
    "fer": FaceSpec(64, margin=0.1),
    "deepface": FaceSpec(224, "pad"),
    "cubic": FaceSpec(40, interpolation="cubic"),
    "nearest": FaceSpec(40, "pad", margin=0.2, interpolation="nearest"),
    "area": FaceSpec(40, interpolation="area"),
}
BOXES = {
    "smaller": (10.0, 8.0, 40.0, 33.0),
    "larger": (2.0, 4.0, 118.0, 97.0),
    "narrow": (20.0, 3.0, 36.0, 95.0),
    "of the face's size": (20.0, 20.0, 60.0, 60.0),
    "over the edge": (-9.0, 50.0, 60.0, 140.0),
}


def rendering(spec: FaceSpec, where: tuple[float, ...], shape: tuple[int, int]) -> Rendering:
    size = np.array([shape[::-1]])
    (edges,) = pixel_edges(box(*where), spec.margin, size).tolist()
    return Rendering(tuple(edges), shape, spec)


@pytest.mark.parametrize("where", BOXES)
@pytest.mark.parametrize("name", SPECS)
def test_the_linear_map_is_the_crop_that_classifiers_see(name: str, where: str) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(60, 190, (100, 120, 3), np.uint8)
    spec, xyxy = SPECS[name], BOXES[where]
    face = rendering(spec, xyxy, (100, 120)).render(image.astype(np.float32))
    seen = crops((image,), (np.zeros(1, np.int64), box(*xyxy)), spec)[0]
    assert face.shape == seen.shape
    # OpenCV resizes 8 bits with fixed-point weights and rounds.
    assert np.abs(face - seen).max() <= 1.5
    assert np.abs(face - seen).mean() < 0.5


@pytest.mark.parametrize("where", BOXES)
@pytest.mark.parametrize("name", SPECS)
def test_gradients_go_back_by_the_transpose(name: str, where: str) -> None:
    """<A x, y> = <x, A^T y> for any x and y: the dot-product test of an adjoint."""
    rng = np.random.default_rng(2)
    spec = SPECS[name]
    made = rendering(spec, BOXES[where], (100, 120))
    part = rng.normal(size=(100, 120, 3)).astype(np.float32)
    slopes = rng.normal(size=(spec.size, spec.size, 3)).astype(np.float32)
    there = np.vdot(made.render(part).astype(np.float64), slopes)
    back = np.vdot(part.astype(np.float64), made.transposed(slopes))
    assert back == pytest.approx(there, rel=1e-4, abs=1e-2)


def test_a_large_face_is_mapped_in_blocks_exactly() -> None:
    image = np.random.default_rng(4).integers(0, 256, (700, 650, 3), np.uint8)
    where = (3.0, 5.0, 641.0, 690.0)
    face = rendering(SPECS["emopy"], where, (700, 650)).render(image.astype(np.float32))
    seen = crops((image,), (np.zeros(1, np.int64), box(*where)), SPECS["emopy"])[0]
    assert np.abs(face - seen).max() <= 1.5


@pytest.mark.parametrize("levels", [1, 4, 8])
def test_the_budget_holds_and_nothing_outside_the_faces_changes(levels: int) -> None:
    image = photo()
    image[:40] = 254  # where a change would leave the range
    image[60:, 60:] = 1
    models = [Bright(), Bright(FaceSpec(64, margin=0.1))]
    boxes = np.concatenate([box(20, 20, 60, 70), box(50, 30, 100, 90)])
    result = cloaked(image, boxes, models, Recipe(epsilon=levels / 255, steps=6))
    change = result.astype(int) - image
    assert result.dtype == np.uint8
    assert np.abs(change).max() <= levels
    assert np.abs(change).max() >= min(levels, 3)
    areas = allowed(boxes, models, 120, 100)
    assert areas.tolist() == [[16, 15, 64, 75], [45, 24, 105, 96]]
    outside = np.ones(image.shape[:2], bool)
    for x1, y1, x2, y2 in areas:
        outside[y1:y2, x1:x2] = False
    assert outside.any()
    assert not change[outside].any()


def test_a_cloak_that_broke_its_rules_is_refused() -> None:
    image = photo()
    area = np.array([[10, 10, 50, 50]])
    inside, outside = image.copy(), image.copy()
    inside[20, 20] += 9
    outside[60, 60, 0] += 1
    check_cloak(image, inside, area, 9)
    with pytest.raises(FxbenchError, match="9 grey levels where 8"):
        check_cloak(image, inside, area, 8)
    with pytest.raises(FxbenchError, match="outside the faces"):
        check_cloak(image, outside, area, 8)


def test_it_moves_away_from_the_clean_answer_and_the_picture_stays_itself() -> None:
    image, model = photo(), Bright()
    kept = image.copy()
    result = cloaked(image, box(10, 10, 90, 90), [model], Recipe(steps=8))
    assert (image == kept).all()
    before, after = (happiness(model, picture) for picture in (image, result))
    assert before > 0.5
    assert after < 0.5


def happiness(model: Bright, image: np.ndarray) -> float:
    where = np.zeros(1, np.int64), box(10, 10, 90, 90)
    return float(model.predict(crops((image,), where, model.face))[0, 1])


@pytest.mark.parametrize(
    ("target", "grey", "rises"), [("happiness", 124, True), ("neutral", 131, False)]
)
def test_with_a_target_it_moves_towards_it(target: str, grey: int, *, rises: bool) -> None:
    image, model = photo(grey), Bright()
    result = cloaked(image, box(10, 10, 90, 90), [model], Recipe(steps=8, target=target))
    before, after = (happiness(model, picture) for picture in (image, result))
    assert (before < 0.5 < after) if rises else (after < 0.5 < before)


def test_the_same_seed_gives_the_same_picture_and_another_one_another() -> None:
    first, again, other = (
        cloaked(photo(), box(10, 10, 90, 90), [Bright()], Recipe(steps=3, views=2, seed=seed))
        for seed in (5, 5, 6)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_progress_is_told_of_every_face_and_step() -> None:
    told: list[tuple[int, int]] = []
    boxes = np.concatenate([box(10, 10, 40, 40), box(50, 50, 90, 90)])
    cloaked(photo(), boxes, [Bright()], Recipe(steps=2), lambda *at: told.append(at))
    assert told == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_the_loss_that_a_cloak_climbs_is_the_one_of_attacks() -> None:
    """A step along the gradient in the picture raises what WhiteBox calls the loss of the crop."""
    image, model = photo(), Bright()
    made = rendering(model.face, (10, 10, 90, 90), (100, 120))
    white, target = WhiteBox(model), np.array([[0, 1, 0]], np.float32)
    pixels = image.astype(np.float32)
    slope = made.transposed(white.gradient(made.render(pixels)[None] / 255, target)[0])
    losses = [
        white.loss(made.render(pixels + step * np.sign(slope))[None] / 255, target)[0]
        for step in (-4, 0, 4)
    ]
    assert losses == sorted(losses)
    assert losses[0] < losses[2]


@pytest.mark.parametrize("epsilon", [0.0, 0.5 / 255, 1.5, -0.1, float("nan")])
def test_an_epsilon_that_changes_nothing_or_too_much_is_refused(epsilon: float) -> None:
    with pytest.raises(UsageError, match=r"1/255 to 1"):
        Recipe(epsilon=epsilon)


def test_a_face_that_would_take_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloak, "MAX_PIXELS", 6_399)
    with pytest.raises(UsageError, match="make the picture smaller"):
        cloaked(photo(), box(10, 10, 90, 90), [Bright()], Recipe(steps=1))


def test_no_step_is_no_cloak() -> None:
    with pytest.raises(UsageError, match="at least 1 step"):
        Recipe(steps=0)


# What it achieves.


def component(name: str, **more: Any) -> Component:
    return Component(name, "Odd.", Uniform, **more)


def test_a_variant_of_a_surrogate_is_no_unseen_classifier() -> None:
    emopy, smooth = component("emopy"), component("smooth")
    roles = {
        one.name: cloak_effect.role_of(one, [emopy, smooth])
        for one in (
            emopy,
            component("emopy-onnx", variant_of="emopy"),
            component("fast", variant_of="smooth"),
            component("emopy-robust"),
        )
    }
    assert roles == {
        "emopy": "surrogate",
        "emopy-onnx": "same network",
        "fast": "same network",
        "emopy-robust": "unseen",
    }
    assert cloak_effect.role_of(emopy, [component("emopy-onnx", variant_of="emopy")]) == (
        "same network"
    )


def asked(**models: Any) -> list[Asked]:
    return [Asked(name, model, "unseen", name) for name, model in models.items()]


def test_answers_are_of_the_pixels_that_are_given() -> None:
    image = photo(131)
    result = image.copy()
    result[10:90, 10:90] -= 8
    where, area = box(10, 10, 90, 90), np.array([[10, 10, 90, 90]])
    (told,) = cloak_effect.ask(
        image, result, where, area, Fixed((10, 10, 90, 90)), asked(bright=Bright())
    )
    assert told.before is not None
    assert told.before.label == "happiness"
    assert {name: told.changed(name) for name in cloak_effect.CHANGES} == {
        "after": True,
        "jpeg": True,
        "redetected": True,
        # The change is the same everywhere: upside down it is itself.
        "control": True,
    }


def test_a_face_that_is_not_found_again_has_no_answer_there() -> None:
    image, where, area = photo(), box(10, 10, 90, 90), np.array([[10, 10, 90, 90]])
    for detector in (Fixed(), Fixed((60, 60, 99, 99))):
        (told,) = cloak_effect.ask(image, image, where, area, detector, asked(bright=Bright()))
        assert told.answers["redetected"] is None
        assert told.changed("redetected") is None
        assert told.changed("after") is False


def test_each_face_keeps_its_answers_whatever_the_order_that_it_is_found_again_in() -> None:
    image = photo(131)
    image[:, 60:] = 110
    boxes = np.concatenate([box(5, 10, 55, 60), box(65, 10, 115, 60)])
    detector = Fixed((66, 10, 115, 60), (5, 11, 55, 60))
    areas = boxes.astype(np.int64)
    told = cloak_effect.ask(image, image, boxes, areas, detector, asked(bright=Bright()))
    assert [one.face for one in told] == [0, 1]
    again = [one.answers["redetected"] for one in told]
    assert [answer.label for answer in again if answer] == ["happiness", "neutral"]


def test_the_control_is_the_same_change_upside_down() -> None:
    image = np.full((20, 20, 3), 100, np.uint8)
    result = image.copy()
    result[4:12, 5:9] += np.arange(8, dtype=np.uint8)[:, None, None]
    control = cloak_effect.upside_down(image, result, np.array([[5, 4, 9, 12]]))
    assert (control[4:12, 5:9] == result[4:12, 5:9][::-1]).all()
    assert (control[12:] == 100).all()


def test_what_a_service_is_silent_about_counts_nowhere() -> None:
    class Service:
        scheme, labels, face_size = None, ("neutral", "happiness", None), 40

        def analyze(self, images: tuple[np.ndarray, ...]) -> Analysis:
            """Answers about the first face of each two alone."""
            boxes = Boxes.from_lists([[(0, 0, 40, 40, 1.0)], []][: len(images)])
            outputs = np.tile(np.float32([0.2, 0.8, 0]), (len(boxes), 1))
            silent = tuple((row, "busy") for row in range(1, len(images)))
            return Analysis(boxes, probabilities=outputs, failures=silent)

    image, boxes = photo(), np.concatenate([box(5, 10, 55, 60), box(65, 10, 115, 60)])
    detector = Fixed((5, 10, 55, 60), (65, 10, 115, 60))
    service = asked(service=views.Told(Service()))
    told = cloak_effect.ask(image, image, boxes, boxes.astype(np.int64), detector, service)
    assert told[0].before is not None
    assert told[0].before.label == "happiness"
    assert told[1].before is None
    assert set(told[1].answers.values()) == {None}
    assert cloak_effect.counts(told, "unseen", "after") == (0, 1)


def answer(output: int) -> Answer:
    return Answer(output, ("neutral", "happiness", None)[output], 0.9)


@pytest.mark.parametrize(
    ("before", "after", "target", "moved"),
    [
        (0, 1, None, True),
        (0, 0, None, False),
        (0, 1, 1, True),
        (0, 2, 1, False),
        (1, 1, 1, None),  # it was there already
        (0, 1, -1, None),  # it has no such output
    ],
)
def test_what_counts_as_changed(
    before: int, after: int, target: int | None, *, moved: bool | None
) -> None:
    told = Told("a", "unseen", "a", 0, answer(before), {"after": answer(after)}, target)
    assert told.changed("after") is moved
    assert Told("a", "unseen", "a", 0, None, {"after": answer(after)}).changed("after") is None


def test_counts_leave_out_what_is_not_known_and_other_roles() -> None:
    told = [
        Told("a", "unseen", "a", 0, answer(0), {"after": answer(1)}),
        Told("a", "unseen", "a", 1, answer(0), {"after": answer(0)}),
        Told("a", "unseen", "a", 2, answer(0), {"after": None}),
        Told("b", "surrogate", "b", 0, answer(0), {"after": answer(1)}),
    ]
    assert cloak_effect.counts(told, "unseen", "after") == (1, 2)
    assert cloak_effect.counts(told, "surrogate", "after") == (1, 1)
    assert cloak_effect.counts(told, "same network", "after") == (0, 0)


# How much the picture changed.


def reference_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Wang et al. (2004), equation 13, with SciPy's filters; (H, W, 3)."""

    def mean(x: np.ndarray) -> np.ndarray:
        # truncate 3.34 of sigma 1.5 is a radius of 5: a window of 11.
        return ndimage.gaussian_filter(x, (1.5, 1.5, 0), mode="mirror", truncate=3.34)

    a, b = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, ab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    return (2 * ma * mb + c1) * (2 * ab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))


@pytest.mark.parametrize("band", [7, 512])
def test_ssim_and_psnr_are_those_of_the_whole_picture(
    band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloak_effect, "_BAND", band)
    rng = np.random.default_rng(7)
    image = cv2.GaussianBlur(rng.integers(0, 256, (60, 80, 3), np.uint8), (0, 0), 2)
    areas = np.array([[0, 3, 25, 30], [40, 20, 70, 57]])
    result = image.copy()
    for x1, y1, x2, y2 in areas:
        noise = rng.integers(-9, 10, (y2 - y1, x2 - x1, 3))
        result[y1:y2, x1:x2] = np.clip(image[y1:y2, x1:x2] + noise, 0, 255)
    inside = np.zeros((60, 80), bool)
    inside[3:30, :25] = inside[20:57, 40:70] = True
    likeness = reference_ssim(image, result)
    squares = np.square(image.astype(float) - result)
    told = cloak_effect.difference(image, result, areas)
    assert told.largest == 9
    assert told.psnr == pytest.approx(10 * np.log10(255**2 / squares.mean()), abs=1e-6)
    assert told.psnr_faces == pytest.approx(
        10 * np.log10(255**2 / squares[inside].mean()), abs=1e-6
    )
    assert told.ssim == pytest.approx(likeness.mean(), abs=2e-4)
    assert told.ssim_faces == pytest.approx(likeness[inside].mean(), abs=5e-4)


def test_a_picture_that_did_not_change_has_no_psnr() -> None:
    told = cloak_effect.difference(photo(), photo(), np.array([[0, 0, 20, 20]]))
    assert (told.largest, told.psnr, told.psnr_faces) == (0, None, None)
    assert told.ssim == pytest.approx(1)
    assert told.ssim_faces == pytest.approx(1)
