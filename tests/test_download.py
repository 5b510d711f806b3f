"""Downloads over a real connection, with everything that goes wrong on one."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from file_server import (
    CONTENT,
    FileServer,
    answers,
    cut,
    drips,
    running,
    sends,
    silent,
    unannounced,
    whole,
)

from fxbench.download import transfer
from fxbench.download.addresses import shown
from fxbench.download.transfer import Patience, download
from fxbench.errors import FxbenchError, StoreError, WeightsError

RIGHT = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(connect_s=10, silence_s=20, retries=2, backoff_s=0.01)
HASTY = replace(QUICK, silence_s=0.5)


class Watch:
    """Remembers what it was told, and does something at a byte."""

    def __init__(self, then: Callable[[int], None] = lambda done: None) -> None:
        self.steps: list[tuple[int, int | None]] = []
        self.notes: list[str] = []
        self._then = then

    def at(self, done: int, total: int | None) -> None:
        self.steps.append((done, total))
        self._then(done)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running() as files:
        yield files


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "store" / "net.onnx"


def left(target: Path) -> set[str]:
    """What lies beside the target but the lock."""
    return {path.name for path in target.parent.iterdir() if path.suffix != ".lock"}


def get(server: FileServer, target: Path, **wanted: Any) -> Watch:
    watch = wanted.pop("watch", None) or Watch()
    download(server.url(), target, watch, **({"patience": QUICK} | wanted))
    return watch


def refused(server: FileServer, target: Path, **wanted: Any) -> str:
    """The message with which a download ends; nothing has the name of the file."""
    with pytest.raises(WeightsError) as ended:
        get(server, target, **wanted)
    assert not target.exists()
    assert "\n" not in str(ended.value)
    return str(ended.value)


@pytest.mark.parametrize("known", [{}, {"sha256": RIGHT.upper()}, {"size": len(CONTENT)}])
def test_a_file_is_fetched(server: FileServer, target: Path, known: dict[str, Any]) -> None:
    watch = get(server, target, **known)
    assert target.read_bytes() == CONTENT
    assert left(target) == {"net.onnx"}
    assert watch.steps[0] == (0, len(CONTENT))
    assert watch.steps[-1] == (len(CONTENT), len(CONTENT))
    assert len(watch.steps) > 4, "it goes in blocks"
    assert [asked["accept-encoding"] for asked in server.asked] == ["identity"]


def test_what_is_there_and_right_is_not_fetched_again(server: FileServer, target: Path) -> None:
    get(server, target, sha256=RIGHT)
    get(server, target, sha256=RIGHT)
    assert len(server.asked) == 1
    target.write_bytes(b"damaged")
    get(server, target, sha256=RIGHT)
    assert target.read_bytes() == CONTENT


# Going on.


@pytest.mark.parametrize("sha256", [RIGHT, None])
def test_a_connection_that_is_cut_is_gone_on_with(
    server: FileServer, target: Path, sha256: str | None
) -> None:
    server.faults = [cut(40_000), cut(30_000)]
    watch = get(server, target, sha256=sha256)
    assert target.read_bytes() == CONTENT
    starts = [int(asked.get("range", "bytes=0-")[6:-1]) for asked in server.asked]
    assert starts[0] == 0 < starts[1] < starts[2] <= 70_000
    assert starts[1] >= 40_000 - 16 * 1024
    assert [asked.get("if-range") for asked in server.asked] == [None, '"one"', '"one"']
    assert len(watch.notes) == 2
    assert watch.notes[0].startswith(f"{server.url()} broke the connection off: trying again")


def test_a_later_call_goes_on(server: FileServer, target: Path) -> None:
    server.faults = [cut(50_000), answers(503), answers(503)]
    message = refused(server, target, sha256=RIGHT)
    kept = target.with_name("net.onnx.part").stat().st_size
    assert 30_000 < kept <= 50_000
    assert f"answered 503 Service Unavailable. {kept:,} bytes are kept" in message
    get(server, target, sha256=RIGHT)
    assert server.asked[-1]["range"] == f"bytes={kept}-"
    assert target.read_bytes() == CONTENT
    assert left(target) == {"net.onnx"}


def test_after_ctrl_c_a_later_call_goes_on(server: FileServer, target: Path) -> None:
    def stop(done: int) -> None:
        if done > 50_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, target, sha256=RIGHT, watch=Watch(stop))
    kept = target.with_name("net.onnx.part").stat().st_size
    assert kept > 50_000
    watch = get(server, target, sha256=RIGHT)
    assert watch.steps[0] == (kept, len(CONTENT))
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("sha256", [RIGHT, None])
def test_a_server_without_parts_begins_anew(
    server: FileServer, target: Path, sha256: str | None
) -> None:
    server.ranges = False
    server.faults = [cut(40_000)]
    get(server, target, sha256=sha256)
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_parts_of_two_versions_are_never_joined(server: FileServer, target: Path) -> None:
    server.faults = [cut(40_000), answers(503), answers(503)]
    refused(server, target)
    server.content, server.tag = CONTENT[::-1], '"two"'
    get(server, target)
    assert server.asked[-1]["if-range"] == '"one"'
    assert target.read_bytes() == CONTENT[::-1]


def test_without_a_tag_or_sha256_it_begins_anew(server: FileServer, target: Path) -> None:
    server.tag = ""
    server.faults = [cut(40_000)]
    get(server, target)
    assert [asked.get("range") for asked in server.asked] == [None, None]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_strong_tag_the_sha256_tells_whether_parts_belong_together(
    server: FileServer, target: Path, tag: str
) -> None:
    server.tag = tag
    server.faults = [cut(40_000), answers(503), answers(503)]
    refused(server, target, sha256=RIGHT)
    get(server, target, sha256=RIGHT)
    assert "range" in server.asked[-1]
    assert target.read_bytes() == CONTENT


def test_a_beginning_that_suffered_is_fetched_again(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("net.onnx.part").write_bytes(b"x" * 50_000)
    get(server, target, sha256=RIGHT)
    assert [asked.get("range") for asked in server.asked] == ["bytes=50000-", None]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_what_was_whole_but_had_no_name_yet_is_not_fetched_again(
    server: FileServer, target: Path, size: int | None
) -> None:
    target.parent.mkdir()
    target.with_name("net.onnx.part").write_bytes(CONTENT)
    watch = get(server, target, sha256=RIGHT, size=size)
    assert watch.steps == []
    assert len(server.asked) == (0 if size else 1)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_too_long_begins_anew(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("net.onnx.part").write_bytes(CONTENT + b"more")
    get(server, target, sha256=RIGHT)
    assert [asked.get("range") for asked in server.asked] == [f"bytes={len(CONTENT) + 4}-", None]
    assert target.read_bytes() == CONTENT


def test_another_part_than_was_asked_for_is_not_appended(server: FileServer, target: Path) -> None:
    wrong = sends(CONTENT[:10], 206, Content_Range=f"bytes 0-9/{len(CONTENT)}")
    server.faults = [cut(40_000), wrong]
    get(server, target, sha256=RIGHT)
    assert target.read_bytes() == CONTENT


# What passes, and what doesn't.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_error_that_passes_is_borne_with(server: FileServer, target: Path, status: int) -> None:
    server.faults = [answers(status), answers(status, Retry_After="0")]
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_stays_ill_is_given_up(server: FileServer, target: Path) -> None:
    server.faults = [answers(500)] * 9
    message = refused(server, target)
    assert "answered 500 Internal Server Error. Look at the connection" in message
    assert len(server.asked) == 1 + QUICK.retries


def test_a_server_that_asks_for_a_long_pause_is_not_waited_for(
    server: FileServer, target: Path
) -> None:
    server.faults = [answers(429, Retry_After="3600")]
    assert "429 Too Many Requests" in refused(server, target)
    assert len(server.asked) == 1


@pytest.mark.parametrize("value", ["soon", "\t", "-1"])
def test_a_pause_that_can_not_be_read_is_no_crash(
    server: FileServer, target: Path, value: str
) -> None:
    server.faults = [answers(503, Retry_After=value)]
    try:
        get(server, target)
    except WeightsError as error:
        assert "503" in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 299])
def test_a_file_that_is_not_there_is_asked_for_once(
    server: FileServer, target: Path, status: int
) -> None:
    server.faults = [answers(status)]
    message = refused(server, target)
    assert f"{server.url()} answered {status}" in message
    assert len(server.asked) == 1


def test_silence_ends_and_is_gone_on_after(server: FileServer, target: Path) -> None:
    server.faults = [silent(40_000, 3.0)]
    watch = get(server, target, sha256=RIGHT, patience=replace(HASTY, retries=9))
    assert "sent nothing for 0.5 s" in watch.notes[0]
    assert "range" in server.asked[1]
    assert target.read_bytes() == CONTENT


def test_nothing_but_silence_is_given_up(server: FileServer, target: Path) -> None:
    server.held.clear()
    try:
        message = refused(server, target, patience=Patience(1, 0.1, 1, 0.01))
    finally:
        server.held.set()
    assert "sent nothing for 0.1 s. Look at the connection" in message


def test_slow_is_not_silent(server: FileServer, target: Path) -> None:
    server.faults = [drips(8, 0.1)]
    get(server, target, sha256=RIGHT, patience=replace(QUICK, silence_s=0.6))
    assert len(server.asked) == 1


def test_a_machine_that_is_not_there(target: Path) -> None:
    with running() as gone:
        pass
    message = refused(gone, target)
    assert f"{gone.url()} could not be reached (Connection refused)." in message
    assert "Max retries" not in message


# What is not the right file.


def test_wrong_contents_are_deleted_and_named(server: FileServer, target: Path) -> None:
    server.content = CONTENT[::-1]
    message = refused(server, target, sha256=RIGHT)
    assert hashlib.sha256(server.content).hexdigest() in message
    assert RIGHT in message
    assert "net.onnx.part was deleted" in message
    assert left(target) == set()


def test_what_is_there_stays_where_the_new_one_is_wrong(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"older")
    server.content = b"wrong"
    with pytest.raises(WeightsError, match="sha256"):
        get(server, target, sha256=RIGHT)
    assert target.read_bytes() == b"older"


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_size_is_refused_before_it_is_fetched(
    server: FileServer, target: Path, size: int
) -> None:
    message = refused(server, target, size=size)
    assert f"has {len(CONTENT):,} bytes, but {size:,} are expected" in message
    assert left(target) == set()


def test_more_than_declared_is_not_taken(server: FileServer, target: Path) -> None:
    server.faults = [unannounced(CONTENT)]
    message = refused(server, target, size=50_000)
    assert "sends more than the 50,000 bytes that are expected" in message
    assert left(target) == set()


def test_without_a_declaration_there_is_an_end_too(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MOST", 60_000)
    server.faults = [unannounced(CONTENT)]
    assert "more than the 60,000 bytes" in refused(server, target)


def test_less_than_declared_is_not_taken(server: FileServer, target: Path) -> None:
    server.faults = [unannounced(CONTENT[:50_000])]
    get(server, target, size=len(CONTENT))
    assert len(server.asked) == 2
    assert target.read_bytes() == CONTENT


def test_nothing_is_no_file(server: FileServer, target: Path) -> None:
    server.content = b""
    assert "is empty" in refused(server, target)


def test_what_was_compressed_on_the_way_is_unpacked(server: FileServer, target: Path) -> None:
    server.faults = [sends(gzip.compress(CONTENT), Content_Encoding="gzip")]
    get(server, target, sha256=RIGHT, size=len(CONTENT))
    assert target.read_bytes() == CONTENT


# Addresses.


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/net.onnx",
        "ftp://example.org/net.onnx",
        "file:///etc/passwd",
        "net.onnx",
        "https://",
        "http://[::1/net.onnx",
        "http://127.0.0.1.example.org/net.onnx",
    ],
)
def test_only_https_is_used(url: str, target: Path) -> None:
    with pytest.raises(WeightsError, match="only https is"):
        download(url, target, Watch(), patience=QUICK)
    assert not target.parent.exists()


@pytest.mark.parametrize("to", ["http://example.org/net.onnx", "file:///etc/passwd", "//[x"])
def test_a_redirect_to_elsewhere_is_refused(server: FileServer, target: Path, to: str) -> None:
    server.faults = [answers(302, Location=to)]
    message = refused(server, target)
    assert "which is not used" in message or "no address" in message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(server: FileServer, target: Path, status: int) -> None:
    server.faults = [cut(40_000), answers(status, Location="/other/place?signed=1"), whole]
    get(server, target, sha256=RIGHT)
    assert server.asked[-1]["path"] == "/other/place?signed=1"
    assert "range" in server.asked[-1]
    assert target.read_bytes() == CONTENT


def test_redirects_in_a_ring_end(server: FileServer, target: Path) -> None:
    server.faults = [answers(302, Location="/weights/net.onnx")] * 99
    assert "more than 10 times" in refused(server, target)


def test_a_server_without_tls_is_not_trusted(server: FileServer, target: Path) -> None:
    url = server.url().replace("http:", "https:")
    with pytest.raises(WeightsError, match="no certificate that is trusted here, or speaks no TLS"):
        download(url, target, Watch(), patience=QUICK)


SECRET = "hunter2"


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that a traceback shows with it."""
    shows: BaseException | None = error
    while shows is not None:
        yield shows
        shows = shows.__cause__ or (None if shows.__suppress_context__ else shows.__context__)


@pytest.mark.parametrize(
    "faults",
    [
        [answers(404)],
        [answers(500)] * 9,
        [cut(100)] * 9,
        [silent(10, 2.0)] * 9,
        [sends(b"wrong")],
        [answers(302, Location=f"http://u:{SECRET}@example.org/x?key={SECRET}")],
        [answers(503, Retry_After="9999")],
    ],
)
def test_no_message_shows_what_is_secret_in_an_address(
    server: FileServer, target: Path, faults: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    server.faults = list(faults)
    url = server.url(f"/net.onnx?key={SECRET}#{SECRET}").replace("//", f"//me:{SECRET}@")
    watch = Watch()
    with pytest.raises(WeightsError) as ended:
        download(url, target, watch, sha256=RIGHT, patience=HASTY)
    texts = [repr(error) for error in chain(ended.value)]
    told = " ".join([*texts, *watch.notes, *capfd.readouterr()])
    assert SECRET not in told
    assert f"{server.address}/net.onnx" in told
    assert all(SECRET not in path.read_text("latin-1") for path in target.parent.iterdir())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a:b@example.org:8443/x/y.bin?q=1#f", "https://example.org:8443/x/y.bin"),
        ("https://[::1]:8/x", "https://[::1]:8/x"),
        ("https://example.org:port/x", "what is no address"),
    ],
)
def test_how_addresses_are_shown(url: str, expected: str) -> None:
    assert shown(url) == expected


def test_a_proxy_of_the_environment_is_used(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.address)
    download("http://localhost:9/net.onnx", target, Watch(), patience=QUICK)
    assert server.asked[0]["path"] == "http://localhost:9/net.onnx"
    assert target.read_bytes() == CONTENT


def test_a_proxy_that_is_not_there_is_named(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as gone:
        monkeypatch.setenv("HTTPS_PROXY", gone.address.replace("//", f"//me:{SECRET}@"))
    with pytest.raises(WeightsError, match="through the proxy") as ended:
        download("https://example.org/net.onnx", target, Watch(), patience=QUICK)
    assert SECRET not in str(ended.value)


# The disk, and other processes.


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("passes", [0, 1, 3])
def test_a_full_disk_is_one_sentence_and_is_gone_on_after(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch, call: str, passes: int
) -> None:
    real, calls = getattr(os, call), iter(range(99))

    def full(*arguments: Any) -> Any:
        if next(calls) >= passes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        try:
            get(server, target, sha256=RIGHT)
        except StoreError as error:
            assert error.exit_code == 4
            assert "The disk is full" in str(error)
            assert not target.exists() or target.read_bytes() == CONTENT
        else:
            assert call != "write"
    get(server, target, sha256=RIGHT)
    assert target.read_bytes() == CONTENT
    assert left(target) == {"net.onnx"}


def test_a_disk_without_room_is_told_before(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = (100, 90, 10)
    monkeypatch.setattr(
        transfer.shutil, "disk_usage", lambda path: type("U", (), {"free": usage[2]})()
    )
    with pytest.raises(StoreError, match="The disk is full"):
        get(server, target)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_not_be_written(server: FileServer, target: Path) -> None:
    target.parent.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="could not be written"):
        get(server, target)


def test_a_file_where_the_folder_should_be(server: FileServer, target: Path) -> None:
    target.parent.write_bytes(b"")
    with pytest.raises(StoreError, match="could not be written"):
        get(server, target)


@pytest.mark.parametrize("sha256", [RIGHT, None])
def test_two_at_once_fetch_once(server: FileServer, target: Path, sha256: str | None) -> None:
    server.held.clear()
    watches, errors = [Watch(), Watch()], []

    def one(watch: Watch) -> None:
        try:
            get(server, target, sha256=sha256, watch=watch, patience=Patience())
        except FxbenchError as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(watch,)) for watch in watches]
    for thread in threads:
        thread.start()
    for _ in range(500):
        if any(watch.notes for watch in watches):
            break
        threading.Event().wait(0.01)
    server.held.set()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert len(server.asked) == 1
    assert target.read_bytes() == CONTENT
    (note,) = watches[0].notes + watches[1].notes
    assert note == "Another process is fetching net.onnx: waiting until it is done."


@pytest.mark.skipif(os.name != "posix", reason="this system has no SIGKILL")
def test_a_process_that_is_killed_leaves_what_can_be_gone_on_with(
    server: FileServer, target: Path
) -> None:
    server.faults = [drips(20, 0.2)]
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fxbench.download.transfer import download\n"
        "class Watch:\n"
        "    def at(self, done, total): print(done, flush=True)\n"
        "    def note(self, text): pass\n"
        "download(sys.argv[1], Path(sys.argv[2]), Watch())\n"
    )
    command = [sys.executable, "-c", code, server.url(), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) > 20_000:
                break
        process.kill()
    assert not target.exists()
    get(server, target)
    assert "if-range" in server.asked[-1]
    assert target.read_bytes() == CONTENT
