"""The live view without a display: who waits for whom, what is counted, and who may look."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import urllib.parse
import urllib.request
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_up import PLUGIN, Uniform, Whole, entry

from fxbench.analysis.engine import Cast, Engine
from fxbench.cli import main
from fxbench.errors import ImageError, PluginError, StoreError, UnavailableError, UsageError
from fxbench.live import sources
from fxbench.live.browser import Page
from fxbench.live.newest import Newest
from fxbench.live.recorder import Recorder
from fxbench.live.session import Live
from fxbench.live.tally import Tally
from fxbench.recording import Recording
from fxbench.recording_plain import PlainRecording
from fxbench.registry import Registry
from fxbench.video import VideoReader

FPS = 50.0
LENGTH = 20


class Slow(Uniform):
    """Takes its time."""

    def predict(self, faces: np.ndarray) -> np.ndarray:
        time.sleep(0.12)
        return super().predict(faces)


class Broken(Uniform):
    """Fails at the third picture."""

    def __init__(self) -> None:
        self.asked = 0

    def predict(self, faces: np.ndarray) -> np.ndarray:
        self.asked += 1
        if self.asked > 2:
            raise RuntimeError("it broke")
        return super().predict(faces)


def registry() -> Registry:
    default = frozenset({"default"})
    return Registry(
        (PLUGIN,),
        (
            entry("detector", "whole", Whole, traits=default),
            entry("detector", "faraway", Whole, sends=True),
            entry("classifier", "uniform", Uniform, traits=default),
            entry("classifier", "slow", Slow),
            entry("classifier", "broken", Broken),
        ),
    )


def engine(classifier: str = "uniform") -> Engine:
    return Engine.load(Cast(("whole",), (classifier,)), registry=registry())


def picture(number: int) -> np.ndarray:
    image = np.full((120, 160, 3), 60, np.uint8)
    image[:, : number * 4 + 4] = 200
    return image


@pytest.fixture
def film(tmp_path: Path) -> Path:
    with PlainRecording(tmp_path / "film.mp4", FPS) as made:
        for number in range(LENGTH):
            made.add(picture(number), number / FPS)
    return tmp_path / "film.mp4"


class Eyes:
    """A display that takes its time over each picture."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.pictures: list[Any] = []

    def run(self, live: Live) -> None:
        live.start()
        while not live.over:
            picture = live.picture(0.02)
            if picture is not None:
                time.sleep(self.takes_s)
                self.pictures.append(picture)
                live.displayed(picture)


def seen(live: Live, takes_s: float = 0.0) -> tuple[list[Any], dict[str, Any]]:
    eyes = Eyes(takes_s)
    with live:
        eyes.run(live)
    return eyes.pictures, live.record()


# What is newest.


def test_the_newest_wins_and_is_taken_once() -> None:
    newest: Newest[str] = Newest()
    assert newest.peek() is None
    assert newest.after(0, 0.0) is None
    newest.put("a")
    newest.put("b")
    assert newest.after(0, 0.0) == (2, "b")
    assert newest.after(2, 0.01) is None
    assert newest.peek() == "b"
    threading.Timer(0.05, newest.put, ("c",)).start()
    assert newest.after(2, 5.0) == (3, "c")
    threading.Timer(0.05, newest.close).start()
    begin = time.monotonic()
    assert newest.after(3, 5.0) is None
    assert time.monotonic() - begin < 4
    assert newest.closed


# A file as a camera.


def test_a_file_is_played_at_its_own_rate(film: Path) -> None:
    source = sources.opened(str(film))
    got: list[tuple[np.ndarray, float]] = []
    begin = time.monotonic()
    source.run(lambda image, taken: got.append((image, taken)), threading.Event())
    assert time.monotonic() - begin >= (LENGTH - 1) / FPS - 0.001
    times = np.array([taken for _, taken in got])
    whole = np.round((times - times[0]) * FPS).astype(int)
    assert whole[-1] == LENGTH - 1
    assert len(got) + source.skipped == LENGTH
    assert source.first().shape == (120, 160, 3)
    source.close()


def test_what_is_late_is_skipped(film: Path) -> None:
    source = sources.File(film)
    got: list[int] = []

    def put(image: np.ndarray, taken: float) -> None:
        got.append(int((image[60, :, 0] > 130).sum()) // 4 - 1)
        time.sleep(0.1)

    begin = time.monotonic()
    source.run(put, threading.Event())
    assert time.monotonic() - begin < 0.1 * LENGTH - 0.5
    assert len(got) + source.skipped == LENGTH
    assert source.skipped > LENGTH / 2
    assert got == sorted(got)
    assert got[-1] == LENGTH - 1


def test_a_loop_goes_on_in_time(film: Path) -> None:
    source, stop = sources.File(film, loop=True), threading.Event()
    times: list[float] = []

    def put(_: np.ndarray, taken: float) -> None:
        times.append(taken)
        if taken - times[0] > 2.5 * LENGTH / FPS:
            stop.set()

    source.run(put, stop)
    assert (np.diff(times) > 0).all()
    assert times[-1] - times[0] > 2 * LENGTH / FPS


def test_a_camera_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.cv2, "VideoCapture", lambda index: Camera(0))
    monkeypatch.setattr(sources, "_PATIENCE", 1)
    with pytest.raises(UnavailableError, match=r"no camera 3 that gives pictures: plug one in"):
        sources.opened("3")


class Camera:
    """Gives so many pictures, as OpenCV does."""

    def __init__(self, pictures: int, takes_s: float = 0.0) -> None:
        self.left = pictures
        self.takes_s = takes_s

    def isOpened(self) -> bool:
        return self.left >= 0

    def set(self, *_: Any) -> None: ...

    def get(self, _: Any) -> float:
        return 0.0

    def release(self) -> None:
        self.left = -1

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        time.sleep(self.takes_s)
        image = np.zeros((4, 6, 3), np.uint8)
        image[..., 0] = 255
        return (True, image) if self.left >= 0 else (False, None)


def test_a_camera_gives_rgb_until_it_is_pulled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.cv2, "VideoCapture", lambda index: Camera(4))
    monkeypatch.setattr(sources, "_PATIENCE", 1)
    source = sources.opened("0")
    assert source.fps == 25.0
    assert source.first()[0, 0].tolist() == [0, 0, 255]
    got: list[Any] = []
    with pytest.raises(ImageError, match="Camera 0 gives no pictures any more"):
        source.run(lambda image, taken: got.append(image), threading.Event())
    assert len(got) == 3


def test_a_camera_that_hangs_delays_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs(Camera):
        def isOpened(self) -> bool:
            return True

    monkeypatch.setattr(sources.cv2, "VideoCapture", lambda index: Hangs(1, takes_s=0.2))
    source, stop = sources.opened("0"), threading.Event()
    working = threading.Thread(target=source.run, args=(lambda *_: None, stop))
    working.start()
    stop.set()
    working.join(10)
    assert not working.is_alive()
    monkeypatch.setattr(sources, "_PATIENCE_S", 0.3)
    begin = time.monotonic()
    with pytest.raises(ImageError, match="gives no pictures any more"):
        source.run(lambda *_: None, threading.Event())
    assert time.monotonic() - begin < 15


# The view.


class Steady:
    """A source that goes on once a display has shown what it gave, and then gives several."""

    name, fps, skipped = "steady", FPS, 0

    def __init__(self, eyes: Eyes, at_once: int = 1) -> None:
        self._eyes, self._at_once = eyes, at_once

    def first(self) -> np.ndarray:
        return picture(0)

    def run(self, put: Any, stop: threading.Event) -> None:
        for turn in range(LENGTH):
            for _ in range(self._at_once):
                put(picture(turn), time.monotonic())
            while len(self._eyes.pictures) <= turn and not stop.wait(0.005):
                continue
        while not stop.is_set() and len(self._eyes.pictures) < LENGTH:
            time.sleep(0.005)

    def close(self) -> None: ...


def test_every_picture_is_shown_however_slow_the_answers_are() -> None:
    eyes = Eyes(takes_s=0.02)
    live = Live(engine("slow"), Steady(eyes))
    with live:
        eyes.run(live)
    pictures, record = eyes.pictures, live.record()
    assert record["frames_shown"] == len(pictures) == LENGTH
    assert 1 <= record["answers"] < LENGTH
    about = [p.answered_s for p in pictures]
    assert about[0] is None
    known = [time_s for time_s in about if time_s is not None]
    assert known == sorted(known)
    assert len(set(known)) <= record["answers"]
    # An answer is as old as the picture that it is about, when it is shown.
    assert record["lag_s"]["p50"] >= 0.1
    assert record["lag_s"]["max"] >= record["lag_s"]["p95"] >= record["lag_s"]["p50"]
    assert record["cpu_s"]["process"] > 0


def test_answers_are_drawn_and_pictures_are_of_one_size(film: Path) -> None:
    live = Live(engine(), sources.File(film))
    pictures, _ = seen(live)
    assert {p.image.shape[:2] for p in pictures} == {live.size}
    last = next(p for p in reversed(pictures) if p.answered_s is not None)
    # The whole picture is the face, and its edge has the colour of its person.
    assert last.image[2, 200].astype(int).tolist() != last.image[20, 200].tolist()


def test_a_slow_display_sees_the_newest() -> None:
    class Late(Eyes):
        """Comes when the source has given all that it gives at once."""

        def run(self, live: Live) -> None:
            live.start()
            while not live.over:
                while not live.over and live.tally.read < 5 * (len(self.pictures) + 1):
                    time.sleep(0.002)
                picture = live.picture(0.05)
                if picture is not None:
                    live.displayed(picture)
                    self.pictures.append(picture)

    eyes = Late()
    live = Live(engine(), Steady(eyes, at_once=5))
    with live:
        eyes.run(live)
    record = live.record()
    assert record["frames_shown"] == len(eyes.pictures) <= LENGTH + 1
    assert record["frames_read"] == 5 * LENGTH


def test_it_ends_after_so_many_seconds(film: Path) -> None:
    begin = time.monotonic()
    seen(Live(engine(), sources.File(film, loop=True), seconds=0.6))
    assert 0.6 <= time.monotonic() - begin < 5


def test_a_component_that_fails_ends_the_view(film: Path) -> None:
    with pytest.raises(PluginError, match="broken failed"):
        seen(Live(engine("broken"), sources.File(film, loop=True), seconds=30))


def test_a_film_that_is_cut_short_is_said(film: Path) -> None:
    data = film.with_suffix(".avi")
    writer = cv2.VideoWriter(
        str(data), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), FPS, (160, 120)
    )
    for number in range(LENGTH):
        writer.write(picture(number))
    writer.release()
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    live = Live(engine(), sources.File(data))
    pictures, _ = seen(live)
    assert pictures
    assert "film.avi ends after frame" in live.fault


# What is recorded.


def test_what_is_shown_is_recorded(film: Path, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")
    path = tmp_path / "view.mp4"
    live = Live(engine(), sources.File(film), record=path)
    pictures, record = seen(live)
    frames, lost = live.recorded
    assert frames + lost == len(pictures)
    with VideoReader(path) as reader:
        assert reader.info.frames == frames
        assert (reader.info.height, reader.info.width) == live.size
        last_s, image = reader.frame(frames - 1)
    assert last_s == pytest.approx((LENGTH - 1) / FPS, abs=0.1)
    assert np.abs(image.astype(int) - pictures[-1].image).mean() < 12
    assert record["cpu_s"]["recording"] > 0


def test_encoding_that_is_slow_delays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")
    recorder = Recorder(tmp_path / "a.mp4", 25)
    add, go_on = recorder._recording.add, threading.Event()
    monkeypatch.setattr(recorder._recording, "add", lambda *a: (go_on.wait(60), add(*a)))
    begin = time.monotonic()
    for number in range(40):
        recorder.add(picture(number), number / 25)
    assert time.monotonic() - begin < 30
    go_on.set()
    recorder.close()
    # Eight wait, and one is in work.
    assert recorder.frames in (8, 9)
    assert recorder.frames + recorder.lost == 40


def test_a_recording_that_fails_ends_the_view(film: Path, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")
    live = Live(engine(), sources.File(film, loop=True), record=tmp_path / "a.mp4", seconds=30)

    def full(*_: Any) -> None:
        raise StoreError("The disk is full.")

    live._recorder._recording.add = full
    with pytest.raises(StoreError, match="The disk is full"):
        seen(live)
    assert not (tmp_path / "a.mp4").exists()


# What is counted.


def test_lags_are_never_told_shorter_than_they_were() -> None:
    tally = Tally()
    tally.shown(None)
    lags = np.random.default_rng(0).uniform(0, 0.5, 500)
    for lag in lags:
        tally.shown(float(lag))
    told = tally.record()["lag_s"]
    assert told["max"] == pytest.approx(lags.max(), abs=1e-3)
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        assert np.quantile(lags, share) - 1e-3 <= told[name] <= np.quantile(lags, share) + 2e-3
    assert tally.record()["frames_shown"] == 501
    assert Tally().record()["lag_s"] == {"p50": None, "p95": None, "max": None}


# The page.


@pytest.fixture
def page(film: Path):
    """A page that shows a film over and over, in a thread."""
    page = Page("<script>alert(1)</script>.mp4", ("whole", "uniform"))
    live = Live(engine(), sources.File(film, loop=True), seconds=30)

    def work() -> None:
        with live:
            page.run(live)

    thread = threading.Thread(target=work)
    thread.start()
    yield page
    live.stop()
    thread.join(10)
    assert not thread.is_alive()


def ask(
    page: Page, path: str, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    _, _, host, secret, _ = page.address.split("/")
    connection = HTTPConnection(host, timeout=10)
    try:
        connection.request(method, path.replace("SECRET", secret), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_page_is_for_who_has_its_address_alone(page: Page) -> None:
    status, text, headers = ask(page, "/SECRET/")
    assert status == 200
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.mp4" in text
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert ask(page, "/SECRET/figures")[0] == 200
    port = page.address.split(":")[2].split("/")[0]
    assert ask(page, "/SECRET/", Host=f"localhost:{port}")[0] == 200
    for path in ("/", "/wrong/", "/SECRET", "/SECRET/../", "/SECRET/other", "/é/"):
        assert ask(page, urllib.parse.quote(path))[0] == 404, path
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", ""):
        assert ask(page, "/SECRET/", Host=host)[0] == 404, host
    assert ask(page, "/SECRET/figures", Origin="https://evil.example")[0] == 404
    assert ask(page, "/SECRET/stop", method="GET")[0] == 404
    assert ask(page, "/SECRET/stop", method="POST", Origin="https://evil.example")[0] == 404
    assert not json.loads(ask(page, "/SECRET/figures")[1])["over"]


def test_the_stream_is_motion_jpeg_and_begins_when_somebody_looks(page: Page) -> None:
    assert json.loads(ask(page, "/SECRET/figures")[1])["shown_per_s"] == 0
    with urllib.request.urlopen(page.address + "stream", timeout=10) as stream:
        assert stream.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        data = b""
        while data.count(b"Content-Type: image/jpeg") < 3:
            data += stream.read(4096)
    body = data.split(b"\r\n\r\n", 1)[1].split(b"\r\n--fxbench-picture", 1)[0]
    image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (360, 480, 3)
    assert json.loads(ask(page, "/SECRET/figures")[1])["shown_per_s"] > 0


def test_who_comes_later_is_shown_nothing_old() -> None:
    class Counts:
        shown = 0

        def displayed(self, picture: Any) -> None:
            self.shown += 1

    page, begun, data = Page("a", ("b",)), threading.Event(), bytearray()
    page._live = Counts()

    def write(some: bytes) -> None:
        data.extend(some)
        begun.set()

    page._pictures.put((b"old", None))
    looking = threading.Thread(target=page.stream, args=(write,))
    looking.start()
    assert begun.wait(30)
    page._pictures.put((b"new", None))
    deadline = time.monotonic() + 30
    while not page._live.shown and time.monotonic() < deadline:
        time.sleep(0.01)
    page._pictures.close()
    looking.join(30)
    page.close()
    assert b"new" in data
    assert b"old" not in data
    assert page._live.shown == 1


def test_the_page_ends_the_view(page: Page) -> None:
    assert ask(page, "/SECRET/stop", method="POST")[0] == 200
    deadline = time.monotonic() + 30
    while not _gone(page):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _gone(page: Page) -> bool:
    with contextlib.suppress(ConnectionResetError, RemoteDisconnected, TimeoutError):
        try:
            ask(page, "/SECRET/figures")
        except ConnectionRefusedError:
            return True
    return False


def test_a_port_that_is_taken_is_an_error() -> None:
    first = Page("a", ("b",))
    port = int(first.address.split(":")[2].split("/")[0])
    with pytest.raises(UsageError, match=rf"Port {port} of this machine can't be used"):
        Page("a", ("b",), port)
    first.close()


# The command.


@pytest.fixture
def command(film: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Call `fxbench live` on the film, with a display that is none."""
    monkeypatch.chdir(film.parent)
    monkeypatch.setattr("fxbench.analysis.engine.discover", registry)
    display = Eyes()
    display.kind = "browser"
    monkeypatch.setattr("fxbench.cli.live._display", lambda *_: display)

    def call(*arguments: str) -> tuple[Any, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["live", *arguments])
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    call.display = display
    return call


def test_the_command_says_how_it_went(command) -> None:
    code, out, err = command("--source", "film.mp4", "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record["detector"] == "whole"
    assert record["classifiers"] == ["uniform"]
    assert record["size"] == {"width": 480, "height": 360}
    assert record["frames_shown"] + record["frames_skipped"] <= LENGTH
    assert record["frames_shown"] >= 2
    assert 0 < record["shown_per_s"] < 60
    assert record["fault"] is None
    code, out, _ = command("--source", "film.mp4", "--classifiers", "uniform,slow")
    assert code == 0
    assert "pictures shown" in out
    assert "Lag of the answers: median " in out


def test_the_command_records(command) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")
    code, out, _ = command("--source", "film.mp4", "--record", "view.mp4")
    assert code == 0
    assert "Written: view.mp4" in out
    before = Path("view.mp4").read_bytes()
    code, _, err = command("--source", "film.mp4", "--record", "view.mp4")
    assert code == 2
    assert "view.mp4 is there already" in err
    assert Path("view.mp4").read_bytes() == before
    assert command("--source", "film.mp4", "--record", "view.mp4", "--force")[0] == 0


def test_interrupting_is_one_way_to_end(command, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")

    def interrupted(live: Live) -> None:
        live.start()
        for _ in range(5):
            while (picture := live.picture(0.1)) is None:
                continue
            live.displayed(picture)
        raise KeyboardInterrupt

    command.display.run = interrupted
    code, out, _ = command("--source", "film.mp4", "--loop", "--record", "view.mp4", "--json")
    assert code == 0
    record = json.loads(out)
    assert record["frames_shown"] == 5
    with VideoReader(Path("view.mp4")) as reader:
        assert reader.info.frames == record["recorded"]["frames"] == 5


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_recording_is_whole_however_often_it_is_interrupted(
    command, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, name: str
) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"needs {name}")
    if signal.getsignal(number) is signal.SIG_IGN:
        # These tests may run under nohup, and what is ignored from the start ends no view.
        signal.signal(number, signal.SIG_DFL)
        request.addfinalizer(lambda: signal.signal(number, signal.SIG_IGN))
    finish = Recording._finish

    def slowly(recording: Recording) -> None:
        for _ in range(3):
            os.kill(os.getpid(), number)
            time.sleep(0.05)
        finish(recording)

    def interrupted(live: Live) -> None:
        Eyes().run(Ends(live, number))

    class Ends:
        """Sends a signal after some pictures."""

        def __init__(self, live: Live, number: int) -> None:
            self._live, self._number, self._left = live, number, 5

        def __getattr__(self, what: str) -> Any:
            return getattr(self._live, what)

        def displayed(self, picture: Any) -> None:
            self._live.displayed(picture)
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), self._number)

    monkeypatch.setattr(Recording, "_finish", slowly)
    before = signal.getsignal(number)
    command.display.run = interrupted
    code, out, err = command("--source", "film.mp4", "--loop", "--record", "view.mp4", "--json")
    assert (code, err) == (0, "")
    with VideoReader(Path("view.mp4")) as reader:
        assert reader.info.frames == json.loads(out)["recorded"]["frames"] == 5
    assert signal.getsignal(number) is before
    assert not list(Path().glob(".*"))


def test_ctrl_c_again_does_not_wait_for_a_component_that_hangs(
    command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")
    hung, go_on = threading.Event(), threading.Event()

    def hang(live: Live) -> None:
        hung.set()
        go_on.wait(60)

    def interrupted(live: Live) -> None:
        live.start()
        while live.picture(0.1) is None:
            continue
        hung.wait(30)
        os.kill(os.getpid(), signal.SIGINT)
        while not live.over:
            time.sleep(0.01)
        again = threading.Thread(target=press, args=(live,))
        again.start()

    def press(live: Live) -> None:
        while not live.saved:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Live, "_answer", hang)
    command.display.run = interrupted
    begin = time.monotonic()
    code, out, _ = command("--source", "film.mp4", "--loop", "--record", "view.mp4", "--json")
    assert time.monotonic() - begin < 50
    go_on.set()
    assert code == 0
    assert json.loads(out)["recorded"]["frames"] == 1
    assert Path("view.mp4").stat().st_size > 0


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [(StoreError("The disk is full."), 4, "The disk is full."), (ValueError("odd"), 70, "odd")],
)
def test_a_recording_that_fails_at_its_end_is_said(
    command, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, message: str
) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")

    def fails(recording: Recording) -> None:
        recording._abandon()
        raise error

    def interrupted(live: Live) -> None:
        live.start()
        while live.picture(0.1) is None:
            continue
        raise KeyboardInterrupt

    monkeypatch.setattr(Recording, "_finish", fails)
    command.display.run = interrupted
    got, out, err = command("--source", "film.mp4", "--loop", "--record", "view.mp4", "--json")
    assert (got, out) == (code, "")
    assert message in err
    assert not Path("view.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--source", "none.mp4"), "none.mp4 is missing"),
        (("--source", "text.txt"), "text.txt is no video"),
        (("--source", "film.mp4", "--detector", "hole"), "Unknown detector 'hole': did you mean"),
        (("--source", "film.mp4", "--detector", "faraway"), "sends pictures to a service"),
        (("--source", "film.mp4", "--seconds", "-1"), "'-1' is no number of seconds above 0"),
        (("--source", "film.mp4", "--record", "a.avi"), "a.avi is no name of an MP4 file"),
        (("--source", "film.mp4", "--record", "film.mp4"), "is the video that is to be shown"),
        (("--source", "film.mp4", "--port", "0"), "no whole number from 1 to 65535"),
    ],
)
def test_wrong_input_is_said_in_a_sentence(command, arguments, message: str) -> None:
    Path("text.txt").write_text("no video")
    code, _, err = command(*arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_a_film_that_is_cut_short_ends_with_3(command) -> None:
    class Short(Eyes):
        kind = "browser"

        def run(self, live: Live) -> None:
            super().run(live)
            live.fault = "film.mp4 ends after frame 3 of 20: it is cut short or damaged."

    command.display.run = Short().run
    code, out, err = command("--source", "film.mp4", "--json")
    assert code == 3
    assert "Cut short: film.mp4 ends after frame 3" in err
    assert json.loads(out)["fault"].startswith("film.mp4")


def test_a_view_that_can_not_be_shown_leaves_nothing(
    command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av", reason="needs PyAV (extra video)")

    def fails(*_: Any) -> None:
        raise UsageError("Port 80 of this machine can't be used.")

    monkeypatch.setattr("fxbench.cli.live._display", fails)
    before = set(Path().iterdir())
    code, _, err = command("--source", "film.mp4", "--record", "view.mp4")
    assert (code, err) == (2, "Error: Port 80 of this machine can't be used.\n")
    assert set(Path().iterdir()) - {Path("cache")} == before - {Path("cache")}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fxbench")]
