"""The layouts in which datasets of videos are published, and the tables of their annotations."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pytest
from fxbench_clips.sheets import Table, read
from made_up_videos import (
    ANGRY,
    COMPONENTS,
    DISGUST,
    HAPPY,
    SAD,
    SURPRISE,
    everything,
    film,
    labels,
    load,
    stills,
)

from fxbench.clips import Interval
from fxbench.errors import DataError
from fxbench.registry import discover
from fxbench.testing import check

if TYPE_CHECKING:
    from pathlib import Path


def xlsx(path: Path, *sheets: list[list[object]], shared: bool = True) -> Path:
    """An Excel file; texts stand in the table of shared strings, or else in their cells."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    link = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    strings: list[str] = []

    def cell(place: str, value: object) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            return f'<c r="{place}"><v>{value}</v></c>'
        if not shared:
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        strings.append(value)
        return f'<c r="{place}" t="s"><v>{len(strings) - 1}</v></c>'

    parts = {}
    for number, rows in enumerate(sheets, 1):
        body = "".join(
            f'<row r="{y}">'
            + "".join(cell(f"{chr(64 + x)}{y}", value) for x, value in enumerate(row, 1))
            + "</row>"
            for y, row in enumerate(rows, 1)
            if any(value is not None for value in row)
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
        )
    numbers = range(1, len(sheets) + 1)
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{main}" xmlns:r="{link}"><sheets>'
        + "".join(f'<sheet name="s{k}" sheetId="{k}" r:id="rId{k}"/>' for k in numbers)
        + "</sheets></workbook>"
    )
    parts["xl/_rels/workbook.xml.rels"] = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        + "".join(
            f'<Relationship Id="rId{k}" Type="t" Target="worksheets/sheet{k}.xml"/>'
            for k in numbers
        )
        + "</Relationships>"
    )
    if strings:
        parts["xl/sharedStrings.xml"] = (
            f'<sst xmlns="{main}">'
            + "".join(
                f"<si><r><t>{escape(t[:2])}</t></r><r><t>{escape(t[2:])}</t></r></si>"
                for t in strings
            )
            + "</sst>"
        )
    with zipfile.ZipFile(path, "w") as file:
        for name, text in parts.items():
            file.writestr(name, text)
    return path


# Tables


@pytest.mark.parametrize("shared", [True, False])
def test_an_excel_file_is_read(tmp_path: Path, shared: bool) -> None:
    rows: list[list[object]] = [["a", None, 1.5], [], ["b & c", 7, "x"]]
    path = xlsx(tmp_path / "a.xlsx", rows, [[1, 2]], shared=shared)
    assert read(path, tmp_path) == [[["a", "", "1.5"], [], ["b & c", "7", "x"]], [["1", "2"]]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        b"PK\x05\x06" + bytes(18),
    ],
)
def test_a_damaged_excel_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.xlsx.*save each of its sheets as CSV"):
        read(path, tmp_path)


def test_an_excel_file_declares_nothing(tmp_path: Path) -> None:
    xlsx(tmp_path / "a.xlsx", [[1]])
    data = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.endswith("sheet1.xml"):
                text = b'<!DOCTYPE a [<!ENTITY b "c">]>' + text
            new.writestr(name, text)
    (tmp_path / "a.xlsx").write_bytes(data.getvalue())
    with pytest.raises(DataError, match="document type"):
        read(tmp_path / "a.xlsx", tmp_path)


def test_a_far_cell_takes_no_memory(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", [[1]])
    for old, new in ((b'r="1"', b'r="900000000"'), (b'r="A1"', b'r="ZZZZZ1"')):
        data = io.BytesIO()
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(data, "w") as target:
            for name in source.namelist():
                target.writestr(name, source.read(name).replace(old, new))
        (tmp_path / "b.xlsx").write_bytes(data.getvalue())
        with pytest.raises(DataError, match=r"b\.xlsx can't be read"):
            read(tmp_path / "b.xlsx", tmp_path)


def test_a_table_may_begin_below_other_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeffabout\n\nOnset Frame,name\n4,x\n,\n7.0,\n")
    table = Table(tmp_path / "a.csv", read(tmp_path / "a.csv", tmp_path)[0], ("OnsetFrame",))
    lines = list(table)
    assert [line.number("onset_frame") for line in lines] == [4, 7]
    assert lines[0].text("name") == "x"
    assert lines[1].text("none") == ""
    assert lines[1].where.endswith("line 6")


# Published layouts


CASME_SQ = [
    [1, "disgust1_1", 11, 15, 20, "4+7", "negative", "micro-expression", "disgust"],
    [1, "disgust1_2", 31, 40, 0, "12", "positive", "macro-expression", "happiness"],
    [1, "happy1_1", 2, 0, 9, "", "others", "macro-expression", "helpless"],
    [2, "disgust1_1", 41, 43, 99, "4", "negative", "micro-expression", "happiness"],
]
RULE_1 = [["S15", "s15", 1], ["S16", "s16", 2]]
RULE_2 = [["0101", "disgust1"], [502, "happy1"]]


def casme_sq(root: Path, table: str) -> Path:
    if table == "xlsx":
        xlsx(root / "CAS(ME)^2code_final(Updated).xlsx", CASME_SQ, RULE_1, RULE_2)
    else:
        for name, rows in (
            ("CAS(ME)^2code_final.csv", CASME_SQ),
            ("naming_rule1.csv", [["a", "b", "c"], *RULE_1]),
            ("naming_rule2.csv", [["code", "name"], *RULE_2]),
        ):
            (root / name).write_text("\n".join(",".join(map(str, row)) for row in rows))
    for name in ("s15/15_0101disgustingteeth", "s15/15_0502funnyerrors", "s15/15_0401girlcrashing"):
        stills(root / "rawpic" / name, range(1, 51), "img_{}.jpg")
    stills(root / "rawpic/s16/16_0101disgustingteeth", range(1, 51), "img{:03}.jpg")
    return root


@pytest.mark.parametrize("table", ["xlsx", "csv"])
def test_casme_sq(tmp_path: Path, table: str) -> None:
    dataset = load("casme-sq", casme_sq(tmp_path, table))
    clips = {clip.name: clip for clip in dataset.clips("all")}
    assert list(clips) == [
        "s15/15_0101disgustingteeth",
        "s15/15_0401girlcrashing",
        "s15/15_0502funnyerrors",
        "s16/16_0101disgustingteeth",
    ]
    first = clips["s15/15_0101disgustingteeth"]
    assert (first.frames, first.fps, first.subject) == (50, 30.0, "s15")
    # Frames are numbered from 1, and an offset of 0 means the apex.
    assert first.intervals == (Interval(10, 14, 19, "micro"), Interval(30, 39, 39, "macro"))
    assert clips["s15/15_0502funnyerrors"].intervals == (Interval(1, None, 8, "macro"),)
    assert clips["s15/15_0401girlcrashing"].intervals == ()
    # An offset behind the last image is the last image.
    assert clips["s16/16_0101disgustingteeth"].intervals == (Interval(40, 42, 49, "micro"),)
    shown = labels(dataset, first.name)
    assert shown[9:21] == [0, *[DISGUST] * 10, 0]
    assert set(shown[30:40]) == {HAPPY}
    assert set(labels(dataset, "s15/15_0502funnyerrors")) == {0, -1}
    # Negative, but the participant reported happiness: none of the eight.
    assert set(labels(dataset, "s16/16_0101disgustingteeth")) == {0, -1}
    assert not dataset.terms.may_show


def test_casme_sq_as_videos(tmp_path: Path) -> None:
    casme_sq(tmp_path, "xlsx")
    shutil.rmtree(tmp_path / "rawpic")
    for name in (
        "s15/15_0101disgustingteeth",
        "s15/15_0502funnyerrors",
        "s16/16_0101disgustingteeth",
    ):
        film(tmp_path / "rawvideo" / f"{name}.avi", 100, 30, "MJPG")
    clips = load("casme-sq", tmp_path).clips("all")
    assert clips[0].intervals == (Interval(10, 14, 19, "micro"), Interval(30, 39, 39, "macro"))
    shutil.rmtree(tmp_path / "rawvideo" / "s16")
    with pytest.raises(DataError, match=r"lacks 1 videos.*such as 0101 of s16"):
        load("casme-sq", tmp_path).clips("all")


def test_samm_lv(tmp_path: Path) -> None:
    about: list[list[object]] = [["about the data"]] + [[None]] * 8
    header = ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration"]
    xlsx(
        tmp_path / "SAMM_LongVideos_V3_Release.xlsx",
        [
            *about,
            [*header, "Type", "Action Units", "Notes"],
            [6, "006_1_1", 1, 21, 31, 61, 41, "Micro - 1/2", "4", None],
            [6, "006_1_12", 1, 70, 80, 500, 431, "Macro", "12", None],
            [7, "007_3_1", 3, 0, 5, 9, 5, "Micro - 1/2", "4", None],
        ],
    )
    xlsx(
        tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx",
        [
            *about,
            ["Subject", "Filename", "Onset Frame", "Estimated Emotion"],
            ["006", "006_1_1", 21, "Anger"],
            ["007", "007_3_1", 1, "Other"],
        ],
    )
    for name, count in (("006_1", 100), ("007_3", 20), ("007_4", 20)):
        stills(tmp_path / "SAMM_longvideos" / name, range(1, count + 1), name + "_{:04}.jpg")
    dataset = load("samm-lv", tmp_path)
    clips = {clip.name: clip for clip in dataset.clips("all")}
    assert clips["006_1"].intervals == (
        Interval(20, 30, 60, "micro"),
        Interval(69, 79, 99, "macro"),
    )
    assert clips["006_1"].fps == 200
    assert clips["007_3"].intervals == (Interval(4, 4, 8, "micro"),)  # from the apex on
    assert clips["007_4"].intervals == ()
    assert {clip.subject for clip in clips.values()} == {"006", "007"}
    assert set(labels(dataset, "006_1")[20:61]) == {ANGRY}
    assert set(labels(dataset, "006_1")[69:]) == {-1}
    (tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx").unlink()
    assert set(labels(load("samm-lv", tmp_path), "006_1")[20:61]) == {-1}
    shutil.rmtree(tmp_path / "SAMM_longvideos" / "007_3")
    with pytest.raises(DataError, match=r"lacks 1 videos.*such as 007_3"):
        load("samm-lv", tmp_path).clips("all")


def casme2(root: Path) -> Path:
    header = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None]
    xlsx(
        root / "CASME2-coding-20140508.xlsx",
        [
            [*header, "Action Units", "Estimated Emotion"],
            [1, "EP02_01f", None, 46, 59, 86, None, "12", "happiness"],
            [1, "EP19_01", None, 10, "/", 30, None, "4", "repression"],
            [26, "EP18_46", None, 3, 4, 9, None, "4", "others"],
            [26, "EP18_50", None, 3, 4, 9, None, "4", "disgust"],
            [None, "a remark"],
        ],
    )
    stills(root / "Cropped/sub01/EP02_01f", range(46, 87), "reg_img{}.jpg")
    stills(root / "Cropped/sub01/EP19_01", range(1, 50), "img{}.jpg")
    stills(root / "Cropped/sub26/EP18_46", range(3, 10), "reg_img{}.jpg")
    return root


def test_casme2(tmp_path: Path) -> None:
    dataset = load("casme2", casme2(tmp_path))
    assert [(c.name, c.frames, c.emotion, c.subject) for c in dataset.clips("all")] == [
        ("sub01/EP02_01f", 41, HAPPY, "sub01"),
        ("sub01/EP19_01", 21, -1, "sub01"),  # from onset to offset, where more images are there
        ("sub26/EP18_46", 7, -1, "sub26"),
        ("sub26/EP18_50", 1, DISGUST, "sub26"),
    ]
    assert all(clip.intervals is None and clip.fps == 200 for clip in dataset.clips("all"))
    failures = [f for batch in everything(dataset) for f in batch.failures]
    assert [failure.reason for failure in failures] == ["sub26/EP18_50 holds no images."]
    taken = load("casme2", tmp_path, repression="disgust")
    assert taken.clips("all")[1].emotion == DISGUST
    assert taken.fingerprint("all") != dataset.fingerprint("all")


@pytest.mark.parametrize("inner", ["", "SMIC_all_cropped"])
def test_smic(tmp_path: Path, inner: str) -> None:
    for name in (
        "HS/s1/micro/negative/s1_ne_01",
        "HS/s1/micro/surprise/s1_sur_01",
        "HS/s10/micro/positive/s10_po_01",
        "HS/s2/non_micro/x/s2_01",
        "VIS/s2/micro/positive/s2_po_01",
    ):
        stills(tmp_path / inner / name, range(1, 6), "reg_image{:06}.bmp")
    dataset = load("smic", tmp_path)
    assert dataset.splits == ("hs", "vis")
    assert [(c.name, c.emotion, c.subject, c.frames, c.fps) for c in dataset.clips("hs")] == [
        ("s1_ne_01", DISGUST, "s1", 5, 100),
        ("s1_sur_01", SURPRISE, "s1", 5, 100),
        ("s10_po_01", HAPPY, "s10", 5, 100),
    ]
    assert dataset.clips("vis")[0].fps == 25
    assert load("smic", tmp_path, negative="sadness").clips("hs")[0].emotion == SAD
    alone = load("smic", tmp_path / inner / "VIS")
    assert alone.clips("vis") == dataset.clips("vis")


def test_ravdess(tmp_path: Path) -> None:
    for name in (
        "Actor_01/01-01-03-01-01-01-01.mp4",
        "Actor_01/02-01-03-01-01-01-01.mp4",  # the same take without sound
        "Actor_01/02-01-02-01-01-01-01.mp4",  # calm
        "Actor_12/02-01-08-02-02-01-12.mp4",
        "Actor_12/readme.mp4",
    ):
        film(tmp_path / name, 4, 30)
    dataset = load("ravdess", tmp_path)
    assert [(c.name, c.emotion, c.subject) for c in dataset.clips("all")] == [
        ("01-01-03-01-01-01-01.mp4", HAPPY, "actor01"),
        ("02-01-08-02-02-01-12.mp4", SURPRISE, "actor12"),
    ]
    assert [c.emotion for c in load("ravdess", tmp_path, calm="neutral").clips("all")] == [
        0,
        HAPPY,
        SURPRISE,
    ]


def test_crema_d(tmp_path: Path) -> None:
    for name in ("1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1002_DFA_XXX_XX"):
        film(tmp_path / "VideoFlash" / f"{name}.flv", 7, 30, "FLV1")
    dataset = load("crema-d", tmp_path)
    assert [(c.name, c.emotion, c.subject, c.frames) for c in dataset.clips("all")] == [
        ("1001_DFA_ANG_XX", ANGRY, "1001", 7),
        ("1001_IEO_HAP_HI", HAPPY, "1001", 7),
    ]
    assert sum(len(batch.rows) for batch in everything(dataset)) == 14


def test_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, fxbench_clips; fxbench_clips.fxbench_datasets()\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "cv2", "scipy", "pandas"} & set(done.stdout.split())


@pytest.mark.parametrize("name", sorted(set(COMPONENTS) - {"clips"}))
def test_an_empty_folder_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="expected is"):
        load(name, tmp_path).clips("all")
    with pytest.raises(DataError, match="is not a folder"):
        load(name, tmp_path / "none")


def conforms(name: str, **options: object) -> None:
    report = check(discover().get("dataset", name), options=options)
    assert report.ok, report.text()


@pytest.mark.parametrize("build", [casme2, lambda root: casme_sq(root, "xlsx")])
def test_published_layouts_conform(tmp_path: Path, build: object) -> None:
    root = build(tmp_path)  # type: ignore[operator]
    conforms("casme2" if (root / "Cropped").is_dir() else "casme-sq", path=str(root))
