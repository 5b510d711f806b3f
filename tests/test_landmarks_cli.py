"""`fxbench landmarks`: what it writes, draws and says of videos."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from fxbench_mini.dataset import FOLDER
from made_up import PLUGIN, entry
from made_up_people import FPS, FRAMES, HEIGHT, WIDTH, Brows, Squares, face, film, picture

from fxbench.cli import main
from fxbench.images import decode
from fxbench.landmark_table import columns
from fxbench.measures import NAMES
from fxbench.registry import Registry
from fxbench.types import Boxes, Points

Command = Callable[..., tuple[Any, str, str]]
FOUND = frozenset({"default"})
DRAWS = FOUND | {"contours"}


class Unable(Brows):
    """Locates nothing."""

    def locate(self, images: tuple[np.ndarray, ...], boxes: Boxes) -> Points:
        return Points(np.full((len(boxes), 68, 2), np.nan, np.float32), self.scheme)


class Five(Brows):
    """Five points, of which one is stable."""

    scheme = "mtcnn-5"


class Corners(Brows):
    """The corners of the eyes and the base of the nose: they can be standardised, that is all."""

    scheme = "dlib-5"


def entries() -> list[Any]:
    return [
        entry("detector", "all-of-it", Squares, traits=FOUND | {"floor"}),
        entry("detector", "squares", Squares, traits=FOUND),
        entry("detector", "nobody", Blind, traits=FOUND),
        entry("detector", "faraway", Squares, sends=True),
        entry("landmarker", "absent", Brows, traits=DRAWS, requires=("no_such_library",)),
        entry("landmarker", "brows", Brows, traits=DRAWS),
        entry("landmarker", "corners", Corners, traits=FOUND),
        entry("landmarker", "five", Five, traits=FOUND),
        entry("landmarker", "unable", Unable),
    ]


class Blind:
    """Finds nobody."""

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        return Boxes.from_lists([[] for _ in images])


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Call `fxbench landmarks` with made-up components: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "one.avi")

    def call(*arguments: str) -> tuple[Any, str, str]:
        registry = Registry((PLUGIN,), tuple(entries()))
        monkeypatch.setattr("fxbench.registry.discover", lambda: registry)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["landmarks", *arguments])
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return call


def table(stem: str = "one") -> dict[str, np.ndarray]:
    read = pq.read_table(Path("out", f"{stem}-landmarks.parquet"), use_threads=False)
    return {name: read[name].to_numpy() for name in read.column_names}


def film_of(path: Path) -> list[np.ndarray]:
    reader, found = cv2.VideoCapture(str(path)), []
    while (got := reader.read())[0]:
        found.append(got[1])
    return found


def test_the_files_hold_what_was_located(command: Command) -> None:
    code, out, _ = command("one.avi", "-o", "out")
    assert code == 0
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == [f"one-landmarks.{form}" for form in ("csv", "mp4", "parquet", "png")]
    for name in names:
        assert name in out
    kept = table()
    assert tuple(kept) == columns(68)
    assert kept["track"].tolist() == [0] * FRAMES
    assert kept["frame"].tolist() == list(range(FRAMES))
    np.testing.assert_allclose(kept["time_s"], np.arange(FRAMES) / FPS, atol=1e-3)
    assert kept["detected"].all()
    # A pixel to the right in each frame, all points with the box.
    np.testing.assert_allclose(np.diff(kept["x1"]), 1, atol=0.6)
    np.testing.assert_allclose(kept["x_30"] - kept["x1"], 60 * face()[30, 0], atol=1.5)
    standard = np.stack([kept["standard_x_36"], kept["standard_x_45"]])
    np.testing.assert_allclose(standard[1] - standard[0], 1, atol=0.1)


def test_the_diagram_says_who_found_and_located(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(
        "fxbench.plots_landmarks.timelines", lambda _, path, title: titles.append(title) or path
    )
    command("one.avi", "-o", "out", "--no-video")
    assert titles == ["one.avi (squares, brows)"]


def test_brows_that_rise_for_a_moment_show_above_the_neutral_face(command: Command) -> None:
    command("one.avi", "-o", "out", "--no-video", "--no-plot")
    kept = table()
    up = slice(13, 17)
    assert kept["brow_inner_raise"][up].min() > 0.05
    assert kept["brow_outer_raise"][up].min() > 0.05
    assert kept["brow_lowering"][up].max() < -0.05
    rest = np.r_[0:12, 19:FRAMES]
    for name in NAMES:
        assert np.abs(np.median(kept[name][rest])) < 0.01, name
    assert [path.suffix for path in sorted(Path("out").iterdir())] == [".csv", ".parquet"]


def test_the_csv_holds_the_same(command: Command) -> None:
    command("one.avi", "-o", "out", "--no-video", "--no-plot")
    kept = table()
    with Path("out", "one-landmarks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == columns(68)
    for name in ("frame", "x1", "yaw", "brow_inner_raise", "x_0", "standard_y_67"):
        np.testing.assert_allclose([float(row[name]) for row in rows], kept[name], rtol=1e-6)
    about = json.loads(pq.read_schema(Path("out", "one-landmarks.parquet")).metadata[b"fxbench"])
    assert about["schema"] == 1
    assert (about["video"], about["detector"]) == ("one.avi", "squares")
    assert about["landmarker"] == "brows"
    # What is neutral can be added again.
    assert about["neutral"]["0"]["lip_stretch"] > 0.2


def test_the_video_shows_boxes_and_points(command: Command) -> None:
    command("one.avi", "-o", "out")
    drawn = film_of(Path("out", "one-landmarks.mp4"))
    assert len(drawn) == FRAMES
    zoom = drawn[0].shape[1] // WIDTH
    assert drawn[0].shape[:2] == (HEIGHT * zoom, WIDTH * zoom)
    assert zoom > 1
    for number in (0, 25):
        plain = cv2.resize(picture(number), None, fx=zoom, fy=zoom).astype(int)
        changed = np.abs(drawn[number].astype(int) - plain).max(axis=2) > 60
        edge = changed[int(70 * zoom), (20 + number - 2) * zoom : (20 + number + 3) * zoom]
        assert edge.any()
        assert not changed[: 20 * zoom].any()
        assert not changed[:, : (20 + number - 5) * zoom].any()


def test_the_timelines_are_a_picture(command: Command) -> None:
    command("one.avi", "-o", "out")
    shown = decode(Path("out", "one-landmarks.png").read_bytes(), "png")
    assert min(shown.shape[:2]) > 500
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 100


def test_two_people_have_a_timeline_each(command: Command) -> None:
    film(Path("two.avi"), people=2)
    code, out, _ = command("two.avi", "-o", "out", "--json")
    assert code == 0
    (video,) = json.loads(out)["videos"]
    assert [(p["track"], p["frames"]) for p in video["people"]] == [(0, FRAMES), (1, 20)]
    assert video["people"][1]["first_s"] == pytest.approx(1.0, abs=0.01)
    assert video["people"][0]["strongest"]["measure"].startswith("brow")
    assert video["people"][0]["strongest"]["time_s"] == pytest.approx(0.75, abs=0.16)
    assert set(video["people"][0]["neutral"]) == set(NAMES)
    assert video["frames_with_face"] == video["frames"] == FRAMES
    kept = table("two")
    assert (np.bincount(kept["track"]) == [FRAMES, 20]).all()
    assert (kept["x1"][kept["track"] == 1] > 135).all()


def test_fewer_frames_and_a_detector_that_looks_seldom(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Squares] = []

    class Counted(Squares):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr("test_landmarks_cli.Squares", Counted, raising=False)
    monkeypatch.setitem(globals(), "Squares", Counted)
    code, out, _ = command("one.avi", "-o", "out", "--fps", "10", "--detect-every", "4", "--json")
    assert code == 0
    (video,) = json.loads(out)["videos"]
    assert (video["frames"], video["fps"]) == (20, 10.0)
    kept = table()
    assert set(kept["frame"].tolist()) <= set(range(0, FRAMES, 2))
    assert len(kept["frame"]) >= 15
    looked = kept["frame"][kept["detected"]]
    assert looked.tolist() == list(range(0, FRAMES, 8))
    assert sum(one.seen for one in made) == 5
    assert len(film_of(Path("out", "one-landmarks.mp4"))) == 20


def test_faces_without_landmarks_are_rows_that_say_so(command: Command) -> None:
    code, out, _ = command("one.avi", "-o", "out", "--landmarker", "unable", "--json")
    assert code == 0
    (person,) = json.loads(out)["videos"][0]["people"]
    assert (person["frames"], person["located"], person["strongest"]) == (FRAMES, 0, None)
    assert person["neutral"]["eye_opening"] is None
    kept = table()
    assert np.isnan(kept["eye_opening"]).all()
    assert np.isfinite(kept["x1"]).all()
    with Path("out", "one-landmarks.csv").open() as file:
        assert next(iter(csv.DictReader(file)))["x_0"] == ""


def test_a_video_without_a_face_is_an_answer(command: Command) -> None:
    code, out, _ = command("one.avi", "-o", "out", "--detector", "nobody")
    assert code == 0
    assert "nobody finds no face in one.avi: name another with --detector." in out
    assert not len(table()["track"])
    assert not Path("out", "one-landmarks.png").exists()
    assert len(film_of(Path("out", "one-landmarks.mp4"))) == FRAMES


def test_a_video_that_is_cut_short_gives_what_is_there(command: Command) -> None:
    data = Path("one.avi").read_bytes()
    Path("short.avi").write_bytes(data[: len(data) // 2])
    code, _, err = command("short.avi", "-o", "out", "--no-plot")
    assert code == 3
    assert "Cut short: short.avi ends after frame" in err
    count = len(table("short")["frame"])
    assert 5 < count < FRAMES
    assert len(film_of(Path("out", "short-landmarks.mp4"))) == count


def test_one_bad_video_does_not_stop_the_others(command: Command) -> None:
    Path("bad.mp4").write_bytes(b"no video at all, but long enough to be read as one" * 20)
    code, out, err = command("bad.mp4", "one.avi", "-o", "out", "--no-video", "--no-plot")
    assert code == 3
    assert "one-landmarks.csv" in out
    assert "Failed: bad.mp4 is no video" in err
    code, out, err = command("bad.mp4", "-o", "elsewhere")
    assert code == 2
    assert err.splitlines()[-1].startswith("Error: bad.mp4 is no video")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.mp4",), "missing.mp4 is missing"),
        (("one.avi", "--detector", "squars"), "Did you mean 'squares'"),
        (("one.avi", "--detector", "faraway"), "detector faraway sends pictures to a service"),
        (("one.avi", "--landmarker", "absent"), "no_such_library"),
        (("one.avi", "--landmarker", "corners"), "dlib-5) draw no brows, lids or lips"),
        (("one.avi", "--landmarker", "corners"), "that draws them (absent, brows)"),
        (("one.avi", "--landmarker", "five"), "mtcnn-5 can't be standardised"),
        (("one.avi", "other/one.avi"), "Two videos are called one"),
        (("one.avi", "--fps", "0"), "--fps': '0' is no frame rate"),
        (("one.avi", "--fps", "nan"), "'nan' is no frame rate: expected are frames per second"),
        (("one.avi", "--fps", "inf"), "'inf' is no frame rate"),
        (("one.avi", "--detect-every", "0"), "--detect-every"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    command: Command, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = command(*arguments, "-o", "out")
    assert code == 2
    assert message.lower() in err.lower()
    assert "Traceback" not in err
    assert not out
    assert not list(Path().glob("out/*"))


def test_files_that_are_there_are_kept_unless_forced(command: Command) -> None:
    command("one.avi", "-o", "out", "--no-video", "--no-plot")
    before = Path("out", "one-landmarks.csv").read_bytes()
    code, _, err = command("one.avi", "-o", "out", "--detector", "nobody")
    assert code == 2
    assert "is there already" in err
    assert Path("out", "one-landmarks.csv").read_bytes() == before
    assert command("one.avi", "-o", "out", "--detector", "nobody", "--force")[0] == 0
    assert len(Path("out", "one-landmarks.csv").read_text().splitlines()) == 1


def test_a_folder_that_can_not_be_written_is_told(command: Command) -> None:
    Path("file").write_text("no folder")
    code, _, err = command("one.avi", "-o", "file")
    assert code in (2, 4)
    assert "file" in err
    assert "Traceback" not in err


def test_nothing_is_drawn_without_matplotlib(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxbench.cli.landmarks._can_draw", lambda: False)
    code, _, err = command("one.avi", "-o", "out", "--no-video")
    assert code == 0
    assert "fxbench[plots]" in err
    assert not Path("out", "one-landmarks.png").exists()


def test_pictures_are_let_go(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch of a longer video is kept: at most those that wait are alive."""
    import gc
    import weakref

    import fxbench.landmark_files as files

    film(Path("long.avi"), frames=300)
    monkeypatch.setattr("fxbench.landmark_table._ROWS", 64)
    alive: list[weakref.ref[Any]] = []
    most = [0]
    real = files.locate

    def watched(*arguments: Any, **more: Any) -> Any:
        for some in real(*arguments, **more):
            alive.append(weakref.ref(some.number))
            gc.collect()
            most[0] = max(most[0], sum(ref() is not None for ref in alive))
            yield some

    monkeypatch.setattr(files, "locate", watched)
    assert command("long.avi", "-o", "out", "--no-video", "--no-plot")[0] == 0
    assert len(alive) > 10
    assert most[0] <= 3
    # Nor do rows wait in memory: they go to a file in groups, and come back in order.
    kept = table("long")
    assert kept["frame"].tolist() == list(range(300))
    path = Path("out", "long-landmarks.parquet")
    assert pq.ParquetFile(path).metadata.num_row_groups == 5
    assert len(path.with_suffix(".csv").read_text().splitlines()) == 301


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "measures", "quiet", "loud"),
    [
        ("single_face.mp4", ("lip_corner_pull", "lip_stretch", "lip_parting"), 0.4, 1.5),
        ("s05-2.mp4", ("lip_corner_pull", "lip_stretch"), 1.0, 78 / 25),
        ("s06-2.mp4", ("brow_inner_raise", "lip_parting", "jaw_drop"), 0.2, 0.66),
    ],
)
def test_real_components_see_a_smile_and_a_surprise(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    measures: tuple[str, ...],
    quiet: float,
    loud: float,
) -> None:
    pytest.importorskip("dlib")
    path = FOLDER / "clips" / name
    if not path.exists():
        path = request.getfixturevalue("shared") / "data" / "video" / name
    options = ["--fps", "12", "--detect-every", "2", "--no-plot", "--no-video", "--json"]
    options += ["--detector", "opencv-haar", "--landmarker", "dlib-68"]
    with pytest.raises(SystemExit) as ended:
        main(["landmarks", str(path), "-o", str(tmp_path), *options])
    assert ended.value.code == 0
    (video,) = json.loads(capfd.readouterr().out)["videos"]
    assert len(video["people"]) == 1
    assert video["frames_with_face"] == video["frames"]
    read = pq.read_table(tmp_path / f"{path.stem}-landmarks.parquet", use_threads=False)
    time_s = read["time_s"].to_numpy()
    for measure in measures:
        values = read[measure].to_numpy()
        before, at = (np.abs(time_s - when) < 0.2 for when in (quiet, loud))
        assert np.abs(np.median(values[before])) < 0.02, measure
        assert np.median(values[at]) > 0.03, measure
