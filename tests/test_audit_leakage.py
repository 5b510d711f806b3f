"""Copies between splits are found, exact ones and near ones, and what chance makes is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_up_faces import Patterns, Reads, source

from fxbench.audit import leakage
from fxbench.audit.auditor import Auditor, Subject
from fxbench.audit.readers import of_component


def picture(seed: int) -> Any:
    """A grey picture of clouds, uint8 (48, 48), unlike any other."""
    clouds = np.random.default_rng(seed).uniform(0, 255, (9, 9))
    return np.clip(cv2.resize(clouds, (48, 48), interpolation=cv2.INTER_CUBIC), 0, 255).astype("u1")


class Pictures(Patterns):
    """Larger pictures, some of which occur in both splits."""

    def __init__(self, copies: int = 0, near: int = 0, mirrored: int = 0) -> None:
        super().__init__({"valid": 40, "train": 60})
        drawn = [np.repeat(picture(seed)[..., None], 3, axis=-1) for seed in range(100)]
        valid, train = drawn[:40], drawn[40:]
        for row in range(copies):
            train[2 * row] = valid[row]
        for row in range(copies, copies + near):
            train[2 * row] = cv2.imdecode(cv2.imencode(".jpg", valid[row])[1], cv2.IMREAD_COLOR)
        for row in range(mirrored):
            train[59 - row] = np.ascontiguousarray(valid[39 - row][:, ::-1])
        self.images: dict[str, Any] = {"valid": valid, "train": train}


def find(dataset: Pictures, split: str | None = None, limit: int | None = None) -> Any:
    (found,) = Auditor(limit=limit).dataset(source(dataset), split).findings
    return found


def test_splits_without_a_common_image_pass() -> None:
    found = find(Pictures())
    assert found.verdict == "pass"
    assert found.sentence.startswith("No image of one split was found in another.")


@pytest.mark.parametrize("split", [None, "valid"])
def test_exact_and_near_copies_are_told_apart_and_listed(split: str | None) -> None:
    found = find(Pictures(copies=5, near=3), split)
    (pair,) = found.numbers["pairs"]
    assert (found.verdict, pair["exact"], pair["near"]) == ("fail", 5, 3)
    assert pair["exact_list"] == [[f"valid-{row}", f"train-{2 * row}"] for row in range(5)]
    assert pair["near_list"] == [[f"valid-{row}", f"train-{2 * row}"] for row in (5, 6, 7)]


def test_near_copies_alone_are_a_warning() -> None:
    assert find(Pictures(near=3)).verdict == "warn"


def test_a_limit_holds_for_the_images_that_are_looked_up() -> None:
    (pair,) = find(Pictures(copies=40 // 2), "valid", limit=10).numbers["pairs"]
    assert (pair["images"], pair["exact"]) == (10, 5)


def test_images_that_are_alike_in_the_mirror_too_are_not_called_copies() -> None:
    found = find(Pictures(mirrored=4))
    assert found.verdict == "undetermined"
    assert found.numbers["pairs"][0]["near_by_chance"] == 4


def test_a_classifiers_scores_are_given_without_the_copies() -> None:
    dataset = Patterns({"valid": 100, "train": 100})
    dataset.images["train"][:30] = dataset.images["valid"][:30]
    subject = Subject("m", Reads.__init__.__defaults__[0], of_component(Reads()), known=True)
    audit = Auditor(("labels", "leakage")).classifier(subject, [source(dataset)])
    found = audit.findings[-1]
    # A classifier didn't make the dataset: what is wrong with that is a warning here.
    assert (found.verdict, audit.ok) == ("warn", True)
    assert found.numbers["pairs"][0]["exact_counted"] == 30
    assert found.numbers["accuracy"]["n"] == 100
    assert found.numbers["accuracy_without"]["n"] <= 70
    assert "without them" in found.sentence


def test_the_nearest_hash_is_found_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    first, second = (random.integers(0, 256, (n, 8), np.uint8) for n in (50, 70))
    second[41] = first[7]
    bits = np.unpackbits(first, axis=1)[:, None] != np.unpackbits(second, axis=1)[None]
    expected = bits.sum(axis=2)
    for rows, columns in ((512, 8192), (16, 9)):
        monkeypatch.setattr(leakage, "_ROWS", rows)
        monkeypatch.setattr(leakage, "_COLUMNS", columns)
        distance, index = leakage.nearest(first, second)
        assert (distance == expected.min(axis=1)).all()
        assert (index == expected.argmin(axis=1)).all()
    assert (distance[7], index[7]) == (0, 41)


def test_pictures_that_were_changed_a_little_are_near() -> None:
    perceptual = cv2.img_hash.PHash.create()

    def prints(images: list[Any]) -> Any:
        return np.array([perceptual.compute(np.ascontiguousarray(i))[0] for i in images])

    pictures = [picture(seed) for seed in range(100)]
    before = prints(pictures)
    for change in (
        lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [1, 80])[1], 0),
        lambda p: cv2.resize(p, (96, 96)),
        lambda p: (p * 0.8).astype(np.uint8),
    ):
        after = prints([change(p) for p in pictures])
        apart = (np.unpackbits(before, axis=1) != np.unpackbits(after, axis=1)).sum(axis=1)
        assert (apart <= leakage.NEAR).mean() >= 0.9


@pytest.mark.timeout(400)
def test_the_copies_of_ferplus_are_found(shared: Path) -> None:
    from fxbench_ferplus import TERMS
    from fxbench_ferplus.dataset import FerPlus

    dataset = FerPlus(shared / "data" / "ferplus", "label.csv", TERMS)
    these = leakage.prints(dataset, "valid", None, lambda text: None)
    those = leakage.prints(dataset, "train", None, lambda text: None)
    pair = leakage.compare("valid", these, "train", those)
    # 279 of all rows of valid, whatever the protocol keeps.
    assert (pair.images, len(pair.exact)) == (3579, 279)
    assert len(pair.near) > 10 * pair.by_chance
