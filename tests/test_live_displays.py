"""The live view as people see it: a window on a virtual display, and a page in a real browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import PLUGIN, Uniform, Whole, entry

from fxbench.analysis.engine import Cast, Engine
from fxbench.errors import UnavailableError
from fxbench.live import sources
from fxbench.live.browser import Page
from fxbench.live.session import Live
from fxbench.live.window import Window
from fxbench.recording_plain import PlainRecording
from fxbench.registry import Registry

FPS = 25.0
Start = Callable[..., "subprocess.Popen[str]"]
SIZE = (480, 640)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with PlainRecording(path, FPS) as made:
        for number in range(20):
            image = np.full((*SIZE, 3), (20, 60, 20 + 10 * number), np.uint8)
            made.add(image, number / FPS)
    return path


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A virtual display of 1280 x 800: its name, and the file that holds what it shows."""
    pytest.importorskip("tkinter", reason="needs Python's tkinter")
    path = shutil.which("Xvfb")
    if path is None:
        pytest.skip("needs a virtual display: apt-get install xvfb")
    folder = tmp_path_factory.mktemp("screen")
    read, write = os.pipe()
    with subprocess.Popen(
        [path, "-displayfd", str(write), "-screen", "0", "1280x800x24", "-fbdir", str(folder)],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(write)
        with os.fdopen(read) as told:
            number = told.readline().strip()
        yield f":{number}", folder / "Xvfb_screen0"
        server.terminate()


@pytest.fixture
def display(screen: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISPLAY", screen[0])
    return screen[1]


def shot(file: Path) -> np.ndarray:
    """What a virtual display shows: RGB uint8 (800, 1280, 3). The file is an X window dump."""
    data = file.read_bytes()
    head = np.frombuffer(data[:100], ">u4")
    length, width, height, line, colours = (int(head[k]) for k in (0, 4, 5, 12, 19))
    rows = np.frombuffer(data, np.uint8, height * line, length + 12 * colours)
    return rows.reshape(height, line // 4, 4)[:, :width, 2::-1]


def live(film: Path, **others: Any) -> Live:
    default = frozenset({"default"})
    registry = Registry(
        (PLUGIN,),
        (
            entry("detector", "whole", Whole, traits=default),
            entry("classifier", "uniform", Uniform, traits=default),
        ),
    )
    engine = Engine.load(Cast(), registry=registry)
    return Live(engine, sources.File(film, loop=True), seconds=20, **others)


def test_a_window_shows_the_view_at_its_full_rate(film: Path, display: Path) -> None:
    view = live(film)
    window = Window("a film", view.size)
    shots = []

    def look() -> None:
        # Until the window stands, or the view ends by itself.
        deadline = time.monotonic() + 18
        while view.tally.record()["frames_shown"] < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        shots.append(shot(display))
        view.stop()

    looking = threading.Thread(target=look)
    looking.start()
    with view:
        window.run(view)
    looking.join()
    record = view.record()
    assert 2 < record["shown_per_s"] < 27
    image = shots[0][:480, :640].astype(int)
    # The film in the middle, and nothing but black beside the window.
    assert np.abs(image[300, 200, :2] - (20, 60)).max() < 12
    assert image[300, 200, 2] > 15
    assert not shots[0][500:, 700:].any()
    # Light text in the corner, and a box around the whole picture.
    assert (image[:40, :200].min(axis=2) > 200).sum() > 100
    assert (image[474:, 20:620, 1].max(axis=0) > 110).mean() > 0.8


@pytest.mark.parametrize("keys", ["<Escape>", "q", "closed", "resized"])
def test_a_window_is_closed_by_keys_and_by_its_button(film: Path, display: Path, keys: str) -> None:
    view = live(film)
    window = Window("a film", view.size)
    root = window._root

    def press() -> None:
        if keys == "closed":
            root.tk.call(*root.tk.splitlist(root.protocol("WM_DELETE_WINDOW")))
        elif keys == "resized":
            root.geometry("320x300")
            root.after(300, lambda: (sizes.append(window._photo.width()), window._close()))
        else:
            root.focus_force()
            root.event_generate(keys)

    sizes: list[int] = []
    root.after(200, press)
    begin = time.monotonic()
    with view:
        window.run(view)
    assert time.monotonic() - begin < 19  # or it would have ended by itself
    assert window.closed
    assert sizes == ([320] if keys == "resized" else [])


def test_where_there_is_no_display_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter", reason="needs Python's tkinter")
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(UnavailableError, match=r"There is no display .*--no-window"):
        Window("a film", SIZE)
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(UnavailableError, match="This Python has no tkinter"):
        Window("a film", SIZE)


@pytest.fixture
def start(film: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `fxbench live` on the film. It does not outlive the test."""
    with contextlib.ExitStack() as stack:

        def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
            chosen = ("--loop", "--json", "--detector", "full-frame", "--classifiers", "prior")
            view = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "fxbench",
                    "live",
                    "--source",
                    str(film),
                    *chosen,
                    *arguments,
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | environment,
            )
            stack.enter_context(view)
            stack.callback(view.kill)
            return view

        yield started


def test_the_command_opens_a_window_and_ends_cleanly(
    start: Start, display: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")
    view = start("--record", str(tmp_path / "view.mp4"), "--seconds", "60")
    deadline = time.monotonic() + 60
    while not shot(display)[:480, :640].any():
        assert time.monotonic() < deadline
        assert view.poll() is None, view.communicate()
        time.sleep(0.1)
    time.sleep(1)
    view.send_signal(signal.SIGINT)
    out, err = view.communicate(timeout=30)
    assert (view.returncode, err) == (0, "")
    record = json.loads(out)
    assert record["display"] == "window"
    assert record["frames_shown"] > 5
    assert record["recorded"]["frames"] > 5
    assert (tmp_path / "view.mp4").stat().st_size > 1000


@pytest.mark.heavy
def test_the_command_shows_a_page_where_there_is_no_display(start: Start, browser: Any) -> None:
    view = start("--seconds", "60", DISPLAY=":987")
    assert view.stderr is not None
    first, second = view.stderr.readline(), view.stderr.readline()
    assert first.startswith("No window: There is no display")
    found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", second)
    assert found
    context = browser.new_context(color_scheme="dark", viewport={"width": 390, "height": 800})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    ended = "Failed to load resource: net::ERR_"
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(found[0], wait_until="commit")
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(page.locator("#lag")).to_have_text(re.compile(r"^\d\.\d\d s$"), timeout=20_000)
    expect(page.locator("#shown")).to_have_text(re.compile(r"^\d+\.\d per second$"))
    assert page.evaluate("document.getElementById('view').naturalWidth") == 640
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.title() == "fxbench live: film.mp4"
    box = page.locator("#view").bounding_box()
    assert box["width"] == pytest.approx(box["height"] * 4 / 3, abs=2)
    page.get_by_role("button", name="End").press("Enter")
    expect(page.locator("#state")).to_have_text("The view has ended.")
    out, err = view.communicate(timeout=30)
    context.close()
    assert (view.returncode, err) == (0, "")
    record = json.loads(out)
    assert record["display"] == "browser"
    assert record["frames_shown"] > 3
    # What the page was asking for when the view ended has no answer.
    assert [text for text in wrong if not text.startswith(ended)] == []


@pytest.mark.heavy
def test_the_pictures_of_a_page_move(film: Path, browser: Any) -> None:
    page = Page("film", ("whole",))
    view = live(film)

    def work() -> None:
        with view:
            page.run(view)

    thread = threading.Thread(target=work)
    thread.start()
    tab = browser.new_page()
    try:
        tab.goto(page.address, wait_until="commit")
        looks = set()
        for _ in range(150):
            looks.add(tab.locator("#view").screenshot())
            if len(looks) > 2:
                break
            time.sleep(0.1)
        assert len(looks) > 2
        tab.keyboard.press("q")
        thread.join(15)
        assert not thread.is_alive()
    finally:
        view.stop()
        thread.join()
        tab.close()
