from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from fxbench_folder import fxbench_datasets, tree
from fxbench_folder.dataset import Folder
from make_ferplus import picture, png

from fxbench.component import Terms
from fxbench.errors import DataError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.protocols import Dataset

if TYPE_CHECKING:
    from pathlib import Path

TERMS = Terms("none", may_redistribute=False, may_show=False, may_send_to_cloud=False)
RAF = "1=surprise,2=fear,3=disgust,4=happiness,5=sadness,6=anger,7=neutral"


def load(path: Path, labels: str = "") -> Folder:
    return Folder(path, labels, TERMS)


def put(root: Path, *names: str) -> Path:
    """Writes an image at each name, encoded as its suffix says, another picture for each."""
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix.lower(), picture(seed))[1].tobytes())
    return root


def ids(dataset: Folder, split: str) -> list[str]:
    batches = dataset.batches(split, np.arange(len(dataset.answers(split, "single").rows)))
    return [name for batch in batches for name in batch.frames.ids]


def test_the_names_of_the_folders_are_the_labels(tmp_path: Path) -> None:
    put(
        tmp_path,
        "Happy/b.PNG",
        "Happy/a.jpg",
        "sadness/c.jpeg",
        "anger/d.bmp",
        "contempt/session2/e.webp",
    )
    (tmp_path / "Happy" / "notes.txt").write_text("no image")
    (tmp_path / "Happy" / ".hidden.png").write_bytes(b"")
    (tmp_path / ".git").mkdir()
    (tmp_path / "empty").mkdir()
    dataset = load(tmp_path)
    assert isinstance(dataset, Dataset)
    assert dataset.splits == ("all",)
    assert dataset.protocols == ("single",)
    (batch,) = dataset.batches("all", np.arange(5))
    assert batch.frames.ids == (
        "Happy/a.jpg",
        "Happy/b.PNG",
        "anger/d.bmp",
        "contempt/session2/e.webp",
        "sadness/c.jpeg",
    )
    assert np.array_equal(batch.frames.images[1][..., 0], picture(0))
    answers = dataset.answers("all", "single")
    assert [EMOTIONS[label] for label in answers.labels] == [
        "happiness",
        "happiness",
        "anger",
        "contempt",
        "sadness",
    ]
    assert answers.rows.tolist() == list(range(5))
    assert answers.accepted is None
    assert answers.distribution is None
    assert batch.truth is not None
    assert batch.truth.votes is not None
    assert batch.truth.votes.sum(1).tolist() == [1] * 5
    assert batch.truth.votes.argmax(1).tolist() == answers.labels.tolist()
    assert batch.truth.xyxy is None


def test_a_label_map_names_the_folders(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}/x.png" for number in range(1, 8)))
    labels = load(tmp_path, RAF).answers("all", "single").labels
    assert [EMOTIONS[label] for label in labels] == [
        "surprise",
        "fear",
        "disgust",
        "happiness",
        "sadness",
        "anger",
        "neutral",
    ]


def test_the_map_goes_before_the_name_and_can_skip(tmp_path: Path) -> None:
    put(tmp_path, "happy/a.png", "none/b.png", "Uncertain/c.png", "fear/d.png")
    dataset = load(tmp_path, " happy = surprised , none=skip, Uncertain=skip")
    assert ids(dataset, "all") == ["fear/d.png", "happy/a.png"]
    assert dataset.answers("all", "single").labels.tolist() == [6, 2]


def test_a_folder_without_counterpart_says_how_to_map_or_skip_it(tmp_path: Path) -> None:
    put(tmp_path, "happy/a.png", "8/b.png", "bored/c.png")
    with pytest.raises(DataError, match=r"no emotion: 8, bored.*labels=8=happiness.*8=skip"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "has the part '1'; expected is 'folder=emotion'"),
        ("1=bored", "has the part '1=bored'; expected is .*contempt, or skip"),
        ("=fear", "has the part '=fear'"),
        ("1=fear,1=anger", "names the folder '1' twice"),
    ],
)
def test_a_wrong_label_map_is_a_usage_error(tmp_path: Path, text: str, message: str) -> None:
    put(tmp_path, "happy/a.png")
    with pytest.raises(UsageError, match=message):
        load(tmp_path, text)


def test_splits(tmp_path: Path) -> None:
    put(tmp_path, "train/happy/a.png", "val/happy/b.png", "Test/sad/c.png", "extra/d.png")
    dataset = load(tmp_path)
    assert dataset.splits == ("test", "valid", "train")
    assert ids(dataset, "valid") == ["val/happy/b.png"]
    assert ids(dataset, "test") == ["Test/sad/c.png"]
    with pytest.raises(UsageError, match="no split 'all': there is test, valid, train"):
        dataset.answers("all", "single")
    with pytest.raises(UsageError, match="no protocol 'majority'"):
        dataset.answers("test", "majority")


def test_a_split_given_itself_is_all(tmp_path: Path) -> None:
    put(tmp_path, "train/happy/a.png", "val/happy/b.png")
    assert load(tmp_path / "train").splits == ("all",)


def test_splits_that_contradict_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "val/happy/b.png", "valid/happy/b.png")
    with pytest.raises(DataError, match="val and valid, which both mean the split valid"):
        load(tmp_path)
    shutil.rmtree(tmp_path / "val")
    put(tmp_path, "anger/a.png")
    with pytest.raises(DataError, match="beside them the label folders anger"):
        load(tmp_path)


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no labelled images"):
        load(tmp_path)
    (tmp_path / "train" / "anger").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no labelled images"):
        load(tmp_path)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "anger/a.png")
    root = put(tmp_path / "root", "happy/a.png")
    (root / "happy" / "inside.png").symlink_to(root / "happy" / "a.png")
    assert len(ids(load(root), "all")) == 2
    (root / "happy" / "b.png").symlink_to(outside / "anger" / "a.png")
    with pytest.raises(DataError, match=r"b\.png is a link that leads out of"):
        load(root)
    (root / "happy" / "b.png").unlink()
    (root / "anger").symlink_to(outside / "anger")
    with pytest.raises(DataError, match="anger is a link that leads out of"):
        load(root)
    # the folder itself may be a link: a person chose it
    (root / "anger").unlink()
    (tmp_path / "link").symlink_to(root)
    assert len(ids(load(tmp_path / "link"), "all")) == 2


def test_an_unreadable_image_is_a_failure(tmp_path: Path) -> None:
    put(tmp_path, "happy/a.png", "happy/b.png", "sad/c.png")
    (tmp_path / "happy" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    dataset = load(tmp_path)
    (tmp_path / "sad" / "c.png").unlink()
    (batch,) = dataset.batches("all", np.arange(3))
    assert batch.rows.tolist() == [0]
    assert [(failure.row, failure.id) for failure in batch.failures] == [
        (1, "happy/b.png"),
        (2, "sad/c.png"),
    ]
    assert "cut short" in batch.failures[0].reason or "corrupt" in batch.failures[0].reason
    assert "is missing" in batch.failures[1].reason
    (only,) = dataset.batches("all", np.array([1]))
    assert len(only.frames.images) == 0


def test_batches_hold_64_rows(tmp_path: Path) -> None:
    put(tmp_path, *(f"fear/{number:03}.png" for number in range(70)))
    dataset = load(tmp_path)
    assert [len(batch.rows) for batch in dataset.batches("all", np.arange(70))] == [64, 6]
    with pytest.raises(DataError, match="it has 70"):
        list(dataset.batches("all", np.array([70])))


@pytest.mark.parametrize("change", ["pixel", "name", "label", "fewer", "map"])
def test_the_fingerprint_changes_with_the_content(tmp_path: Path, change: str) -> None:
    root = put(tmp_path, "happy/a.png", "happy/b.png", "sad/c.png")
    before = load(root).fingerprint("all")
    assert load(root).fingerprint("all") == before
    if change == "pixel":
        image = picture(0)
        image[0, 0] ^= 1
        (root / "happy/a.png").write_bytes(png(image))
    elif change == "name":
        (root / "happy/a.png").rename(root / "happy/aa.png")
    elif change == "label":
        (root / "anger").mkdir()
        (root / "happy/a.png").rename(root / "anger/a.png")
    elif change == "fewer":
        (root / "happy/a.png").unlink()
    after = load(root, "sad=fear" if change == "map" else "").fingerprint("all")
    assert after != before


def test_the_fingerprint_does_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    names = ("happy/a.png", "sad/c.png")
    first, second = put(tmp_path / "1", *names), put(tmp_path / "2", *names)
    assert load(first).fingerprint("all") == load(second).fingerprint("all")


def test_the_terms_are_what_the_options_say(tmp_path: Path) -> None:
    put(tmp_path, "happy/a.png")
    (component,) = fxbench_datasets()
    assert component.terms is not None
    assert not component.terms.may_show
    assert not component.terms.may_send_to_cloud
    terms = component.factory(path=tmp_path, licence="CC0", may_show=True).terms
    assert terms == Terms("CC0", may_redistribute=False, may_show=True, may_send_to_cloud=False)
    assert {option.name: option.affects_results for option in component.options} == {
        "path": False,
        "labels": True,
        "may_show": False,
        "may_send_to_cloud": False,
        "licence": False,
        "metadata": False,
    }


def test_an_empty_label_map_is_empty() -> None:
    assert tree.parse_labels("") == {}
    assert tree.parse_labels("a=joy,") == {"a": 1}
