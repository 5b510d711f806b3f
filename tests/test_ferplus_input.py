from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fxbench_ferplus import TERMS
from fxbench_ferplus.dataset import FerPlus
from make_ferplus import (
    COLUMNS,
    DEFAULT_VOTES,
    make_ferplus,
    make_zip,
    picture,
    png,
)

from fxbench.errors import DataError, FxbenchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
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


def spoil(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


LABEL_CSV = "FER2013Valid/label.csv"
FIRST = 'fer0000148.png,"(0, 0, 48, 48)",10,0,0,0,0,0,0,0,0,0'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil(LABEL_CSV, FIRST, FIRST + ",0"), "label.csv, line 1, has 13 columns instead of 12"),
        (spoil(LABEL_CSV, FIRST, FIRST[:-2]), "label.csv, line 1, has 11 columns instead of 12"),
        (spoil(LABEL_CSV, ",10,0,0", ",ten,0,0"), "line 1, has 'ten' as the votes for neutral"),
        (spoil(LABEL_CSV, ",10,0,0", ",10,0.5,0"), "line 1, has '0.5' as the votes for happiness"),
        (spoil(LABEL_CSV, ",10,0,0", ",10,-1,0"), "line 1, has '-1' as the votes for happiness"),
        (spoil(LABEL_CSV, ",10,0,0", ",99999,0,0"), "expected is a whole number from 0 to 9999"),
        (spoil(LABEL_CSV, "(0, 0, 48, 48)", "(0, 0, 48)"), r"line 1, has the box '\(0, 0, 48\)'"),
        (spoil(LABEL_CSV, "(0, 0, 48, 48)", "(9, 0, 9, 48)"), "instead of one such as"),
        (spoil(LABEL_CSV, "fer0000148.png", "../../etc/passwd"), "line 1, names the image '../.."),
        (spoil(LABEL_CSV, "fer0000148.png", "/etc/passwd"), "expected is the plain name of a file"),
        (spoil(LABEL_CSV, "fer0000148.png", "a\\b.png"), "expected is the plain name of a file"),
        (spoil(LABEL_CSV, "fer0000148.png", "c:b.png"), "expected is the plain name of a file"),
        (spoil(LABEL_CSV, "fer0000148.png", ".."), "expected is the plain name of a file"),
        (spoil(LABEL_CSV, "fer0000151.png", "fer0000148.png"), "line 2, names .* a second time"),
        (spoil(LABEL_CSV, "fer0000148.png", "x" * 200_000), "not valid CSV: field larger"),
        (spoil(LABEL_CSV, '"(0', '"("0'), "line 1, is not valid CSV"),
        (lambda root: (root / LABEL_CSV).write_bytes(b"\xff\xfe\xff"), "not a text file in UTF-8"),
        (lambda root: (root / LABEL_CSV).write_bytes(b""), "label.csv is empty"),
        (lambda root: (root / LABEL_CSV).unlink(), "label.csv is missing: put FER"),
    ],
)
def test_a_bad_label_csv_is_refused(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    make_ferplus(tmp_path)
    change(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path).answers("valid", "majority")
    assert str(tmp_path) in str(caught.value)


NEW = "fer2013new.csv"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil(NEW, "Image name", "Picture"), "lacks the column 'Image name'"),
        (spoil(NEW, ",contempt,unknown", ",disdain,unsure"), "lacks the column 'contempt', 'unk"),
        (spoil(NEW, "Training,fer", "Training,,fer"), "line 3, has 13 columns where the header"),
        (spoil(NEW, "Training,fer", "Exercise,fer"), "line 3, has the usage 'Exercise'"),
        (spoil(NEW, "fer0000100.png", "x/fer0000100.png"), "line 3, names the image"),
        (spoil(NEW, "fer0000100.png,10", "fer0000100.png,"), "line 3, has '0' as|line 3, has ''"),
        (lambda root: (root / NEW).write_text("\n"), "lacks the column"),
        (
            lambda root: (root / NEW).write_text(f"Usage,Image name,{','.join(COLUMNS)}\n"),
            "no rows",
        ),
        (lambda root: (root / NEW).unlink(), "fer2013new.csv is not in .*labels=label.csv"),
    ],
)
def test_a_bad_new_label_file_is_refused(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    make_ferplus(tmp_path)
    change(tmp_path)
    with pytest.raises(DataError, match=message):
        load(tmp_path, NEW).answers("valid", "majority")


def test_a_split_without_rows_is_refused(tmp_path: Path) -> None:
    make_ferplus(tmp_path)
    new = tmp_path / NEW
    new.write_text(new.read_text().replace("PublicTest", "PrivateTest"))
    with pytest.raises(DataError, match="no row of the split valid"):
        load(tmp_path, NEW).answers("valid", "majority")


def test_a_place_without_ferplus_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist: set ferplus.path to one that holds"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no split of FER.*FER2013Valid.*zip.*fer2013new"):
        load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is not a folder"):
        load(tmp_path / "file")
    (tmp_path / "FER2013Test").mkdir()
    (tmp_path / "FER2013Test" / "label.csv").write_text("")
    with pytest.raises(DataError, match=r"label.csv but no images.*generate_training_data.py"):
        load(tmp_path)


def test_kaggles_layout_without_label_csv_says_what_to_set(tmp_path: Path) -> None:
    make_ferplus(tmp_path, layout="csv")
    with pytest.raises(DataError, match=r"--set ferplus.labels=fer2013new.csv") as caught:
        load(tmp_path)
    assert str(caught.value).count("--set") == 1
    (tmp_path / NEW).unlink()
    with pytest.raises(DataError, match=r"put FER.*fer2013new.csv beside it"):
        load(tmp_path, NEW)


def test_an_unknown_split_or_label_file_is_a_usage_error(tmp_path: Path) -> None:
    make_ferplus(tmp_path, {"valid": DEFAULT_VOTES["valid"]})
    with pytest.raises(UsageError, match="no split 'test': there is valid"):
        load(tmp_path).answers("test", "majority")
    with pytest.raises(UsageError, match=r"'label.csv' or 'fer2013new.csv'"):
        load(tmp_path, "labels.csv")


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ("corrupt", "FER2013Valid/fer0000148.png is cut short"),
        ("missing", "FER2013Valid/fer0000148.png is missing"),
        ("empty", "FER2013Valid/fer0000148.png is an empty file"),
        ("link", "FER2013Valid/fer0000148.png is a link that leads out"),
    ],
)
def test_an_unreadable_image_is_a_failure_and_the_rest_goes_on(
    tmp_path: Path, spoiled: str, message: str
) -> None:
    make_ferplus(tmp_path / "f")
    path = tmp_path / "f/FER2013Valid/fer0000148.png"
    if spoiled == "corrupt":
        path.write_bytes(path.read_bytes()[:200])
    else:
        path.unlink()
    if spoiled == "empty":
        path.write_bytes(b"")
    if spoiled == "link":
        (tmp_path / "secret.png").write_bytes(png(picture(1)))
        path.symlink_to(tmp_path / "secret.png")
    (batch,) = everything(load(tmp_path / "f"), "valid")
    (failure,) = batch.failures
    assert (failure.row, failure.id) == (0, "fer0000148.png")
    assert failure.reason.startswith(message)
    assert batch.rows.tolist() == list(range(1, 24))
    assert batch.truth is not None
    assert batch.truth.votes is not None
    assert batch.truth.votes.tolist() == DEFAULT_VOTES["valid"][1:]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (" ".join(["7"] * 2303), "has 2303 pixels, not 48 x 48"),
        (" ".join(["7"] * 2303 + ["256"]), "not numbers from 0 to 255"),
        (" ".join(["7"] * 2303 + ["seven"]), "not numbers from 0 to 255"),
        ("", "has 0 pixels"),
    ],
)
def test_a_bad_row_of_kaggles_file_is_a_failure(tmp_path: Path, pixels: str, message: str) -> None:
    make_ferplus(tmp_path, layout="csv")
    path = tmp_path / "fer2013.csv"
    lines = path.read_text().splitlines()
    lines[2] = f"0,{pixels},Training"
    path.write_text("\r\n".join(lines) + "\r\n")
    (batch,) = everything(load(tmp_path, NEW), "train")
    (failure,) = batch.failures
    assert failure.id == "fer0000100.png"
    assert message in failure.reason
    assert len(batch.rows) == 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "has 50 rows, which doesn't fit the 51 rows"),
        (lambda lines: [*lines, lines[-1]], "has more rows"),
        (lambda lines: [lines[0], *lines[2:], lines[1]], "has the usage 'PublicTest' in row 17"),
        (lambda lines: ["emotion,pixel,usage", *lines[1:]], "lacks the column 'pixels', 'Usage'"),
        (lambda lines: [*lines[:3], "1 " * 40_000, *lines[4:]], "a line of more than 65,536"),
        (lambda lines: [], "lacks the column"),
    ],
)
def test_a_kaggle_file_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    make_ferplus(tmp_path, layout="csv")
    path = tmp_path / "fer2013.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(DataError, match=message):
        everything(load(tmp_path, NEW), "valid")


def test_an_image_named_twice_by_the_new_label_file(tmp_path: Path) -> None:
    make_ferplus(tmp_path, {"valid": DEFAULT_VOTES["valid"][:3]}, "csv")
    new = tmp_path / NEW
    new.write_text(new.read_text().replace("fer0000103.png", "fer0000100.png"))
    (batch,) = everything(load(tmp_path, NEW), "valid")
    assert batch.frames.ids == ("fer0000100.png", "fer0000100.png#2", "fer0000106.png")
    assert np.array_equal(batch.frames.images[0][..., 0], picture(0))
    assert np.array_equal(batch.frames.images[1][..., 0], picture(1))


# Zip files that are not to be trusted


def valid_zip(root: Path) -> Path:
    make_ferplus(root, {"valid": DEFAULT_VOTES["valid"]}, "zip")
    return root / "FER2013Valid.zip"


@pytest.mark.parametrize(
    "name",
    ["../evil.png", "FER2013Valid/../../evil.png", "/evil.png", "..\\evil.png", "C:evil.png"],
)
def test_a_zip_entry_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    path = valid_zip(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(DataError, match="leads out of its folder"):
        load(tmp_path).answers("valid", "majority")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_no_complete_zip_is_refused(tmp_path: Path, kept: float) -> None:
    path = valid_zip(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)] if kept else b"this is no zip file")
    with pytest.raises(DataError, match="no complete zip file"):
        load(tmp_path).answers("valid", "majority")


def test_a_zip_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path) -> None:
    path = valid_zip(tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"FER2013Valid/zeros{number}", bytes(40_000_000))
    assert path.stat().st_size < 300_000
    with pytest.raises(DataError, match="would unpack to 120 MB"):
        load(tmp_path).answers("valid", "majority")


def test_a_zip_with_a_huge_entry_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = valid_zip(tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("FER2013Valid/zeros", bytes(60_000))
    monkeypatch.setattr("fxbench.images.MAX_BYTES", 50_000)
    with pytest.raises(DataError, match="holds the entry 'FER2013Valid/zeros'"):
        load(tmp_path).answers("valid", "majority")


def test_an_entry_that_lies_about_its_size_is_read_no_further(tmp_path: Path) -> None:
    path = valid_zip(tmp_path)
    lying = b"\x89PNG\r\n\x1a\n" + bytes(3_000_000)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["FER2013Valid/fer0000100.png"] = lying
    make_zip(path, entries)
    data = path.read_bytes().replace(struct.pack("<I", len(lying)), struct.pack("<I", 500))
    path.write_bytes(data)
    (batch,) = everything(load(tmp_path), "valid")
    (failure,) = batch.failures
    assert failure.id == "fer0000100.png"
    assert "can't be unpacked" in failure.reason
    assert len(batch.rows) == 23


def test_a_damaged_entry_is_a_failure(tmp_path: Path) -> None:
    path = valid_zip(tmp_path)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("FER2013Valid/fer0000103.png")
    data = bytearray(path.read_bytes())
    data[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 0xFF
    path.write_bytes(data)
    (batch,) = everything(load(tmp_path), "valid")
    assert [failure.id for failure in batch.failures] == ["fer0000103.png"]


def test_zips_without_images_or_labels_or_with_doubles(tmp_path: Path) -> None:
    path = tmp_path / "FER2013Valid.zip"
    make_zip(path, {"FER2013Valid/readme.txt": b"hello"})
    with pytest.raises(DataError, match="holds no images in FER2013Valid/"):
        load(tmp_path).answers("valid", "majority")
    make_zip(path, {"FER2013Valid/a.png": png(picture(1))})
    with pytest.raises(DataError, match=r"label.csv is missing"):
        load(tmp_path).answers("valid", "majority")
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("FER2013Valid/a.png", png(picture(2)))
    with pytest.raises(DataError, match=r"holds 'FER2013Valid/a.png' twice"):
        load(tmp_path).answers("valid", "majority")


def test_a_zip_without_the_folder_in_it_works(tmp_path: Path) -> None:
    label = b'a.png,"(0, 0, 48, 48)",10,0,0,0,0,0,0,0,0,0\n'
    make_zip(tmp_path / "FER2013Valid.zip", {"a.png": png(picture(1)), "label.csv": label})
    (batch,) = everything(load(tmp_path), "valid")
    assert batch.frames.ids == ("a.png",)


def test_every_message_is_for_a_person(tmp_path: Path) -> None:
    with pytest.raises(FxbenchError) as caught:
        load(tmp_path)
    assert caught.value.exit_code == 2
