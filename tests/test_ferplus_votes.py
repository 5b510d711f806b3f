from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fxbench_ferplus import TERMS, votes
from fxbench_ferplus.dataset import FerPlus
from fxbench_ferplus.label_files import read_new_labels
from make_ferplus import (
    AMBIGUOUS,
)

from fxbench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.types import Batch

LAYOUTS = ("folders", "zip", "csv")


def load(path: Path, labels: str = "label.csv") -> FerPlus:
    return FerPlus(path, labels, TERMS)


def everything(dataset: FerPlus, split: str) -> list[Batch]:
    count = len(dataset._read_labels(split).ids)
    return list(dataset.batches(split, np.arange(count)))


def array(*rows: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(rows, np.int64)


@pytest.mark.parametrize(("row", "keeps"), AMBIGUOUS)
def test_each_protocol_keeps_what_it_should(row: list[int], keeps: set[str]) -> None:
    kept = {name for name in votes.PROTOCOLS if len(votes.answers(array(row), name).rows)}
    assert kept == keeps


def test_single_votes_are_outliers() -> None:
    assert votes.without_outliers(array([1, 2, 0, 1, 6, 0, 0, 0, 1, 0])).tolist() == [
        [0, 2, 0, 0, 6, 0, 0, 0, 0, 0]
    ]


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ([0, 4, 0, 0, 0, 0, 3, 1, 1, 1], 1),  # 4 of the 7 left, though 4 of 10
        ([0, 4, 0, 0, 0, 0, 4, 0, 1, 1], -1),
        ([0, 5, 0, 0, 0, 0, 3, 2, 0, 0], -1),  # half is not more than half
        ([0, 2, 0, 0, 0, 0, 0, 0, 0, 8], -1),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], -1),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], -1),
        ([0, 0, 0, 0, 0, 0, 0, 6, 4, 0], 7),
    ],
)
def test_majority(row: list[int], label: int) -> None:
    assert votes.majority(array(row)).tolist() == [label]


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ([0, 3, 2, 2, 2, 1, 0, 0, 0, 0], 1),
        ([0, 3, 3, 2, 2, 0, 0, 0, 0, 0], -1),
        ([0, 4, 2, 0, 0, 0, 0, 0, 4, 0], -1),  # shared with unknown
        ([0, 3, 2, 0, 0, 0, 0, 0, 5, 0], -1),  # unknown alone
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], -1),
    ],
)
def test_plurality(row: list[int], label: int) -> None:
    assert votes.plurality(array(row)).tolist() == [label]


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ([4, 3, 3, 0, 0, 0, 0, 0, 0, 0], True),  # 4, then 7, then 10 of 10 with three emotions
        ([4, 2, 2, 2, 0, 0, 0, 0, 0, 0], False),  # three share the second place: four emotions
        ([6, 0, 0, 0, 0, 0, 0, 0, 4, 0], True),  # unknown is next, but 6 of 10 is over half
        ([5, 0, 0, 0, 0, 0, 0, 0, 3, 2], False),
        ([4, 2, 0, 0, 0, 0, 0, 0, 2, 2], True),  # the emotion of that place counts: 6 of 10
        ([3, 2, 0, 0, 0, 0, 0, 0, 2, 3], False),  # not a face shares the first place
        ([4, 3, 0, 0, 0, 0, 0, 0, 3, 0], True),  # 4 + 3 = 7 of 10, unknown left out
        ([5, 0, 0, 0, 0, 0, 0, 0, 5, 0], False),
        ([0, 4, 0, 0, 0, 0, 0, 0, 0, 6], False),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], False),
    ],
)
def test_probability(row: list[int], kept: bool) -> None:
    assert votes.kept_by_probability(array(row)).tolist() == [kept]


@pytest.mark.parametrize(
    ("row", "accepted"),
    [
        ([3, 3, 2, 2, 0, 0, 0, 0, 0, 0], {0, 1}),
        ([3, 2, 2, 2, 1, 0, 0, 0, 0, 0], set()),  # 3 of 9 is not more than half
        ([0, 3, 0, 0, 0, 0, 0, 0, 3, 4], {1}),  # unknown and not a face hold their part
        ([4, 1, 1, 1, 1, 1, 1, 0, 0, 0], {0}),
        ([7, 3, 0, 0, 0, 0, 0, 0, 0, 0], {0, 1}),
        ([8, 2, 0, 0, 0, 0, 0, 0, 0, 0], {0}),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], set()),
    ],
)
def test_accepted(row: list[int], accepted: set[int]) -> None:
    assert set(np.flatnonzero(votes.accepted(array(row))[0])) == accepted


def test_multi_target_needs_an_emotion_first() -> None:
    rows = array([0, 5, 0, 0, 0, 0, 0, 0, 5, 0], [0, 4, 0, 0, 0, 0, 0, 0, 6, 0])
    assert votes.kept_by_multi_target(rows).tolist() == [True, False]


def test_the_label_of_an_ambiguous_image_is_its_single_winner() -> None:
    rows = array([4, 3, 3, 0, 0, 0, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0, 0, 0, 0])
    assert votes.answers(rows, "probability").labels.tolist() == [0, -1]
    assert votes.answers(rows, "multi-target").labels.tolist() == [0, -1]
    assert votes.answers(rows, "plurality").labels.tolist() == [0]


def test_the_distribution_is_over_the_eight_without_outliers() -> None:
    rows = array([4, 2, 1, 0, 0, 0, 0, 0, 3, 0], [1, 1, 0, 0, 0, 0, 0, 0, 8, 0])
    shares = votes.distribution(rows)
    assert shares[0] == pytest.approx([4 / 6, 2 / 6, 0, 0, 0, 0, 0, 0])
    assert np.isnan(shares[1]).all()


def test_an_unknown_protocol_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"no protocol 'median'.*majority, plurality"):
        votes.answers(array([0] * 10), "median")


TABLE = [
    # split, labels, rows, majority, probability, multi-target: design, section 9
    ("train", "label.csv", 28558, 25045, 27947, 27667),
    ("train", "fer2013new.csv", 28561, 25060, 27956, 27671),
    ("valid", "label.csv", 3579, 3191, 3508, 3472),
    ("valid", "fer2013new.csv", 3579, 3199, 3505, 3472),
    ("test", "fer2013new.csv", 3574, 3153, 3505, 3472),
]
PER_CLASS = {
    "train": [8733, 7284, 3136, 3022, 2098, 116, 536, 120],
    "valid": [1180, 862, 411, 348, 289, 25, 60, 16],
}


def real(shared: Path) -> Path:
    root = shared / "data" / "ferplus"
    if not (root / "FER2013Train.zip").is_file():
        pytest.skip(f"the FER+ files are not in {root}")
    return root


@pytest.mark.parametrize(("split", "labels", "rows", "majority", "probability", "multi"), TABLE)
def test_the_counts_are_those_of_the_authors_code(
    shared: Path, split: str, labels: str, rows: int, majority: int, probability: int, multi: int
) -> None:
    root = real(shared)
    if split == "test":  # its images are not there, its votes are
        path = root / "fer2013new.csv"
        table = read_new_labels(path.read_bytes(), path.name).split("test").votes
    else:
        table = load(root, labels)._read_labels(split).votes
    kept = {protocol: len(votes.answers(table, protocol).rows) for protocol in votes.PROTOCOLS}
    assert len(table) == rows
    assert kept["majority"] == majority
    assert kept["probability"] == kept["crossentropy"] == probability
    assert kept["multi-target"] == multi
    if (split, labels) == ("valid", "label.csv"):
        assert kept["plurality"] == 3396


@pytest.mark.parametrize("split", ["train", "valid"])
def test_the_counts_of_each_class(shared: Path, split: str) -> None:
    answers = load(real(shared)).answers(split, "majority")
    assert np.bincount(answers.labels, minlength=8).tolist() == PER_CLASS[split]


def test_always_neutral_on_the_real_validation_split(shared: Path) -> None:
    dataset = load(real(shared))
    majority = dataset.answers("valid", "majority")
    assert (majority.labels == 0).mean() == pytest.approx(1180 / 3191)
    targets = dataset.answers("valid", "multi-target")
    assert targets.accepted is not None
    assert targets.accepted.any(1).all()
    assert int(targets.accepted[:, 0].sum()) == 1499  # 43.2 % of 3,472


def test_the_real_images_are_read_in_place(shared: Path) -> None:
    dataset = load(real(shared))
    assert dataset.splits == ("valid", "train")
    (batch,) = dataset.batches("valid", np.array([0, 1, 3578]))
    assert batch.failures == ()
    assert batch.frames.ids[0] == "fer0028638.png"
    assert {image.shape for image in batch.frames.images} == {(48, 48, 3)}
    assert batch.truth is not None
    assert batch.truth.votes is not None
    assert batch.truth.votes[0].tolist() == [4, 0, 0, 0, 1, 0, 0, 4, 1, 0]


def test_the_official_file_names_four_images_twice_and_all_rows_count(shared: Path) -> None:
    path = real(shared) / "fer2013new.csv"
    labels = read_new_labels(path.read_bytes(), path.name)
    train, test = labels.split("train"), labels.split("test")
    assert [name for name in train.ids + test.ids if "#" in name] == [
        "fer0006953.png#2",
        "fer0011785.png#2",
        "fer0008403.png#2",
        "fer0033120.png#2",
    ]
    assert len(set(train.ids)) == len(train.ids) == 28561
