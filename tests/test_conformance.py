"""Every component that comes with fxbench and can run here conforms."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_up_videos import film, stills

from fxbench.availability import availability
from fxbench.labels import EMOTIONS
from fxbench.options import resolve
from fxbench.registry import Entry, discover
from fxbench.testing import check, videos

_HEAVY = {"tensorflow", "keras", "tf_keras", "dlib", "art"}


def shipped() -> list[Entry]:
    return [e for e in discover().entries if e.plugin.distribution == "fxbench"]


_QUICKER = {"dlib-mmod": {"upsample": 0}}
"""Options of components that take minutes otherwise."""


def cases() -> list[object]:
    return [
        pytest.param(
            entry,
            id=f"{entry.kind.name}-{entry.name}",
            marks=[pytest.mark.heavy] if _HEAVY & set(entry.component.requires) else [],
        )
        for entry in shipped()
        if entry.kind.name != "dataset"
    ]


@pytest.fixture
def standin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for DeepFace's emotion weights, and OpenCV's networks, where they are."""
    folder = Path(os.environ.get("FXBENCH_TEST_DATA", Path(__file__).parents[2] / "shared"))
    home = folder / "weights" / "standin-deepface"
    if home.is_dir():
        monkeypatch.setenv("DEEPFACE_HOME", str(home))
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(folder / "weights" / "deepface"))


@pytest.mark.timeout(400)  # dlib-mmod alone computes for half a minute
@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("entry", cases())
def test_a_component_conforms(entry: Entry) -> None:
    if entry.component.sends:
        pytest.skip("it sends images away")
    state = availability(entry, resolve([entry.component]))
    if state.state != "ready":
        pytest.skip(f"{state.state}: {state.detail}")
    report = check(entry, options=_QUICKER.get(entry.name, {}))
    assert report.ok, report.text()


_OF_VIDEOS = {rule.name for rule in videos.RULES}


def conforms(name: str, *, shows_videos: bool = False, **options: object) -> None:
    report = check(discover().get("dataset", name), options=options)
    assert report.ok, report.text()
    skipped = {result.rule for result in report.results if result.status == "skipped"}
    assert skipped - {"weights", "truth"} == (set() if shows_videos else _OF_VIDEOS)


def test_ferplus_conforms(ferplus: Path) -> None:
    conforms("ferplus", path=ferplus)
    conforms("ferplus", path=ferplus, labels="fer2013new.csv")


def test_folder_conforms(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for split in ("valid", "test"):
        for emotion in EMOTIONS[:3]:
            folder = tmp_path / split / emotion
            folder.mkdir(parents=True)
            for number in range(3):
                image = random.integers(0, 256, (20, 16, 3), dtype=np.uint8)
                assert cv2.imwrite(str(folder / f"{number}.png"), image)
    (tmp_path / "test" / "neutral" / "torn.png").write_bytes(b"\x89PNG torn")
    conforms("folder", path=tmp_path)


def test_dlib_faces_conforms(shared: Path) -> None:
    conforms("dlib-faces", path=shared / "data" / "landmarks-dlib")


def test_mini_conforms() -> None:
    conforms("mini")


def test_mini_clips_conforms() -> None:
    conforms("mini-clips", shows_videos=True)


def test_clips_conforms(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4")
    stills(tmp_path / "b", range(30))
    (tmp_path / "torn.mp4").write_bytes(b"no video")
    lines = (
        "file,emotion,onset,offset,fps",
        "a.mp4,fear,3,9,",
        "b,neutral,,,30",
        "torn.mp4,fear,,,",
    )
    (tmp_path / "clips.csv").write_text("\n".join(lines), encoding="utf-8")
    conforms("clips", shows_videos=True, path=tmp_path)


def test_casme2_conforms(tmp_path: Path) -> None:
    header = "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Estimated Emotion"
    table = f"{header}\n1,EP02_01f,46,59,70,disgust\n"
    (tmp_path / "CASME2-coding.csv").write_text(table, encoding="utf-8")
    stills(tmp_path / "Cropped" / "sub01" / "EP02_01f", range(46, 71), "reg_img{}.png")
    conforms("casme2", shows_videos=True, path=tmp_path)


def test_samm_lv_conforms(tmp_path: Path) -> None:
    table = "Subject,Filename,Onset,Apex,Offset,Type\n6,006_1_1,5,9,20,Micro - 1/2\n"
    (tmp_path / "SAMM_LongVideos_V3_Release.csv").write_text(table, encoding="utf-8")
    stills(tmp_path / "SAMM_longvideos" / "006_1", range(1, 31), "006_1_{:04}.png")
    conforms("samm-lv", shows_videos=True, path=tmp_path)


def test_smic_conforms(tmp_path: Path) -> None:
    stills(tmp_path / "HS" / "s1" / "micro" / "surprise" / "s1_sur_01", range(30))
    stills(tmp_path / "VIS" / "s1" / "micro" / "negative" / "s1_ne_01", range(5))
    conforms("smic", shows_videos=True, path=tmp_path)


def test_ravdess_conforms(tmp_path: Path) -> None:
    film(tmp_path / "Actor_12" / "02-01-08-02-02-01-12.mp4")
    conforms("ravdess", shows_videos=True, path=tmp_path)


def test_crema_d_conforms(tmp_path: Path) -> None:
    film(tmp_path / "VideoFlash" / "1001_IEO_HAP_HI.flv", 30, 30, "FLV1")
    conforms("crema-d", shows_videos=True, path=tmp_path)


def test_pts_conforms(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(4):
        image = random.integers(0, 256, (90, 80, 3), dtype=np.uint8)
        assert cv2.imwrite(str(tmp_path / f"face{number}.png"), image)
        points = "\n".join(f"{x:.2f} {y:.2f}" for x, y in random.uniform(5, 75, (68, 2)))
        text = f"version: 1\nn_points: 68\n{{\n{points}\n}}\n"
        (tmp_path / f"face{number}.pts").write_text(text, encoding="utf-8")
    conforms("pts", path=tmp_path)


def test_no_dataset_is_forgotten() -> None:
    tested = {name.removeprefix("test_").removesuffix("_conforms") for name in globals()}
    names = {e.name.replace("-", "_") for e in shipped() if e.kind.name == "dataset"}
    assert names <= tested | {"casme_sq"}, "test_clip_layouts.py writes its tables"
