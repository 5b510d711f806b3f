"""The appearance model behind `mini`, its sampling and its checks, on made-up faces."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fxbench_mini import build, files, selection
from fxbench_mini.aam import AppearanceModel, Pose, to_texture
from fxbench_mini.fitting import align, fit, mirror_order
from fxbench_mini.sampling import SIZE, Neighbours, draw, face_box, parameters
from made_up import Squares
from mini_made_up import PER_CLASS, faces

from fxbench.errors import DataError, UnavailableError
from fxbench.schemes import SCHEMES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def model() -> AppearanceModel:
    return fit(faces(), seed=0, shape_modes=5, texture_modes=8)


def test_a_mirrored_point_is_its_opposite() -> None:
    order = mirror_order()
    names = SCHEMES["300w-68"]
    assert (order[order] == np.arange(68)).all()
    assert names[order[36]] == "left_eye_outer_corner"
    assert order[8] == 8
    assert order[48] == 54


def test_shapes_are_aligned_whatever_their_place_size_and_rotation() -> None:
    rng = np.random.default_rng(3)
    base = faces(1).points[0]
    turned = []
    for angle, scale in zip(rng.uniform(-0.5, 0.5, 9), rng.uniform(0.5, 2, 9), strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned.append(base @ turn.T * scale + rng.normal(0, 9, 2))
    aligned, mean = align(np.stack(turned))
    assert np.abs(aligned - mean).max() < 1e-9
    assert mean[45] - mean[36] == pytest.approx([1, 0])


def test_the_model_has_the_form_that_it_says(model: AppearanceModel) -> None:
    count = 5 + 8
    assert model.class_means.shape == (8, count)
    assert model.within.shape == (count, count)
    for modes in (model.shape_modes.reshape(5, -1), model.texture_modes.reshape(8, -1)):
        assert np.abs(modes @ modes.T - np.eye(len(modes))).max() < 1e-4
    # Symmetric apart from contempt, because it is fitted to the mirror images too.
    assert model.mean_shape[8, 0] == pytest.approx(0, abs=0.02)


def test_the_mean_of_a_class_has_the_shape_of_its_faces(model: AppearanceModel) -> None:
    heights = [np.ptp(model.shape(mean)[48:, 1]) for mean in model.class_means]
    assert heights[6] > heights[3] > heights[0]


@pytest.mark.parametrize("pose", [Pose(), Pose(1.3, 20, 4.5, -3), Pose(0.8, -9, 0, 2)])
def test_landmarks_are_where_the_picture_has_them(model: AppearanceModel, pose: Pose) -> None:
    # The texture shows a ramp whose grey value tells the place in the frame.
    for axis in (0, 1):
        ramp = np.zeros_like(model.mean_texture) + (
            np.arange(model.mean_texture.shape[1])
            if axis == 0
            else np.arange(model.mean_texture.shape[0])[:, None]
        )
        plain = replace(
            model,
            mean_texture=((ramp * 2 - 122) / 52).astype(np.float32),
            texture_modes=np.zeros_like(model.texture_modes),
            opacity=np.ones_like(model.opacity),
        )
        own = parameters(model, 2, np.random.default_rng(1))
        picture, points = plain.render(own, size=160, pose=pose)
        place = to_texture(model.mean_shape)[:, axis]
        inner = [*range(27, 36), *range(36, 48)]
        columns, rows = points[inner].T
        x, y = np.floor(columns).astype(int), np.floor(rows).astype(int)
        a, b = columns - x, rows - y
        seen = (
            picture[y, x] * (1 - a) * (1 - b)
            + picture[y, x + 1] * a * (1 - b)
            + picture[y + 1, x] * (1 - a) * b
            + picture[y + 1, x + 1] * a * b
        )
        assert np.abs(seen / 2 - place[inner]).max() < 1.0  # of a texture pixel


def test_a_face_fades_into_its_background(model: AppearanceModel) -> None:
    behind = np.full((96, 96), 7, np.uint8)
    picture, _ = model.render(model.overall_mean, size=96, background=behind)
    assert (picture[:4] == 7).all()
    assert (picture[48] != 7).sum() > 30


def test_a_model_is_the_same_after_a_round_trip(model: AppearanceModel, tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        model.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    own = parameters(model, 4, np.random.default_rng(0))
    first = model.render(own, size=80)
    again = AppearanceModel.load(tmp_path / "a.npz").render(own, size=80)
    assert all((one == other).all() for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("content", [b"", b"PK nothing", None])
def test_what_is_no_model_is_told_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "m.npz").write_bytes(content)
    with pytest.raises(DataError, match="holds no appearance model"):
        AppearanceModel.load(tmp_path / "m.npz")


def test_too_few_faces_of_an_emotion_are_refused() -> None:
    with pytest.raises(DataError, match="neutral 3, happiness 3"):
        fit(faces(3), seed=0)


def test_flipped_samples_keep_their_points(model: AppearanceModel) -> None:
    lefts = []
    for seed in range(12):
        sample = draw(model, 7, np.random.default_rng(seed))
        assert sample.image.shape == (SIZE, SIZE)
        assert sample.points.dtype == np.float32
        assert sample.points[0, 0] < sample.points[16, 0]  # the subject's right is on the left
        lefts.append(sample.points[54, 1] < sample.points[48, 1])
    assert 0 < sum(lefts) < 12  # contempt on either side


def test_a_box_holds_its_points_and_the_forehead() -> None:
    points = np.array([[20, 30], [60, 80], [40, 50]], np.float32)
    left, top, right, bottom = face_box(points, 100)
    assert (left, right, bottom) == (20.5, 60.5, 80.5)
    assert top < 25


def test_copies_are_dropped_before_fitting() -> None:
    drawn = faces(1).images
    images = np.stack([*drawn, drawn[0], drawn[1], drawn[2]])
    votes = np.zeros((11, 10), np.float32)
    votes[np.arange(11), [0, 1, 2, 3, 4, 5, 6, 7, 0, 3, 2]] = 9
    votes[4, 4] = 6  # too few people agree
    votes[5, 5] = 5  # enough for a rare emotion
    rows, labels = selection.candidates(selection.Pictures(images, votes), drawn[7:8])
    # 1 and its copy have different labels, 7 occurs among the others
    assert rows.tolist() == [0, 2, 3, 5, 6]
    assert labels.tolist() == [0, 2, 3, 5, 6]


def test_only_upright_frontal_faces_are_used() -> None:
    points = faces(1).points[0]
    assert selection.is_frontal(points, 0)
    turned = points.copy()
    turned[[27, 28, 29, 30], 0] += 9
    assert not selection.is_frontal(turned, 0)
    tilt = np.radians(20)
    rolled = points @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    assert not selection.is_frontal(rolled, 0)
    assert selection.is_frontal(rolled, 6)  # of the rare emotions, there are too few otherwise


def test_without_dlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"fxbench\[dlib\]"):
        selection.Landmarks()


def test_other_data_than_fer_plus_are_refused() -> None:
    with pytest.raises(DataError, match="no split 'train' but test"):
        selection.read(Squares(), "train")
    with pytest.raises(DataError, match="no votes"):
        selection.read(Squares(), "test")


def test_neighbours_know_copies_mirrored_and_brighter() -> None:
    training = faces(PER_CLASS, seed=1).images
    other = faces(PER_CLASS, seed=2).images
    neighbours = Neighbours(training, np.concatenate([other, training[:50]]))
    assert len(neighbours.of_valid) == len(other)  # copies tell nothing of other people
    assert (neighbours.of_valid > neighbours.limit).mean() == pytest.approx(0.95, abs=0.01)
    brighter = (training[:5, :, ::-1].astype(float) * 0.8 + 40).astype(np.uint8)
    assert neighbours.distances(brighter).max() < 0.05 < neighbours.limit


def test_the_same_seed_gives_the_same_bytes(model: AppearanceModel, tmp_path: Path) -> None:
    neighbours = Neighbours(faces(4, seed=1).images, faces(4, seed=2).images)
    written = {}
    for folder, seed in (("a", 5), ("b", 5), ("c", 6)):
        shas, _ = build.write_stills(
            model, neighbours, tmp_path / folder, seed=seed, counts=(2,) * 8
        )
        written[folder] = shas
        assert len(files.read_faces(tmp_path / folder / files.FACES).ids) == 16
    assert written["a"] == written["b"]
    assert written["a"][files.STILLS] != written["c"][files.STILLS]
    assert fit(faces(), seed=0, shape_modes=5, texture_modes=8).class_means.tobytes() == (
        model.class_means.tobytes()
    )


def test_a_sample_that_is_a_training_image_is_drawn_again(
    model: AppearanceModel, tmp_path: Path
) -> None:
    memorised = draw(model, 3, np.random.default_rng([5, 3, 1, 0])).crop
    training = np.concatenate([faces(4, seed=1).images, memorised[None]])
    neighbours = Neighbours(training, faces(4, seed=2).images)
    _, checks = build.write_stills(model, neighbours, tmp_path, seed=5, counts=(2,) * 8)
    assert checks["drawn_again"] >= 1
    assert checks["nearest"] > checks["limit"]
    json.dumps(checks)
