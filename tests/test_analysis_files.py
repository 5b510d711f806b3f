"""Which files are analysed, what is kept of them, and tracks for ELAN and players."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fxbench import elan, webvtt
from fxbench.analysis.media import Media, find, kind_of, names, read_photo
from fxbench.analysis.parts import FOLDER, Parts
from fxbench.elan import Annotation, Tier
from fxbench.errors import ImageError
from fxbench.webvtt import Cue


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((4, 6, 3), 9, np.uint8))
    return path


def test_files_folders_and_patterns_are_found_once(tmp_path: Path) -> None:
    for name in ("b2.png", "b10.png", "deep/c.jpg", ".hidden.png", ".git/d.png", "out/e.png"):
        photo(tmp_path / name)
    (tmp_path / "talk.MOV").write_bytes(b"-")
    (tmp_path / "notes.txt").write_text("-")
    found, refused = find(
        [tmp_path / "b2.png", str(tmp_path), str(tmp_path / "*.png"), tmp_path / "notes.txt"],
        without=tmp_path / "out",
    )
    told = [(one.path.relative_to(tmp_path).as_posix(), one.kind) for one in found]
    assert told == [
        ("b2.png", "photo"),
        ("b10.png", "photo"),
        ("deep/c.jpg", "photo"),
        ("talk.MOV", "video"),
    ]
    (one,) = refused
    assert "is no photo" in one.reason
    assert one.path == str(tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.png", "There is no "),
        ("*.mkv", "No photo or video is called like "),
        ("empty", "holds no photo and no video"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    found, refused = find([tmp_path / name])
    assert not found
    assert reason in refused[0].reason


def test_a_file_that_is_called_like_a_pattern_is_itself(tmp_path: Path) -> None:
    path = photo(tmp_path / "[1].png")
    photo(tmp_path / "1.png")
    found, _ = find([path])
    assert [one.path for one in found] == [path]


def test_a_photo_is_read_with_its_limits(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2
    bomb.write_bytes(header + b"\x08\x02\0\0\0" + bytes(64))
    with pytest.raises(ImageError):
        read_photo(bomb)
    link = tmp_path / "link.png"
    link.symlink_to(photo(tmp_path / "elsewhere" / "a.png"))
    assert read_photo(link).shape == (4, 6, 3)
    assert kind_of(Path("x.GIF")) is None


def test_no_two_files_have_one_name() -> None:
    paths = ["a/x.png", "a/x.jpg", "b/x.jpg", "y.mp4", "<script>.png", "Y2.png", "...png"]
    found = names([Media(Path(path), "photo") for path in paths])
    assert len({name.casefold() for name in found}) == len(found)
    assert found[0] == "x-png"
    assert found[1].startswith("x-jpg-")
    assert found[3] == "y"
    assert found[4] == "script"
    assert all("/" not in name and "<" not in name for name in found)


def test_what_is_done_is_known_until_the_file_or_the_settings_change(tmp_path: Path) -> None:
    media = Media(photo(tmp_path / "a.png"), "photo")
    video = Media(tmp_path / "b.mp4", "video")
    video.path.write_bytes(b"-")
    parts = Parts(tmp_path, "settings")
    assert parts.done(media, "a") is None
    parts.keep(media, "a", {"name": "a", "files": [], "rows": []})
    parts.keep(video, "b", {"name": "b", "files": ["b-drawn.mp4"]})
    again = Parts(tmp_path, "settings")
    assert again.done(media, "a")["name"] == "a"
    assert again.done(video, "b") is None  # without its rows
    again.rows_of("b").write_bytes(b"-")
    (tmp_path / "b-drawn.mp4").write_bytes(b"-")
    assert again.done(video, "b") is None  # its rows are damaged
    (tmp_path / "b-drawn.mp4").unlink()
    pq.write_table(pa.table({"frame": [0]}), again.rows_of("b"))
    assert again.done(video, "b") is None  # without the drawn one
    (tmp_path / "b-drawn.mp4").write_bytes(b"-")
    assert again.done(video, "b")["name"] == "b"
    assert Parts(tmp_path, "others").done(media, "a") is None
    assert Parts(tmp_path, "settings", anew=True).done(media, "a") is None
    os.utime(media.path, ns=(1, 1))
    assert again.done(media, "a") is None


def test_a_line_that_was_torn_off_loses_that_photo_alone(tmp_path: Path) -> None:
    media = [Media(photo(tmp_path / f"{name}.png"), "photo") for name in "abc"]
    parts = Parts(tmp_path, "settings")
    for one, name in zip(media[:2], "ab", strict=True):
        parts.keep(one, name, {"name": name, "files": []})
    path = tmp_path / FOLDER / "photos.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    again = Parts(tmp_path, "settings")
    assert again.done(media[0], "a")
    assert again.done(media[1], "b") is None
    again.keep(media[2], "c", {"name": "c", "files": []})
    third = Parts(tmp_path, "settings")
    assert [bool(third.done(one, name)) for one, name in zip(media, "abc", strict=True)] == [
        True,
        False,
        True,
    ]


def test_an_elan_file_has_the_structure_of_the_format(tmp_path: Path) -> None:
    tiers = [
        Tier(
            "person 0, <b>",
            (
                Annotation(1.0, 2.0, "b & \x00c"),
                Annotation(0.0, 1.5, "a"),
                Annotation(1.2, 1.4, ""),
            ),
            "emotion",
            "person 0",
        ),
        Tier("words", (Annotation(0.2, 0.9, "c"), Annotation(1.5, 3.0, "d")), "speech"),
    ]
    media = tmp_path / "clips" / "a b.mp4"
    root = ET.fromstring(elan.document(tiers, media=media, folder=tmp_path / "out"))
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert [child.tag for child in root] == [
        *("HEADER", "TIME_ORDER", "TIER", "TIER"),
        *("LINGUISTIC_TYPE", "LINGUISTIC_TYPE"),
    ]
    assert {"AUTHOR", "DATE", "VERSION"} <= set(root.attrib)
    described = root.find("HEADER/MEDIA_DESCRIPTOR").attrib
    assert described["MEDIA_URL"] == media.as_uri()
    assert described["RELATIVE_MEDIA_URL"] == "../clips/a%20b.mp4"
    slots = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE")) for s in root.find("TIME_ORDER")}
    assert list(slots.values()) == sorted([0, 200, 900, 1500, 1500, 1500, 2000, 3000])
    assert len(slots) == 8
    tier = root.find("TIER")
    assert tier.get("TIER_ID") == "person 0, <b>"
    told = [
        (
            slots[one.get("TIME_SLOT_REF1")],
            slots[one.get("TIME_SLOT_REF2")],
            one.find("ANNOTATION_VALUE").text,
        )
        for one in tier.iter("ALIGNABLE_ANNOTATION")
    ]
    # Nothing overlaps within a tier, and what is no text is replaced.
    assert told == [(0, 1500, "a"), (1500, 2000, "b & \ufffdc")]
    kinds = [kind.get("LINGUISTIC_TYPE_ID") for kind in root.iter("LINGUISTIC_TYPE")]
    assert kinds == ["emotion", "speech"]
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.iter("TIER")} <= set(kinds)


def test_webvtt_cues_are_ordered_and_escaped() -> None:
    text = webvtt.document(
        [
            Cue(3661.5, 3662.0, "late"),
            Cue(0.0, 1.25, "<i>a</i>\n\n--> & b", "person <0>"),
            Cue(2.0, 2.0, "nothing"),
        ],
        note="one\n\n--> two",
    )
    assert text == (
        "WEBVTT\n\nNOTE\none\n-> two\n\n"
        "00:00:00.000 --> 00:00:01.250\n"
        "<v person &lt;0&gt;>&lt;i&gt;a&lt;/i&gt;\n--&gt; &amp; b\n\n"
        "01:01:01.500 --> 01:01:02.000\nlate\n"
    )


def test_a_record_of_a_newer_version_is_not_taken(tmp_path: Path) -> None:
    media = Media(photo(tmp_path / "a.png"), "photo")
    parts = Parts(tmp_path, "settings")
    parts.keep(media, "a", {"name": "a", "files": []})
    path = tmp_path / FOLDER / "photos.jsonl"
    newer = json.loads(path.read_text()) | {"schema": 99}
    path.write_text(json.dumps(newer))
    assert Parts(tmp_path, "settings").done(media, "a") is None
