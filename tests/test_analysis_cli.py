"""`fxbench analyze`: what it writes, says, keeps and refuses."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from made_up import PLUGIN, Uniform, entry
from made_up_people import FPS, FRAMES, HEIGHT, WIDTH, Brows, Squares, film, picture

from fxbench import recording
from fxbench.cli import main
from fxbench.clips import Interval, Track
from fxbench.labels import EMOTIONS
from fxbench.measures import NAMES
from fxbench.registry import Registry
from fxbench.speech.words import Said, Utterance, Word
from fxbench.types import Boxes, FaceSpec
from fxbench.video import VideoReader

pytest.importorskip("av", reason="needs PyAV (extra video)")
pytest.importorskip("plotly", reason="needs plotly (extra report)")
pytest.importorskip("jinja2", reason="needs Jinja2 (extra report)")

Command = Callable[..., tuple[Any, str, str]]
DEFAULT = frozenset({"default"})


class Shades:
    """White faces are labelled as happiness, grey ones as neutral; it counts them."""

    labels = ("neutral", "happiness", None)
    face = FaceSpec(8)
    seen = 0
    interrupted_at: int | None = None

    def predict(self, faces: np.ndarray) -> np.ndarray:
        Shades.seen += len(faces)
        if Shades.interrupted_at is not None and Shades.seen > Shades.interrupted_at:
            Shades.interrupted_at = None
            raise KeyboardInterrupt
        white = faces.mean(axis=(1, 2, 3)) > 190
        return np.where(white[:, None], [0.1, 0.8, 0.1], [0.85, 0.05, 0.1]).astype(np.float32)


class Wide(Squares):
    """The same, a little wider."""

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        found = super().detect(images)
        xyxy = found.xyxy + np.array([-4, 0, 4, 0], np.float32)
        return Boxes(found.frame, xyxy, found.score, found.track)


class Frowns:
    """An expression while brows are up."""

    def spot(self, track: Track) -> tuple[Interval, ...]:
        seen = [number for part in track for number in part.frame[np.isfinite(part.xyxy[:, 0])]]
        assert seen == list(range(FRAMES))
        return (Interval(12, 14, 17, "micro", 0.5),)


class Fails:
    def spot(self, track: Track) -> Any:
        next(iter(track))
        raise ValueError("no idea")


def entries() -> list[Any]:
    return [
        entry("detector", "squares", Squares, traits=DEFAULT),
        entry("detector", "wide", Wide),
        entry("detector", "faraway", Squares, sends=True, price=0.001),
        entry("landmarker", "brows", Brows, traits=DEFAULT | {"contours"}),
        entry("classifier", "shades", Shades, traits=DEFAULT),
        entry("classifier", "uniform", Uniform),
        entry("spotter", "frowns", Frowns, traits=DEFAULT | {"points"}),
        entry("spotter", "fails", Fails, traits=frozenset({"points"})),
    ]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Call `fxbench analyze` with made-up components: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    film(tmp_path / "in" / "one.avi")
    assert cv2.imwrite("in/white.png", picture(0))
    assert cv2.imwrite("in/grey.jpg", picture(12))
    assert cv2.imwrite("in/empty.png", np.zeros((40, 50, 3), np.uint8))
    Shades.seen, Shades.interrupted_at = 0, None

    def call(*arguments: str) -> tuple[Any, str, str]:
        registry = Registry((PLUGIN,), tuple(entries()))
        monkeypatch.setattr("fxbench.registry.discover", lambda: registry)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["analyze", *arguments])
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return call


def rows(name: str) -> list[dict[str, str]]:
    with Path("out", name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def size_of(path: Path) -> tuple[int, int, int]:
    with VideoReader(path) as reader:
        return reader.info.frames, reader.info.width, reader.info.height


def test_photos_and_a_video_become_tables_pictures_tracks_and_a_page(command: Command) -> None:
    code, out, err = command("in", "-o", "out", "--spotters", "frowns")
    assert (code, "Failed" in err) == (0, False)
    for name in ("faces.parquet", "faces.csv", "faces.jsonl", "people.csv", "events.csv"):
        assert f"Written: {Path('out', name)}" in out
    table = pq.read_table("out/faces.parquet", use_threads=False)
    faces = table.to_pylist()
    assert len(faces) == FRAMES + 2
    photos = [face for face in faces if face["kind"] == "photo"]
    assert [(face["file"], face["shades.label"]) for face in photos] == [
        ("in/grey.jpg", "neutral"),
        ("in/white.png", "happiness"),
    ]
    assert all(face["track"] is None and face["time_s"] is None for face in photos)
    assert all(face["brows.lip_stretch"] is None for face in photos)
    video = [face for face in faces if face["kind"] == "video"]
    assert [face["frame"] for face in video] == list(range(FRAMES))
    assert {face["track"] for face in video} == {0}
    np.testing.assert_allclose([f["time_s"] for f in video], np.arange(FRAMES) / FPS, atol=1e-3)
    labels = [face["shades.label"] for face in video]
    assert [n for n, label in enumerate(labels) if label == "neutral"] == list(range(12, 18))
    assert video[0]["shades.happiness"] == pytest.approx(0.8)
    assert video[0]["shades.fear"] is None
    assert video[0]["shades.other"] == pytest.approx(0.1)
    # Less the neutral face: nothing, but where the brows are up.
    raised = np.array([face["brows.brow_inner_raise"] for face in video])
    assert np.abs(raised[:10]).max() < 0.02 < raised[12:18].min()
    assert len(video[0]["brows.points"]) == 136
    # The other forms say the same.
    lines = [json.loads(line) for line in Path("out/faces.jsonl").read_text().splitlines()]
    assert [line["shades.label"] for line in lines] == [face["shades.label"] for face in faces]
    plain = rows("faces.csv")
    assert [row["shades.label"] for row in plain] == [face["shades.label"] for face in faces]
    assert "brows.points" not in plain[0]
    assert "brows.points" in lines[0]
    (person,) = rows("people.csv")
    assert float(person["share.happiness"]) == pytest.approx((FRAMES - 6) / FRAMES, abs=1e-4)
    (event,) = rows("events.csv")
    assert (event["kind"], event["onset"], event["apex"], event["offset"]) == (
        *("micro", "12", "14"),
        "17",
    )
    assert float(event["onset_s"]) == pytest.approx(12 / FPS, abs=1e-3)
    assert size_of(Path("out/annotated/one.mp4")) == (FRAMES, 2 * WIDTH, 2 * HEIGHT)
    assert {path.name for path in Path("out/annotated").iterdir()} == {
        *("one.mp4", "white.png", "grey.jpg", "empty.png")
    }
    assert ">micro<" in Path("out/tracks/one.eaf").read_text()
    assert "<v person 0>labelled as happiness" in Path("out/tracks/one.vtt").read_text()
    assert {path.name for path in Path("out/faces").iterdir()} == {
        "one-squares-0.jpg",
        *(f"one-squares-0-f{n}.jpg" for n in (12, 14, 17)),
    }
    page = Path("out/index.html").read_text()
    assert "No face is recognised" in page
    assert "No face was found in empty.png." in page


def test_the_record_is_printed_and_kept(command: Command) -> None:
    code, out, _ = command("in", "-o", "out", "--json")
    assert code == 0
    record = json.loads(out)
    assert record == json.loads(Path("out/analysis.json").read_text())
    assert record["emotions"] == list(EMOTIONS)
    assert [one["name"] for one in record["components"]] == ["squares", "shades", "brows"]
    (video,) = [one for one in record["media"] if one["kind"] == "video"]
    assert video["frames_with_face"] == {"squares": FRAMES}
    (person,) = video["people"]
    told = person["classifiers"]["shades"]
    assert told["labelled"] == {"neutral": 6, "happiness": FRAMES - 6, "other": 0}
    # 0.3 s of grey in the midst of half-second means.
    assert [label for _, _, label in told["segments"]] == ["happiness", "neutral", "happiness"]
    assert set(person["landmarkers"]["brows"]["strongest"]) == set(NAMES)


def test_what_is_done_is_not_done_again(command: Command) -> None:
    assert command("in", "-o", "out")[0] == 0
    first = Shades.seen
    tables = Path("out/faces.csv").read_bytes()
    code, out, _ = command("in", "-o", "out")
    assert (code, Shades.seen) == (0, first)
    assert "4 of 4 files were done before" in out
    assert Path("out/faces.csv").read_bytes() == tables
    command("in", "-o", "out", "--force")
    assert Shades.seen == 2 * first
    # Other settings are other work, a changed file too, and a drawing that is gone.
    command("in", "-o", "out", "--detect-every", "2")
    assert Shades.seen == 3 * first
    Path("out/annotated/white.png").unlink()
    command("in", "-o", "out", "--detect-every", "2")
    assert Shades.seen == 3 * first + 1


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more"])
def test_a_video_whose_rows_are_damaged_is_done_again(command: Command, damage: bytes) -> None:
    assert command("in/one.avi", "-o", "out")[0] == 0
    tables = Path("out/faces.csv").read_bytes()
    Path("out/.parts/one.parquet").write_bytes(damage)
    code, _, err = command("in/one.avi", "-o", "out")
    assert (code, "unexpectedly" in err) == (0, False)
    assert Path("out/faces.csv").read_bytes() == tables


@pytest.mark.parametrize("name", ["=1+1.png", "+x.png", "-x.png", "@x.png"])
def test_no_cell_with_a_file_is_a_formula(command: Command, name: str) -> None:
    Path("in/white.png").rename(name)
    assert command("-o", "out", "--", name)[0] == 0
    table = pq.read_table("out/faces.parquet", use_threads=False)
    assert [row["file"] for row in rows("faces.csv")] == [f"./{name}"]
    assert table["file"].to_pylist() == [f"./{name}"]
    assert json.loads(Path("out/faces.jsonl").read_text())["file"] == f"./{name}"


def test_after_an_interruption_it_goes_on_with_the_file_under_way(command: Command) -> None:
    film(Path("in/two.avi"))
    Shades.interrupted_at = 2 + FRAMES + 20
    code, _, err = command("in", "-o", "out")
    assert code == 130
    assert "The same command goes on where it stopped" in err
    assert not Path("out/annotated/two.mp4").exists()
    assert not list(Path("out").rglob("*fxbench-tmp*"))
    # What a process leaves that is killed outright.
    Path("out/annotated/.two.mp4.0.fxbench-tmp").write_bytes(b"-")
    Path("out/.parts/two.parquet.0.fxbench-tmp").write_bytes(b"-")
    Shades.seen = 0
    code, out, _ = command("in", "-o", "out")
    assert (code, Shades.seen) == (0, FRAMES)
    assert "4 of 5 files were done before" in out
    assert len(rows("faces.csv")) == 2 * FRAMES + 2
    assert not list(Path("out").rglob("*fxbench-tmp*"))


def test_what_cannot_be_read_is_told_and_passed_over(command: Command) -> None:
    Path("in/torn.png").write_bytes(Path("in/white.png").read_bytes()[:60])
    Path("in/text.jpg").write_text("no picture")
    Path("in/torn.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    whole = Path("in/one.avi").read_bytes()
    Path("in/short.avi").write_bytes(whole[: len(whole) * 2 // 3])
    code, _, err = command("in", "gone.mov", "-o", "out")
    assert code == 3
    for name in ("torn.png", "text.jpg", "torn.mp4", "gone.mov"):
        assert re.search(rf"Failed: .*{name}", err)
    assert re.search("short.avi: short.avi ends after frame", err)
    assert len(rows("faces.csv")) > FRAMES + 2 + 10
    record = json.loads(Path("out/analysis.json").read_text())
    assert len(record["failed"]) == 4
    assert "gone.mov" in Path("out/index.html").read_text()


def test_a_single_file_that_cannot_be_read_is_an_error(command: Command) -> None:
    Path("in/text.jpg").write_text("no picture")
    code, out, err = command("in/text.jpg", "-o", "out")
    assert (code, out) == (2, "")
    assert "text.jpg is not a PNG, JPEG, BMP or WebP image" in err
    assert not Path("out/faces.csv").exists()


def test_a_folder_that_cannot_be_written_is_told_at_once(command: Command) -> None:
    Path("file").write_text("-")
    code, _, err = command("in/white.png", "-o", "file/out")
    assert code == 4
    assert "can't be written" in err
    assert Shades.seen == 0


def test_several_detectors_and_classifiers_stand_side_by_side(command: Command) -> None:
    code, _, _ = command(
        *("in/one.avi", "in/white.png", "-o", "out", "--landmarkers", "none"),
        *("--detectors", "squares,wide", "--classifiers", "shades,uniform"),
    )
    assert code == 0
    assert size_of(Path("out/annotated/one.mp4"))[1:] == (4 * WIDTH, 2 * HEIGHT)
    table = pq.read_table("out/faces.parquet", use_threads=False)
    assert set(table["detector"].to_pylist()) == {"squares", "wide"}
    assert {"shades.label", "uniform.label"} <= set(table.column_names)
    assert len(rows("people.csv")) == 4
    assert "Person 0, found by wide" in Path("out/index.html").read_text()


def test_a_spotter_that_fails_takes_nothing_else_along(command: Command) -> None:
    code, _, err = command("in/one.avi", "-o", "out", "--spotters", "frowns,fails")
    assert code == 3
    assert "one.avi: fails failed at person 0: " in err
    assert [row["spotter"] for row in rows("events.csv")] == ["frowns"]


def test_without_pyav_all_else_is_written(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "available", lambda: False)
    code, _, err = command("in", "-o", "out", "--no-page", "--no-pictures")
    assert code == 0
    assert "pip install 'fxbench[video]'" in err
    assert not Path("out/annotated/one.mp4").exists()
    assert Path("out/annotated/white.png").exists()
    assert not Path("out/index.html").exists()
    assert not Path("out/faces").exists()


def test_what_is_said_stands_beside_the_faces(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (Word("so", 0.2, 0.5), Word("<happy>", 0.6, 1.0, 0.5))
    utterance = Utterance(words, (0.0, 1.0, *[0.0] * 6), 0.0, ("happiness",))

    class Ear:
        entries = (entry("transcriber", "ear", Uniform),)

        def said(self, video: Path) -> Said:
            return Said(words, (utterance,), 2.0, "ear", "reader")

    monkeypatch.setattr("fxbench.speech.Listener.load", lambda *_, **__: Ear())
    code, _, _ = command("in/one.avi", "-o", "out", "--speech")
    assert code == 0
    assert [row["word"] for row in rows("words.csv")] == ["so", "<happy>"]
    assert "so &lt;happy&gt;" in Path("out/tracks/one-speech.vtt").read_text()
    tracks = Path("out/tracks/one.eaf").read_text()
    assert 'TIER_ID="words express, reader"' in tracks
    page = Path("out/index.html").read_text()
    assert "so &lt;happy&gt;" in page
    assert "heard by ear, read by reader" in page
    record = json.loads(Path("out/analysis.json").read_text())
    assert Said.of(record["media"][0]["said"]).utterances == (utterance,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.png",), "There is no gone.png: name a photo"),
        (("in/one.avi", "--detectors", "sqares"), "did you mean 'squares'"),
        (("in/one.avi", "--detectors", "none"), "--detectors got none"),
        (("in/one.avi", "--landmarkers", "none,brows"), "--landmarkers got none beside"),
        (
            ("in/one.avi", "--landmarkers", "none", "--spotters", "frowns"),
            "frowns wants landmarks",
        ),
        (("in/one.avi", "--transcriber", "x"), "add --speech"),
        (("in/one.avi", "--detectors", "faraway"), "allow it with --max-cost 0.040"),
        (("in/one.avi", "--fps", "0"), "is no frame rate"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    command: Command, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = command(*arguments, "-o", "out")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not Path("out").exists()


def test_a_service_is_asked_when_its_price_is_allowed(command: Command) -> None:
    code, _, _ = command(
        *("in/one.avi", "-o", "out", "--detectors", "faraway", "--max-cost", "0.04")
    )
    assert code == 0


def test_names_of_files_are_no_html(command: Command) -> None:
    Path("in", "a").mkdir()
    assert cv2.imwrite("in/odd.png", picture(0))
    Path("in/odd.png").rename(Path("in", "<img src=x onerror=alert(1)>.png"))
    film(Path("in/b.avi"))
    Path("in/b.avi").rename(Path("in", "'\"><script>alert(2)<script>.avi"))
    code, _, _ = command("in", "-o", "out")
    assert code == 0
    page = Path("out/index.html").read_text()
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(2)" in page


@pytest.mark.heavy
@pytest.mark.timeout(180)
def test_the_page_opens_in_a_browser(browser: Any, command: Command) -> None:
    Path("in/white.png").rename(Path("in", "<img src=x onerror=alert(1)>.png"))
    assert command("in", "-o", "out", "--spotters", "frowns")[0] == 0
    shown = browser.new_page(viewport={"width": 390, "height": 800})
    said: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("dialog", lambda dialog: said.append(dialog.message))
    shown.goto(Path("out/index.html").absolute().as_uri())
    shown.locator("figure.chart").first.scroll_into_view_if_needed()
    shown.locator("figure.chart .main-svg").first.wait_for()
    assert shown.locator("text=micro-expressions").first.is_visible()
    assert shown.locator("video").get_attribute("src") == "annotated/one.mp4"
    shown.wait_for_function("document.querySelector('video').readyState >= 1")
    assert shown.locator(".moments img").count() == 3
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    assert said == []
    shown.close()
