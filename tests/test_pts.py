"""The dataset `pts`: photos with 300-W style files of landmarks beside them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from fxbench_pts import fxbench_datasets

from fxbench.errors import DataError, UsageError
from fxbench.protocols import Dataset

if TYPE_CHECKING:
    from pathlib import Path

(COMPONENT,) = fxbench_datasets()


def load(path: Path, **options: object) -> Dataset:
    defaults = {option.name: option.default for option in COMPONENT.options}
    return COMPONENT.factory(**defaults | {"path": path} | options)


def points(count: int = 68, offset: float = 0) -> list[tuple[float, float]]:
    return [(5 + i % 10 + offset, 7 + i // 10 + offset) for i in range(count)]


def pts(xy: list[tuple[float, float]]) -> str:
    rows = [f"{x:.3f} {y:.3f}" for x, y in xy]
    return "\n".join(["version: 1", f"n_points:  {len(xy)}", "{", *rows, "}", ""])


def put(root: Path, *names: str, count: int = 68, photo: str = ".png") -> Path:
    """Writes `name.pts` and a photo for each name, another one for each."""
    for seed, name in enumerate(names):
        path = root / f"{name}.pts"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pts(points(count, seed)))
        pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)
        path.with_suffix(photo).write_bytes(cv2.imencode(photo.lower(), pixels)[1].tobytes())
    return root


def everything(dataset: Dataset, split: str = "all"):
    (batch,) = dataset.batches(split, dataset.answers(split, "faces").rows)
    return batch


# What is there


def test_photos_points_and_boxes(tmp_path):
    put(tmp_path, "02_Outdoor/outdoor_001", "indoor_001")
    put(tmp_path / "upper", "a.b", photo=".JPG")
    (tmp_path / "no_points.png").write_bytes(b"")
    (tmp_path / "upper" / "._a.b.pts").write_bytes(b"\0")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.pts").write_text("hidden")
    dataset = load(tmp_path)
    assert isinstance(dataset, Dataset)
    assert dataset.splits == ("all",)
    assert dataset.protocols == ("faces",)
    assert dataset.scheme == "300w-68"
    expected = ("02_Outdoor/outdoor_001.png", "indoor_001.png", "upper/a.b.JPG")
    assert dataset.ids("all") == expected
    answers = dataset.answers("all", "faces")
    assert answers.rows.tolist() == [0, 1, 2]
    assert answers.labels.tolist() == [-1, -1, -1]
    batch = everything(dataset)
    assert batch.frames.ids == expected
    assert batch.failures == ()
    truth = batch.truth
    assert truth.frame.tolist() == [0, 1, 2]
    assert truth.votes is None
    assert truth.points.scheme == "300w-68"
    assert truth.points.xy.shape == (3, 68, 2)


def test_the_first_pixel_is_called_1_or_0(tmp_path):
    put(tmp_path, "a")
    truth = everything(load(tmp_path)).truth
    # Points from (5, 7) to (14, 13), counted from 1: the pixels 4 to 13 and 6 to 12.
    assert truth.points.xy[0, 0].tolist() == [4, 6]
    assert truth.points.xy[0, 67].tolist() == [11, 12]
    assert truth.xyxy.tolist() == [[4, 6, 14, 13]]
    truth = everything(load(tmp_path, origin=0)).truth
    assert truth.points.xy[0, 0].tolist() == [5, 7]
    assert truth.xyxy.tolist() == [[5, 7, 15, 14]]


def test_the_box_holds_the_pixels_of_the_points(tmp_path):
    put(tmp_path, "a")
    (tmp_path / "a.pts").write_text(pts([(3.4, -2.6), (8.6, 1.5)]))
    truth = everything(load(tmp_path, scheme="ends-2", origin=0)).truth
    assert truth.xyxy.tolist() == [[3, -3, 10, 3]]
    (tmp_path / "a.pts").write_text(pts([(3, 4)]))
    truth = everything(load(tmp_path, scheme="ends-1", origin=0)).truth
    assert truth.xyxy.tolist() == [[3, 4, 4, 5]]


@pytest.mark.parametrize("names", [("test", "valid", "train"), ("testset", "val", "trainset")])
def test_splits(tmp_path, names):
    test, valid, train = names
    put(tmp_path, f"{train}/a", f"{train}/b", f"{test}/deep/a", f"{valid}/a")
    dataset = load(tmp_path)
    assert dataset.splits == ("test", "valid", "train")
    assert dataset.ids("train") == (f"{train}/a.png", f"{train}/b.png")
    assert dataset.ids("test") == (f"{test}/deep/a.png",)
    with pytest.raises(UsageError, match="no split 'all': there is test, valid, train"):
        dataset.ids("all")


def test_files_beside_the_splits_are_not_lost_silently(tmp_path):
    put(tmp_path, "train/a", "test/a", "afw/a")
    with pytest.raises(DataError, match=r"splits .* and others beside those, such as .*afw"):
        load(tmp_path)


def test_another_scheme(tmp_path):
    put(tmp_path, "a", "b", count=5)
    truth = everything(load(tmp_path, scheme="dlib-5")).truth
    assert truth.points.xy.shape == (2, 5, 2)
    assert truth.points.scheme == "dlib-5"
    assert load(tmp_path, scheme="acme-5").ids("all") == ("a.png", "b.png")
    with pytest.raises(DataError, match=r"a\.pts has 5 points, but 68 are expected .* 300w-68"):
        load(tmp_path).ids("all")
    (tmp_path / "b.pts").write_text(pts(points(6)))
    with pytest.raises(DataError, match=r"b\.pts has 6 points, but 5 are expected"):
        load(tmp_path, scheme="acme-5").ids("all")


def test_terms_are_a_persons_own(tmp_path):
    put(tmp_path, "a")
    terms = load(tmp_path).terms
    assert not any((terms.may_show, terms.may_send_to_cloud, terms.may_redistribute))
    terms = load(tmp_path, may_show=True, licence="mine").terms
    assert (terms.may_show, terms.licence) == (True, "mine")


@pytest.mark.parametrize("options", [{"origin": 2}, {"scheme": ""}])
def test_wrong_options(tmp_path, options):
    put(tmp_path, "a")
    with pytest.raises(UsageError, match="pts got the scheme"):
        load(tmp_path, **options)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(["version: 1", "n_points: 2", "{", "1 2", "3.5 -4", "}"]),
        "\r\n".join(["version: 1", "n_points: 2", "{", "1 2", "3.5 -4", "}", ""]),
        "\ufeffversion:1.0\n\n# a comment\nn_points : 2\n{\n  1.000000\t2.0e0 \n\n3.5 -4.\n}\n\n",
        "{\n1 2\n3.5 -4\n}",
    ],
)
def test_spellings_of_a_file(tmp_path, text):
    put(tmp_path, "a")
    (tmp_path / "a.pts").write_bytes(text.encode())
    truth = everything(load(tmp_path, scheme="two", origin=0)).truth
    assert truth.points.xy.tolist() == [[[1, 2], [3.5, -4]]]


# The fingerprint


def test_the_fingerprint_is_that_of_the_contents(tmp_path):
    root = put(tmp_path / "one", "a", "b")
    first = load(root).fingerprint("all")
    shutil.copytree(root, tmp_path / "two")
    assert load(tmp_path / "two").fingerprint("all") == first
    assert load(root, licence="mine").fingerprint("all") == first
    seen = {first, load(root, origin=0).fingerprint("all")}
    seen.add(load(root, scheme="other-68").fingerprint("all"))
    (root / "a.pts").write_text(pts(points(offset=0.25)))
    seen.add(load(root).fingerprint("all"))
    shutil.copyfile(root / "b.png", root / "a.png")
    seen.add(load(root).fingerprint("all"))
    assert len(seen) == 5


# What can't be read or used


def test_photos_that_are_missing_or_broken_are_failures(tmp_path):
    put(tmp_path, "a", "b", "c")
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").write_bytes(b"no photo")
    dataset = load(tmp_path)
    batch = everything(dataset)
    assert dataset.ids("all") == ("a.pts", "b.png", "c.png")
    assert batch.rows.tolist() == [2]
    assert batch.truth.points.xy[0, 0].tolist() == [6, 8]
    assert [(failure.row, failure.id) for failure in batch.failures] == [(0, "a.pts"), (1, "b.png")]
    assert "there is no image for its annotation" in batch.failures[0].reason
    assert "is not a PNG" in batch.failures[1].reason
    dataset.fingerprint("all")


def test_two_photos_or_two_files_of_one_name(tmp_path):
    put(tmp_path, "a")
    shutil.copyfile(tmp_path / "a.png", tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"more than one photo, a\.jpg and a\.png: keep one"):
        load(tmp_path).ids("all")
    (tmp_path / "a.jpg").unlink()
    shutil.copyfile(tmp_path / "a.pts", tmp_path / "a.PTS")
    with pytest.raises(DataError, match=r"a\.png has 2 \.pts files"):
        load(tmp_path).ids("all")


def test_no_folder_and_no_files(tmp_path):
    with pytest.raises(DataError, match=r"absent does not exist: set pts\.path"):
        load(tmp_path / "absent")
    with pytest.raises(DataError, match=r"holds no \.pts file"):
        load(tmp_path)


def test_links(tmp_path):
    root = put(tmp_path / "root", "a", "b")
    put(tmp_path / "outside", "c")
    (root / "a.png").unlink()
    (root / "a.png").symlink_to(tmp_path / "outside" / "c.png")
    assert "leads out of" in everything(load(root)).failures[0].reason
    (root / "b.pts").unlink()
    (root / "b.pts").symlink_to(tmp_path / "outside" / "c.pts")
    with pytest.raises(DataError, match=r"b\.pts is a link that leads out of"):
        load(root).ids("all")
    (root / "deep").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="deep is a link to a folder, which is not followed"):
        load(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the file ends without the line '{'"),
        ("version: 1\nn_points: 2\n", "line 2: the file ends without the line '{'"),
        ("version: 1\nn_points: 2\n{\n1 2\n", "line 4: the file ends without the line '}'"),
        ("version: 2\n{\n1 2\n}", "line 1: the version is 2"),
        ("version: 1\nn_points: 3\n{\n1 2\n}", "line 5: there are 1 points, but n_points is 3"),
        ("{\n}", "line 2: there are 0 points, but at least one is expected"),
        ("{\n1 2\n}\n3 4\n", "line 4: '3 4' stands after the closing brace"),
        ("{\n1 2 3\n}", "line 2: '1 2 3' is not a point"),
        ("{\n1\n}", "line 2: '1' is not a point"),
        ("{\nnan 1\n}", "line 2: 'nan 1' is not a point"),
        ("{\n1e400 1\n}", "line 2: '1e400 1' is not a point"),
        ("{\n1 99999999\n}", "line 2: '1 99999999' is not a point"),
        ("{\n1 2_0\n}", "line 2: '1 2_0' is not a point"),
        ("points: 68\n", "line 1: 'points: 68' is not 'version: 1'"),
        ("{\n" + "1 2\n" * 10_001 + "}", "line 10002: more than 10,000 points"),
    ],
)
def test_malformed_files_say_the_line(tmp_path, text, message):
    put(tmp_path, "a")
    (tmp_path / "a.pts").write_text(text)
    with pytest.raises(DataError) as caught:
        load(tmp_path, scheme="any").ids("all")
    assert str(caught.value).startswith(f"{tmp_path / 'a.pts'}, {message}")


def test_a_file_that_is_no_text_or_too_large(tmp_path):
    put(tmp_path, "a")
    (tmp_path / "a.pts").write_bytes(b"version: 1\n\xff\xd8\xff")
    with pytest.raises(DataError, match=r"a\.pts, line 2: it is not text"):
        load(tmp_path).ids("all")
    (tmp_path / "a.pts").write_bytes(b"#" * 1_000_001)
    with pytest.raises(DataError, match=r"more than the 1,000,000 that are read"):
        load(tmp_path).ids("all")
