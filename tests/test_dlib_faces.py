"""The dataset `dlib-faces`: boxes and landmarks from dlib's annotation files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from fxbench_dlibfaces import fxbench_datasets

from fxbench import images
from fxbench.errors import DataError, UsageError
from fxbench.protocols import Dataset

if TYPE_CHECKING:
    from pathlib import Path

TEST = "testing_with_face_landmarks.xml"
TRAIN = "training_with_face_landmarks.xml"
SIZE = (40, 30)


def load(path: Path) -> Dataset:
    return fxbench_datasets()[0].factory(path=path)


def picture(path: Path, seed: int = 0, size: tuple[int, int] = SIZE) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def parts(offset: float = 0, names: list[str] | None = None) -> str:
    names = [f"{i:02d}" for i in range(68)] if names is None else names
    return "\n".join(
        f"<part name='{name}' x='{i + offset}' y='{i % 7}'/>" for i, name in enumerate(names)
    )


def box(offset: float = 0, attributes: str = "top='2' left='1' width='10' height='20'") -> str:
    return f"<box {attributes}>\n{parts(offset)}\n</box>"


def image(name: str, *boxes: str, size: str = "width='40' height='30'") -> str:
    return f"<image file='{name}' {size}>\n" + "\n".join(boxes) + "\n</image>"


def xml(*elements: str, head: str = "<?xml version='1.0' encoding='ISO-8859-1'?>") -> str:
    return "\n".join(
        [head, "<dataset>", "<name>Ä</name>", "<images>", *elements, "</images>", "</dataset>"]
    )


def write(root: Path, *elements: str, file: str = TEST) -> Path:
    root.mkdir(exist_ok=True)
    (root / file).write_text(xml(*elements), encoding="latin-1")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos, the second without a face."""
    for seed, name in enumerate(["a.png", "b.png", "deep/c.png"]):
        picture(tmp_path / "faces" / name, seed)
    return write(
        tmp_path / "faces",
        image("a.png", box(), box(3, "left='-4' top='0' width='8' height='8'")),
        image("b.png", size=""),
        image("deep\\c.png", box(0.5)),
    )


def fails(root: Path, message: str) -> str:
    dataset = load(root)
    with pytest.raises(DataError, match=message) as caught:
        dataset.answers("test", "faces")
    assert str(root / TEST) in str(caught.value)
    return str(caught.value)


# What is there


def test_photos_boxes_and_points(folder):
    dataset = load(folder)
    assert isinstance(dataset, Dataset)
    assert dataset.splits == ("test",)
    assert dataset.protocols == ("faces",)
    assert dataset.scheme == "300w-68"
    assert not dataset.terms.may_show
    assert not dataset.terms.may_send_to_cloud
    assert not dataset.terms.may_redistribute
    assert dataset.ids("test") == ("a.png", "b.png", "deep/c.png")
    answers = dataset.answers("test", "faces")
    assert answers.rows.tolist() == [0, 1, 2]
    assert answers.labels.tolist() == [-1, -1, -1]
    assert answers.accepted is None
    assert answers.distribution is None
    (batch,) = dataset.batches("test", answers.rows)
    assert batch.rows.tolist() == [0, 1, 2]
    assert batch.frames.ids == dataset.ids("test")
    assert batch.failures == ()
    assert [picture.shape for picture in batch.frames.images] == [(30, 40, 3)] * 3
    truth = batch.truth
    assert truth.frame.tolist() == [0, 0, 2]
    assert truth.votes is None
    assert truth.xyxy.tolist() == [[1, 2, 11, 22], [-4, 0, 4, 8], [1, 2, 11, 22]]
    assert truth.points.scheme == "300w-68"
    assert truth.points.xy.shape == (3, 68, 2)
    assert truth.points.xy[0, 10].tolist() == [10, 3]
    assert truth.points.xy[1, 67].tolist() == [70, 4]
    assert truth.points.xy[2, 0].tolist() == [0.5, 0]


def test_any_rows_in_batches(folder):
    dataset = load(folder)
    (batch,) = dataset.batches("test", np.array([1, 2]))
    assert batch.frames.ids == ("b.png", "deep/c.png")
    assert batch.truth.frame.tolist() == [1]
    (batch,) = dataset.batches("test", np.array([1]))
    assert batch.truth.frame.tolist() == []
    assert batch.truth.points.xy.shape == (0, 68, 2)
    assert batch.truth.xyxy.shape == (0, 4)
    assert list(dataset.batches("test", np.array([], np.int64))) == []
    with pytest.raises(DataError, match="Rows 1 to 3 of dlib-faces"):
        list(dataset.batches("test", np.array([1, 3])))


def test_batches_hold_few_photos(tmp_path):
    names = [f"{i}.png" for i in range(20)]
    for name in names:
        picture(tmp_path / name)
    dataset = load(write(tmp_path, *(image(name, box()) for name in names)))
    batches = list(dataset.batches("test", np.arange(20)))
    assert [len(batch.rows) for batch in batches] == [16, 4]
    assert batches[1].truth.frame.tolist() == [0, 1, 2, 3]


def test_both_files_are_splits_and_test_comes_first(folder):
    write(folder, image("deep/c.png", box()), file=TRAIN)
    dataset = load(folder)
    assert dataset.splits == ("test", "train")
    assert dataset.ids("train") == ("deep/c.png",)
    for call in (dataset.ids, dataset.fingerprint):
        with pytest.raises(UsageError, match="no split 'valid': there is test, train"):
            call("valid")
    with pytest.raises(UsageError, match="no protocol 'majority': it has faces"):
        dataset.answers("test", "majority")


def test_an_ignored_box_is_left_out(folder):
    ignored = "<box ignore='1' top='1' left='1' width='2' height='2'/>"
    write(folder, image("a.png", ignored, box(), ignored))
    (batch,) = load(folder).batches("test", np.array([0]))
    assert batch.truth.frame.tolist() == [0]


# The fingerprint


def test_the_fingerprint_is_that_of_the_contents(folder, tmp_path):
    first = load(folder).fingerprint("test")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    assert load(elsewhere).fingerprint("test") == first
    seen = {first}
    picture(elsewhere / "a.png", 99)
    seen.add(load(elsewhere).fingerprint("test"))
    text = (folder / TEST).read_text("latin-1")
    (folder / TEST).write_text(text.replace("x='10'", "x='10.5'", 1), "latin-1")
    seen.add(load(folder).fingerprint("test"))
    (folder / TEST).write_text(text.replace("top='2'", "top='3'", 1), "latin-1")
    seen.add(load(folder).fingerprint("test"))
    (folder / "b.png").unlink()
    seen.add(load(folder).fingerprint("test"))
    assert len(seen) == 5


# Photos that can't be read


def test_unreadable_photos_are_failures(folder, tmp_path):
    (folder / "a.png").write_bytes(b"no photo")
    (folder / "b.png").unlink()
    dataset = load(folder)
    (batch,) = dataset.batches("test", np.arange(3))
    assert batch.frames.ids == ("deep/c.png",)
    assert batch.rows.tolist() == [2]
    assert batch.truth.frame.tolist() == [0]
    assert batch.truth.points.xy[0, 0].tolist() == [0.5, 0]
    assert [(failure.row, failure.id) for failure in batch.failures] == [(0, "a.png"), (1, "b.png")]
    assert "is not a PNG" in batch.failures[0].reason
    assert "is missing" in batch.failures[1].reason
    dataset.fingerprint("test")


def test_a_photo_of_another_size_than_annotated_is_a_failure(folder):
    picture(folder / "a.png", size=(30, 40))
    (batch,) = load(folder).batches("test", np.array([0]))
    assert "30 x 40 pixels, but was annotated at 40 x 30" in batch.failures[0].reason


def test_links_that_lead_out_are_not_followed(folder, tmp_path):
    picture(tmp_path / "outside" / "c.png")
    shutil.rmtree(folder / "deep")
    (folder / "deep").symlink_to(tmp_path / "outside")
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to(tmp_path / "outside" / "c.png")
    (batch,) = load(folder).batches("test", np.arange(3))
    assert batch.frames.ids == ("b.png",)
    assert ["leads out of" in failure.reason for failure in batch.failures] == [True, True]


# Files that can't be used


def test_no_annotation_file(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match=r"holds neither testing_.* nor training_.*dlib"):
            load(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/a.png", "line 5: the image '/etc/a.png' is not a path inside"),
        ("../a.png", "line 5: the image '../a.png' is not a path inside"),
        ("x\\..\\..\\a.png", "is not a path inside"),
        ("C:\\a.png", "is not a path inside"),
        (".", "is not a path inside"),
        ("", "line 5: <image> has no file"),
    ],
)
def test_paths_that_lead_out(tmp_path, name, message):
    fails(write(tmp_path, image(name, box())), message)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([image("a.png", box(attributes="top='2' left='1' width='10'"))], "line 6: <box> has no h"),
        (
            [image("a.png", box(attributes="top='2' left='1' width='0' height='5'"))],
            "line 6: the box is 0 x 5 pixels",
        ),
        (
            [image("a.png", box(attributes="top='2' left='1e3' width='1' height='5'"))],
            "line 6: left of <box> is '1e3', but a number",
        ),
        ([image("a.png", box(10**7))], "line 7: x of <part> is '10000000', but a number"),
        ([image("a.png", "<box top='1' left='1' width='2' height='2'/>")], "line 6: .* 0 parts"),
        (
            [
                image("a.png", box()),
                image(
                    "b.png",
                    "<box top='1' left='1' width='2' height='2'>",
                    parts(names=[f"{i:02d}" for i in range(68) if i != 36]),
                    "</box>",
                ),
            ],
            r"line 78: the box has 67 parts, .*'36' is the first",
        ),
        (
            [
                image(
                    "a.png",
                    "<box top='1' left='1' width='2' height='2'>",
                    parts(names=["00", "0"]),
                    "</box>",
                )
            ],
            "line 8: the box has the part '0' twice",
        ),
        (
            [
                image(
                    "a.png",
                    "<box top='1' left='1' width='2' height='2'>",
                    parts(names=["68"]),
                    "</box>",
                )
            ],
            "line 7: the part is called '68'",
        ),
        ([image("a.png", box()), image("./a.png", box())], "line 77: the image 'a.png' is named t"),
        ([image("a.png", size="width='40'")], "line 5: <image> has no height"),
        ([image("a.png", size="width='0' height='2'")], "line 5: .* no whole size"),
        ([image("a.png", size="width='4.5' height='2'")], "line 5: .* no whole size"),
        ([box()], "line 5: <box> stands in <images>, but belongs in <image>"),
        ([image("a.png", parts())], "line 6: <part> stands in <image>, but belongs in <box>"),
        ([], "names no image"),
        (["<image file='a.png'>"], "line 6: it is not well-formed XML .mismatched tag"),
    ],
)
def test_malformed_files_say_the_line(tmp_path, elements, message):
    fails(write(tmp_path, *elements), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: it is not well-formed XML"),
        ("<html/>", "line 1: the root is <html>, but <dataset>"),
        (xml(image("a.png", box()))[:-20], "not well-formed XML"),
        (xml(head="<?xml version='1.0' encoding='nonsense'?>"), "encoding can't be read|unknown"),
        (
            "<?xml version='1.0'?>\n<!DOCTYPE dataset [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>\n"
            "<dataset>&b;</dataset>",
            "line 2: it declares a document type",
        ),
        (
            "<!DOCTYPE dataset SYSTEM 'file:///etc/passwd'>\n<dataset/>",
            "line 1: it declares a document type",
        ),
        ("<dataset>&unknown;</dataset>", "line 1: it is not well-formed XML .undefined entity"),
    ],
)
def test_files_that_are_something_else(tmp_path, text, message):
    (tmp_path / TEST).write_text(text)
    fails(tmp_path, message)


def test_an_annotation_file_that_is_too_large(folder, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    fails(folder, "more than the")


def test_an_annotation_file_that_leads_out(folder, tmp_path):
    (folder / TEST).rename(tmp_path / "out.xml")
    (folder / TEST).symlink_to(tmp_path / "out.xml")
    fails(folder, "is a link that leads out of")


def test_long_values_are_cut_in_messages(tmp_path):
    message = fails(write(tmp_path, image("../" + "a" * 5000)), "is not a path inside|\\.\\.\\.")
    assert len(message) < 600


# The real one


def test_dlibs_own_files(shared):
    path = shared / "data" / "landmarks-dlib"
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    dataset = load(path)
    assert dataset.splits == ("test", "train")
    for split, count, faces in (("test", 5, 25), ("train", 4, 18)):
        answers = dataset.answers(split, "faces")
        assert len(answers.rows) == count
        (batch,) = dataset.batches(split, answers.rows)
        assert batch.failures == ()
        truth = batch.truth
        assert len(truth.frame) == faces
        # The subject's right eye is on the left, and the points lie about their box.
        assert (truth.points.xy[:, 36, 0] < truth.points.xy[:, 45, 0]).all()
        centre = (truth.xyxy[:, :2] + truth.xyxy[:, 2:]) / 2
        side = truth.xyxy[:, 2:] - truth.xyxy[:, :2]
        assert (np.abs(truth.points.xy.mean(axis=1) - centre) < 0.25 * side).all()
    (batch,) = dataset.batches("test", np.array([0]))
    assert batch.frames.ids == ("2008_002470.jpg",)
    assert batch.truth.xyxy[0].tolist() == [274, 181, 326, 234]
    assert batch.truth.points.xy[0, 0].tolist() == [277, 194]
