"""The dashboard in Chromium: every page, uploads, charts, errors, and the camera."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit", reason="needs the extra dashboard")

from made_up_run import MadeUpRun

from fxbench.dashboard.workshop import Workshop
from fxbench.recording import Recording

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

_PATIENCE_MS = 40_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to upload, and a results folder."""
    folder = tmp_path_factory.mktemp("dashboard")
    MadeUpRun(detectors=2, classifiers=3).write(folder / "results" / "run-1")
    face = Workshop(()).samples[1].image
    large = cv2.resize(face, (288, 288), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    picture = np.full((360, 480, 3), 90, np.uint8)
    picture[36:324, 96:384] = large
    cv2.imwrite(str(folder / "photo.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    hostile = "<img src=x onerror=alert(1)>![](https:%2f%2fexample.org).jpg"
    (folder / hostile.replace("/", "%2f")).write_bytes(b"text")
    (folder / "text.jpg").write_text("I am no photo.")
    (folder / "huge.png").write_bytes(_png(60_000, 60_000))
    (folder / "text.mp4").write_text("I am no video.")
    with Recording(folder / "clip.mp4", 10) as recording:
        for number in range(25):
            recording.add(np.roll(picture, number, axis=1), number / 10)
    return folder


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    """Where a dashboard answers, as the command says it."""
    command = [sys.executable, "-m", "fxbench", "dashboard", "--no-browser", "--json", "--port=0"]
    own = {
        "FXBENCH_CACHE": str(place / "cache"),
        "FXBENCH_CONFIG": str(place / "config"),
        "TMPDIR": str(place / "tmp"),
        "HOME": str(place),
        "PYTHONWARNINGS": "ignore",
    }
    (place / "tmp").mkdir()
    kept = {name: text for name, text in os.environ.items() if not name.startswith("FXBENCH_")}
    more = [f"--results={place / 'results'}", "--max-seconds=2", "--threads=1"]
    with subprocess.Popen(
        [*command, *more], env=kept | own, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())["url"]
        server.terminate()
        assert server.wait(20) == 0


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Any]:
    """Opens a page in a browser of its own. Nothing may be asked of another machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.grant_permissions(["camera"])
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    away: list[str] = []
    wrong: list[str] = []
    own = (address, address.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda one: None if one.url.startswith(own) else away.append(one.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))

    def opened(path: str) -> Any:
        page.goto(f"{address}/{path}")
        page.locator("h1").wait_for()
        return page

    yield opened
    context.close()
    assert away == []
    assert wrong == []


def choose(page: Any, label: str, option: str) -> None:
    field = page.get_by_role("combobox", name=label, exact=True)
    # The list shows what is near alone; what is typed filters it.
    field.fill(option)
    page.get_by_role("option", name=option, exact=True).first.click()
    page.wait_for_function(
        "([label, option]) => document.querySelector(`input[aria-label='${label}']`).value"
        " === option",
        arg=[label, option],
    )


def test_runs_are_compared(open_page: Any) -> None:
    page = open_page("")
    page.get_by_text("6 cells").or_(page.get_by_text("18 cells")).first.wait_for()
    page.locator("[data-testid=stDataFrame]").wait_for()
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for()
    page.get_by_text("Two cells side by side").click()
    page.get_by_text("Images they disagree on").wait_for()
    page.locator(".js-plotly-plot .barlayer .trace").first.wait_for()


def test_a_photo_is_analysed_and_the_answers_can_be_taken_along(
    open_page: Any, place: Path
) -> None:
    page = open_page("analyse")
    choose(page, "Finds faces", "full-frame")
    page.set_input_files("input[type=file]", place / "photo.png")
    page.get_by_text("1 face found by full-frame").wait_for()
    page.get_by_text("labelled as").first.wait_for()
    page.locator(".js-plotly-plot .barlayer .trace").first.wait_for()
    with page.expect_download() as begun:
        page.get_by_text("Answers as csv").click()
    lines = Path(begun.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("file,kind,detector,")
    assert len(lines) == 2
    page.get_by_text("It does not say what a person feels").wait_for()


def test_a_video_is_analysed_up_to_the_limit_and_nothing_of_it_stays(
    open_page: Any, place: Path
) -> None:
    page = open_page("analyse")
    choose(page, "Finds faces", "full-frame")
    page.set_input_files("input[type=file]", place / "clip.mp4")
    page.get_by_text("Analyse this video").click()
    page.get_by_text("Only the first 2 seconds were looked at").wait_for()
    page.get_by_text("Timeline").wait_for()
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for()
    played = "document.querySelector('video') && document.querySelector('video').duration > 1.5"
    page.wait_for_function(played)
    (server,) = (place / "tmp").glob("fxbench-dashboard-*")
    assert list(server.glob("fxbench-dashboard-*")) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("text.jpg", "is not a PNG, JPEG, BMP or WebP image"),
        ("huge.png", "more than the 100 megapixels"),
        ("<img", "is not a PNG, JPEG, BMP or WebP image"),
    ],
)
def test_what_is_no_photo_is_refused_in_one_sentence(
    open_page: Any, place: Path, name: str, sentence: str
) -> None:
    (file,) = (path for path in place.iterdir() if path.name.startswith(name))
    page = open_page("analyse")
    page.set_input_files("input[type=file]", file)
    error = page.get_by_test_id("stAlertContentError")
    error.get_by_text(sentence).wait_for()
    assert "Traceback" not in error.inner_text()
    assert error.locator("img, script, a").count() == 0


def test_what_is_no_video_is_refused_in_one_sentence(open_page: Any, place: Path) -> None:
    page = open_page("analyse")
    page.set_input_files("input[type=file]", place / "text.mp4")
    page.get_by_text("Analyse this video").click()
    page.get_by_text("text.mp4 is no video").wait_for()


def test_a_face_is_attacked(open_page: Any) -> None:
    page = open_page("attack")
    choose(page, "Finds the face", "full-frame")
    choose(page, "Attack", "noise")
    choose(page, "Through the classifier", "emopy-onnx")
    page.get_by_test_id("stMultiSelect").get_by_role("button", name="Clear all").click()
    page.get_by_text("Drawn face", exact=True).click()
    page.get_by_text("The largest change of a pixel is 8 of 255").wait_for()
    page.get_by_test_id("stImage").locator("img").nth(2).wait_for()
    page.locator(".js-plotly-plot .barlayer .trace").first.wait_for()


def test_the_camera_is_answered_and_goes_off(open_page: Any) -> None:
    page = open_page("live")
    choose(page, "Finds faces", "full-frame")
    page.get_by_role("button", name="Start camera").click()
    page.get_by_text("answers/s").wait_for()
    page.get_by_role("heading", name="Face 1, emopy-onnx").wait_for()
    first = page.locator(".rate").inner_text()
    page.wait_for_function(
        "text => [...document.querySelectorAll('*')].some(host => host.shadowRoot &&"
        " host.shadowRoot.querySelector('.rate') &&"
        " host.shadowRoot.querySelector('.rate').textContent !== text)",
        arg=first,
    )
    page.get_by_role("button", name="Stop camera").click()
    page.get_by_text("The camera is off.").wait_for()
    page.get_by_role("button", name="Start camera").wait_for()
