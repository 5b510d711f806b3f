from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fxbench_ferplus import TERMS, fxbench_datasets
from fxbench_ferplus.dataset import FerPlus
from make_ferplus import (
    DEFAULT_VOTES,
    make_ferplus,
    make_zip,
    picture,
    png,
)

from fxbench.errors import DataError
from fxbench.protocols import Dataset

if TYPE_CHECKING:
    from pathlib import Path

    from make_ferplus import Layout

    from fxbench.types import Batch

LAYOUTS: tuple[Layout, ...] = ("folders", "zip", "csv")


def load(path: Path, labels: str = "label.csv") -> FerPlus:
    return FerPlus(path, labels, TERMS)


def everything(dataset: FerPlus, split: str) -> list[Batch]:
    count = len(dataset._read_labels(split).ids)
    return list(dataset.batches(split, np.arange(count)))


def array(*rows: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(rows, np.int64)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_gives_the_images_votes_and_boxes(tmp_path: Path, layout: Layout) -> None:
    dataset = load(make_ferplus(tmp_path, layout=layout), "fer2013new.csv")
    assert isinstance(dataset, Dataset)
    assert dataset.splits == ("test", "valid", "train")
    first = len(DEFAULT_VOTES["train"])
    (batch,) = everything(dataset, "valid")
    assert batch.rows.tolist() == list(range(24))
    assert batch.failures == ()
    assert batch.frames.ids[1] == f"fer{100 + 3 * (first + 1):07d}.png"
    for number, image in enumerate(batch.frames.images):
        expected = np.repeat(picture(first + number)[..., None], 3, 2)
        assert np.array_equal(image, expected)
    assert batch.truth is not None
    assert batch.truth.votes is not None
    assert batch.truth.xyxy is not None
    assert batch.truth.votes.tolist() == DEFAULT_VOTES["valid"]
    assert batch.truth.xyxy.tolist() == [[0, 0, 48, 48]] * 24


def test_the_layouts_have_one_fingerprint(tmp_path: Path) -> None:
    found = {
        load(make_ferplus(tmp_path / layout, layout=layout), "fer2013new.csv").fingerprint(split)
        for layout in LAYOUTS
        for split in ("valid",)
    }
    assert len(found) == 1
    both = {load(tmp_path / layout).fingerprint("valid") for layout in ("folders", "zip")}
    assert len(both) == 1
    assert both != found  # the label file is part of it


def test_label_csv_goes_with_kaggles_pixels(tmp_path: Path) -> None:
    folders = load(make_ferplus(tmp_path / "folders"))
    mixed = make_ferplus(tmp_path / "csv", layout="csv")
    (mixed / "FER2013Valid").mkdir()
    shutil.copy(tmp_path / "folders/FER2013Valid/label.csv", mixed / "FER2013Valid")
    dataset = load(mixed)
    assert dataset.splits == ("valid",)
    assert dataset.fingerprint("valid") == folders.fingerprint("valid")


@pytest.mark.parametrize("layout", ["folders", "zip"])
def test_one_split_can_be_named_itself(tmp_path: Path, layout: Layout) -> None:
    make_ferplus(tmp_path, layout=layout)
    name = "FER2013Valid" + (".zip" if layout == "zip" else "")
    dataset = load(tmp_path / name)
    assert dataset.splits == ("valid",)
    assert len(everything(dataset, "valid")[0].rows) == 24
    assert load(tmp_path / name, "fer2013new.csv").splits == ("valid",)


def test_kept_images_of_the_tiny_tree(tmp_path: Path) -> None:
    dataset = load(make_ferplus(tmp_path))
    kept = {name: len(dataset.answers("valid", name).rows) for name in dataset.protocols}
    assert kept == {
        "majority": 17,
        "plurality": 18,
        "probability": 19,
        "crossentropy": 19,
        "multi-target": 20,
    }
    answers = dataset.answers("valid", "majority")
    assert answers.labels.tolist() == [*range(8), *range(8), 0]
    assert answers.rows.tolist() == [*range(16), 22]


def test_batches_hold_64_rows_and_only_those_asked_for(tmp_path: Path) -> None:
    make_ferplus(tmp_path, {"valid": [DEFAULT_VOTES["valid"][0]] * 130}, "zip")
    dataset = load(tmp_path)
    assert [len(batch.rows) for batch in everything(dataset, "valid")] == [64, 64, 2]
    (batch,) = dataset.batches("valid", np.array([3, 77]))
    assert batch.rows.tolist() == [3, 77]
    assert list(dataset.batches("valid", np.array([], np.int64))) == []
    with pytest.raises(DataError, match="it has 130"):
        list(dataset.batches("valid", np.array([130])))


def test_images_in_one_thread_and_answers_in_another(tmp_path: Path) -> None:
    dataset = load(make_ferplus(tmp_path, layout="zip"))
    expected = dataset.fingerprint("valid")
    dataset = load(tmp_path)
    seen: list[int] = []

    def read() -> None:
        for _ in range(20):
            seen.extend(everything(dataset, "valid")[0].rows.tolist())

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert len(dataset.answers("valid", "majority").rows) == 17
    assert dataset.fingerprint("valid") == expected
    for thread in threads:
        thread.join()
    assert len(seen) == 2 * 20 * 24


@pytest.mark.parametrize("change", ["vote", "pixel", "name", "missing"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_fingerprint_changes_with_the_content(
    tmp_path: Path, layout: Layout, change: str
) -> None:
    rows = [row[:] for row in DEFAULT_VOTES["valid"]]
    root = make_ferplus(tmp_path / "a", {"valid": rows}, layout)
    before = load(root, "fer2013new.csv").fingerprint("valid")
    file = "fer0000100.png"
    if change == "vote":
        rows[3][0], rows[3][1] = rows[3][0] + 1, rows[3][1] - 1 if rows[3][1] else 1
        root = make_ferplus(tmp_path / "b", {"valid": rows}, layout)
    elif change == "name":
        new = root / "fer2013new.csv"
        new.write_text(new.read_text().replace(file, "fer9999999.png"))
    elif layout == "folders":
        image = picture(0)
        image[5, 5] ^= 1
        path = root / "FER2013Valid" / file
        path.unlink() if change == "missing" else path.write_bytes(png(image))
    elif layout == "zip":
        image = picture(0)
        image[5, 5] ^= 1
        path = root / "FER2013Valid.zip"
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        entries[f"FER2013Valid/{file}"] = png(image)
        if change == "missing":
            del entries[f"FER2013Valid/{file}"]
        make_zip(path, entries)
    else:
        path = root / "fer2013.csv"
        lines = path.read_text().splitlines()
        emotion, pixels, usage = lines[2].split(",")
        numbers = pixels.split()
        numbers[0] = "x" if change == "missing" else str(int(numbers[0]) ^ 1)
        lines[2] = ",".join((emotion, " ".join(numbers), usage))
        path.write_text("\n".join(lines))
    assert load(root, "fer2013new.csv").fingerprint("valid") != before


def test_terms_and_options() -> None:
    (component,) = fxbench_datasets()
    assert component.name == "ferplus"
    assert component.terms == TERMS
    assert (TERMS.may_redistribute, TERMS.may_show, TERMS.may_send_to_cloud) == (False,) * 3
    path, labels = component.options
    assert (path.name, path.required, path.affects_results) == ("path", True, False)
    assert (labels.default, labels.affects_results) == ("label.csv", True)


def test_the_factory_makes_the_dataset(tmp_path: Path) -> None:
    (component,) = fxbench_datasets()
    dataset = component.factory(path=str(make_ferplus(tmp_path)), labels="label.csv")
    assert dataset.splits == ("test", "valid", "train")
    assert dataset.terms == TERMS


def test_importing_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, fxbench_ferplus, fxbench_folder\n"
        "fxbench_ferplus.fxbench_datasets(), fxbench_folder.fxbench_datasets()\n"
        "print(sorted({'numpy', 'cv2', 'pandas', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
