"""The dashboard without a browser: its command, its limits, and what its pages are made of."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click.testing
import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit", reason="needs the extra dashboard")

from made_up import Sign, Squares, Uniform, entry
from markdown_it import MarkdownIt

from fxbench import stored_images
from fxbench.analysis.engine import Cast, Engine
from fxbench.cli import dashboard, main
from fxbench.component import Component, Terms
from fxbench.dashboard import beside, live, uploads
from fxbench.dashboard.grids import grid
from fxbench.dashboard.perturbing import Asked, attacked
from fxbench.dashboard.setup import VARIABLE, Setup
from fxbench.dashboard.words import plain
from fxbench.dashboard.workshop import Turns, Workshop
from fxbench.errors import ImageError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.loader import Loader
from fxbench.options import resolve
from fxbench.registry import Registry
from fxbench.tabular import Column, Table
from fxbench.types import Boxes, FaceSpec


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", "--no-browser", *arguments])
    assert ended.value.code == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


def png(width: int, height: int) -> bytes:
    """A PNG that says to be so large, and holds one row."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_other_machines_are_let_in_only_when_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "--allow-network" in refused(capsys, "--host", "0.0.0.0")
    assert "is no address" in refused(capsys, "--host", "example.org")


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port}" in refused(capsys, "--port", str(port))


def test_wrong_settings_are_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nobody" in refused(capsys, "--set", "nobody.knows=1")
    assert "100000" in refused(capsys, "--max-upload", "100000")


def test_what_is_missing_is_named_with_what_mends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'fxbench[dashboard]'" in refused(capsys)


def test_an_old_streamlit_is_said_to_be_too_old(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.38.0")
    assert "1.38.0" in refused(capsys)


def test_the_server_is_for_this_machine_and_tells_nobody() -> None:
    words = dashboard._arguments("127.0.0.1", 8501, 100, network=False)
    assert {
        "--server.address=127.0.0.1",
        "--server.enableXsrfProtection=true",
        "--server.enableCORS=true",
        "--server.maxUploadSize=100",
        "--server.allowedHosts=127.0.0.1",
        "--browser.gatherUsageStats=false",
    } <= set(words)
    open_to_all = dashboard._arguments("0.0.0.0", 8501, 100, network=True)
    assert not [word for word in open_to_all if "allowedHosts" in word]


def test_what_the_command_says_reaches_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup(Path("/some where"), ("folder.path=/x",), 5, 7.5, network=True)
    monkeypatch.setenv(VARIABLE, setup.text())
    assert Setup.read() == setup
    monkeypatch.setenv(VARIABLE, "[]")
    with pytest.raises(UsageError, match="fxbench dashboard"):
        Setup.read()


@pytest.mark.parametrize(
    "name",
    [
        "![x](https://example.org/x.png)",
        "[x](javascript:alert(1))",
        "<script>alert(1)</script>.png",
        "<img src=x onerror=alert(1)>",
        "$a$ **b** `c` :red[d] # e",
        "https://example.org",
    ],
)
def test_a_name_is_shown_as_it_is(name: str) -> None:
    rendered = MarkdownIt("commonmark").render(plain(name))
    assert rendered.startswith("<p>")
    assert rendered.count("<") == 2
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert rendered == f"<p>{escaped}</p>\n"


def test_text_that_is_called_a_photo_is_refused() -> None:
    with pytest.raises(ImageError, match=r"photo\.jpg"):
        uploads.photo(b"no picture", "photo.jpg")


def test_a_picture_that_unpacks_to_gigabytes_is_refused_before() -> None:
    with pytest.raises(ImageError, match="megapixels"):
        uploads.photo(png(100_000, 100_000), "bomb.png")


def test_a_large_photo_is_made_smaller() -> None:
    image = np.zeros((10, 6000, 3), np.uint8)
    data = cv2.imencode(".png", image)[1].tobytes()
    assert uploads.photo(data, "wide.png").shape[1] == uploads.LONGEST_SIDE


def film(path: Path, count: int = 10) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    for number in range(count):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path.read_bytes()


def test_no_name_of_an_upload_reaches_the_disk(tmp_path: Path) -> None:
    data = film(tmp_path / "film.mp4")
    with uploads.film(data, "../../../evil.mp4") as (reader, folder):
        assert [path.name for path in folder.iterdir()] == ["uploaded-video"]
        assert reader.info.frames == 10
    assert not folder.exists()


@pytest.mark.parametrize("data", [b"", b"no video at all", b"#EXTM3U\nfile:///etc/passwd\n"])
def test_what_is_no_video_is_refused_by_its_own_name(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"clip\.mp4"), uploads.film(data, "clip.mp4"):
        pytest.fail("It was opened.")


def test_turns_are_taken_one_at_a_time_and_in_order() -> None:
    turns, order, inside = Turns(), [], []
    waiting = threading.Barrier(1)

    def take(number: int) -> None:
        with turns.mine():
            inside.append(number)
            assert len(inside) == 1
            order.append(number)
            inside.remove(number)

    threads = []
    with turns.mine():
        for number in range(5):
            thread = threading.Thread(target=take, args=(number,))
            thread.start()
            while len(turns._waiting) <= number:
                waiting.wait()
            threads.append(thread)
    for thread in threads:
        thread.join()
    assert order == list(range(5))
    with turns.mine():
        pass


def test_a_table_sorts_by_numbers() -> None:
    rows = ({"a": 0.123, "a_low": 0.1, "a_high": 0.2, "n": "x"}, {"a": None, "n": "<b>"})
    columns = (Column("n", "name"), Column("a", "a % [95 % CI]", "interval"))
    frame, _ = grid(Table("t", columns, rows))
    assert frame["a %"].tolist()[0] == pytest.approx(12.3)
    assert frame["95 % CI"].tolist() == ["10.0 to 20.0", ""]
    assert frame["name"].tolist() == ["x", "<b>"]


def run_on(may_show: bool, fingerprint: str = "squares") -> dict[str, Any]:
    terms = {"licence": "made up", "may_show": may_show}
    return {"datasets": {"squares": {"terms": terms, "fingerprint": fingerprint}}}


def installed(monkeypatch: pytest.MonkeyPatch, terms: Terms) -> None:
    class Shown(Squares):
        pass

    Shown.terms = terms
    registry = Registry((), (entry("dataset", "squares", Shown),), ())
    monkeypatch.setattr(stored_images, "discover", lambda: registry)


def test_images_are_shown_only_where_run_and_dataset_allow_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(monkeypatch, Terms("made up", True, True, True))
    found = stored_images.opened(run_on(may_show=True), "squares", "test", ())
    assert sorted(found.thumbnails([3, 1])) == [1, 3]
    hidden = stored_images.opened(run_on(may_show=False), "squares", "test", ())
    assert "licence" in hidden.why
    assert hidden.thumbnails([1]) == {}
    other = stored_images.opened(run_on(may_show=True, fingerprint="x"), "squares", "test", ())
    assert "fingerprint" in other.why
    installed(monkeypatch, Terms("made up", True, False, True))
    assert "licence" in stored_images.opened(run_on(may_show=True), "squares", "test", ()).why


def test_a_run_that_is_made_again_is_asked_again_whether_it_may_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(monkeypatch, Terms("made up", True, True, True))
    beside._opened.clear()
    setup = Setup(Path("r"), (), 5, 7.5, network=False)
    where = ("squares", "test", "given")
    assert beside._stored(setup, run_on(may_show=True), where).dataset is not None
    assert beside._stored(setup, run_on(may_show=False), where).dataset is None


def test_a_dataset_that_is_not_there_costs_the_pictures_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored_images, "discover", lambda: Registry((), (), ()))
    found = stored_images.opened(run_on(may_show=True), "squares", "test", ())
    assert found.dataset is None
    assert "squares" in found.why


class Bright:
    """Happiness where a face is bright, neutral where it is dark."""

    labels = EMOTIONS

    def __init__(self, size: int) -> None:
        self.face = FaceSpec(size)

    def predict(self, faces: np.ndarray) -> np.ndarray:
        share = faces.reshape(len(faces), -1).mean(axis=1) / 255
        answers = np.zeros((len(faces), 8), np.float32)
        answers[:, 1], answers[:, 0] = share, 1 - share
        return answers

    def gradient(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.ones_like(faces)


def asked(name: str, size: int) -> Asked:
    return Asked(Component(name, "Made up.", Bright, traits=frozenset({"gradient"})), Bright(size))


def attack_on(epsilon: float, **more: Any) -> Any:
    image = np.full((40, 40, 3), 124, np.uint8)
    box = np.array([4, 4, 36, 36], np.float32)
    one, other = asked("one", 8), asked("other", 12)
    return attacked(image, box, Sign(), one, (one, other), epsilon=epsilon, **more)


def test_an_attack_is_held_to_its_budget_and_carried_over() -> None:
    found = attack_on(8 / 255)
    assert found.largest == 8
    assert [one.role for one in found.said] == ["surrogate", "unseen"]
    assert [one.before[0] for one in found.said] == ["neutral", "neutral"]
    assert [one.after[0] for one in found.said] == ["happiness", "happiness"]
    assert all(one.changed for one in found.said)


def test_epsilon_0_changes_nothing() -> None:
    found = attack_on(0.0)
    assert np.array_equal(found.clean, found.adversarial)
    assert not any(one.changed for one in found.said)
    assert set(found.enlarged.ravel()) == {127}


def test_what_is_answered_already_is_no_aim() -> None:
    with pytest.raises(UsageError, match="already"):
        attack_on(8 / 255, towards="neutral")


@pytest.mark.parametrize(
    "sent",
    [
        None,
        7,
        "data:image/png;base64,AAAA",
        "data:image/jpeg;base64,!!",
        "data:image/jpeg;base64,AAAA",
        "data:image/jpeg;base64," + base64.b64encode(png(100_000, 100_000)).decode(),
        "data:image/jpeg;base64," + "A" * 5_000_000,
    ],
)
def test_what_a_browser_sends_in_place_of_a_picture_is_refused(sent: object) -> None:
    with pytest.raises(ImageError, match="camera"):
        live.decoded(sent)


class Somewhere:
    """One face that reaches out of the picture."""

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        return Boxes.from_lists([[(-4, 2, 30, 20, 1)] for _ in images])


def test_what_is_seen_live_is_json() -> None:
    entries = {
        "detector": (entry("detector", "somewhere", Somewhere),),
        "classifier": (entry("classifier", "uniform", Uniform),),
    }
    options = resolve([one.component for some in entries.values() for one in some])
    engine = Engine(entries, options, Loader(options))
    picture = np.zeros((40, 60, 3), np.uint8)
    data = base64.b64encode(cv2.imencode(".jpg", picture)[1].tobytes()).decode()
    shop: Any = SimpleNamespace(turn=Turns().mine)
    answer = live.looked(shop, engine, live.decoded(f"data:image/jpeg;base64,{data}"))
    json.dumps(answer, allow_nan=False)
    (face,) = answer["faces"]
    assert face["box"] == pytest.approx([-4 / 60, 2 / 40, 30 / 60, 20 / 40], abs=1e-3)
    assert face["answers"][0]["shares"] == [0.125] * 8


def test_a_component_is_loaded_once_for_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def made_once() -> Uniform:
        made.append(1)
        return Uniform()

    both = (
        entry("detector", "whole", Somewhere, traits=frozenset({"default"})),
        entry("classifier", "uniform", made_once, traits=frozenset({"default"})),
        entry("classifier", "away", Uniform, sends=True),
    )
    monkeypatch.setattr("fxbench.dashboard.workshop.discover", lambda: Registry((), both, ()))
    shop = Workshop(())
    assert [one.name for one in shop.ready("classifier")] == ["uniform"]
    assert shop.left_out("classifier") == 1
    first = shop.engine(Cast(("whole",), ("uniform",)))
    assert shop.engine(Cast(("whole",), ("uniform",))) is first
    assert shop.component("classifier", "uniform") is first.component("classifier", "uniform")
    assert made == [1]


def test_the_command_is_listed_and_ends_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    left: list[Path] = []

    def started(_words: Any, environment: dict[str, str], _log: Any) -> Any:
        left.append(Path(environment["TMPDIR"], "upload", "uploaded-video"))
        left[0].parent.mkdir()
        left[0].write_bytes(b"of a server that was killed")
        return server

    server = SimpleNamespace(
        poll=lambda: None,
        terminate=lambda: ended.append("terminated"),
        wait=lambda timeout=None: (_ for _ in ()).throw(KeyboardInterrupt) if not ended else 0,
        returncode=0,
    )
    monkeypatch.setattr(dashboard, "_started", started)
    monkeypatch.setattr(dashboard, "_await", lambda *given: None)
    monkeypatch.setattr(dashboard.signal, "signal", lambda *given: None)
    run: Callable[..., Any] = click.testing.CliRunner().invoke
    done = run(dashboard.command, ["--port", "0", "--no-browser", "--json"], obj={"debug": True})
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[0])["url"].startswith("http://127.0.0.1:")
    assert ended == ["terminated"]
    assert not left[0].parents[1].exists()
