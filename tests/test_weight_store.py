"""Weight files: found, compared, fetched and accepted; a wrong one is named and never loaded."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from file_server import CONTENT, FileServer, answers, cut, running
from pip_target import python

from fxbench import acceptance, registry, weight_store
from fxbench.availability import availability
from fxbench.cli import main
from fxbench.component import Component, Weights
from fxbench.errors import UsageError, WeightsError
from fxbench.kinds import KINDS
from fxbench.options import Options
from fxbench.registry import Entry, Plugin, Registry, RetiredEntry
from fxbench.retired import Retired
from fxbench.weights import check, inspect, search, store_folder, verified

RIGHT = hashlib.sha256(CONTENT).hexdigest()
MEND = "do as its source says."
PLUGIN = Plugin("acme", "acme", "acme", "1.0")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running() as files:
        yield files


def declared(name: str = "net.onnx", **fields: Any) -> Weights:
    """A file that is looked for in FXBENCH_WEIGHTS and the store."""
    known = {"locate": partial(search, name), "sha256": None, "mend": MEND} | fields
    return Weights(name, **known)


def at(path: Path, **fields: Any) -> Weights:
    """A file that is looked for at one place."""
    return declared(path.name, **({"locate": lambda: path} | fields))


def using(*weights: Weights, name: str = "acme") -> Component:
    return Component(name, "x", dict, weights=weights)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """Install classifiers, and nothing else."""

    def install(*components: Component) -> Registry:
        (kind,) = (kind for kind in KINDS if kind.name == "classifier")
        entries = tuple(Entry(kind, component, PLUGIN) for component in components)
        found = Registry((PLUGIN,), entries)
        monkeypatch.setattr(registry, "discover", lambda: found)
        return found

    return install


Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Called:
    """Call `fxbench weights`: exit code, output, messages."""

    def given(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["weights", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return ended.value.code, out, err

    return given


def put(folder: Path, name: str = "net.onnx", data: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path


# Looking for a file.


def test_where_a_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert search("net.onnx") is None
    stored = put(store_folder())
    assert store_folder() == tmp_path / "cache" / "weights"
    assert search("net.onnx") == stored
    second = put(tmp_path / "two")
    deep = put(tmp_path / "one" / "b" / "c")
    folders = [tmp_path / "nowhere", tmp_path / "one", tmp_path / "two"]
    monkeypatch.setenv("FXBENCH_WEIGHTS", os.pathsep.join(map(str, folders)))
    assert search("net.onnx") == deep
    first = put(tmp_path / "one" / "a")
    assert search("net.onnx") == first
    monkeypatch.setenv("FXBENCH_WEIGHTS", f"{os.pathsep}{tmp_path / 'two'}")
    assert search("net.onnx") == second
    # A folder of that name is none.
    (tmp_path / "two" / "other.onnx").mkdir()
    assert search("other.onnx") is None


def test_a_name_is_no_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path / "one"))
    put(tmp_path / "one", "a.onnx")
    assert search("[a].onnx") is None
    literal = put(tmp_path / "one", "[a].onnx")
    assert search("[a].onnx") == literal


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../net.onnx", "a/b", "/etc/passwd", "a\\b", "C:x", "*.onnx", "a\0b"]
)
def test_a_path_is_no_name(name: str, installed: Any, call: Called, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no plain file name"):
        search(name)
    outside = put(tmp_path / "outside")
    weights = Weights(name, lambda: outside, None, MEND, url="http://127.0.0.1:9/x")
    (file,) = weight_store.files(installed(using(weights)))
    assert file.found.state == "unreadable"
    code, _, err = call("fetch", "acme")
    assert code == 3
    assert "no plain file name" in err
    assert not store_folder().exists()


# Comparing.


@pytest.mark.parametrize(
    ("data", "fields", "state", "why"),
    [
        (CONTENT, {"sha256": RIGHT}, "verified", ""),
        (CONTENT, {"sha256": RIGHT.upper(), "bytes": len(CONTENT)}, "verified", ""),
        (CONTENT, {}, "unverified", ""),
        (CONTENT, {"bytes": len(CONTENT)}, "unverified", ""),
        (CONTENT[:-1], {"sha256": RIGHT}, "damaged", "damaged or another one"),
        (CONTENT[:-1], {"sha256": RIGHT, "bytes": len(CONTENT)}, "damaged", "is cut off"),
        (CONTENT[:-1], {"bytes": len(CONTENT)}, "damaged", "102,399 bytes, but its declaration"),
        (CONTENT + b"x", {"bytes": len(CONTENT)}, "damaged", "damaged or another one"),
        (b"", {"bytes": 1}, "damaged", "is cut off"),
        (CONTENT[::-1], {"sha256": RIGHT, "bytes": len(CONTENT)}, "damaged", f"expects {RIGHT}"),
    ],
)
def test_the_states_of_a_file(
    tmp_path: Path, data: bytes, fields: dict[str, Any], state: str, why: str
) -> None:
    path = put(tmp_path, data=data)
    weights = at(path, **fields)
    found = inspect(weights)
    assert (found.state, found.path, found.bytes) == (state, path, len(data))
    assert why in found.why
    assert bool(found.why) == (state == "damaged")
    if state == "damaged":
        for load in (lambda: check(using(weights)), lambda: verified("acme", weights)):
            with pytest.raises(WeightsError) as refused:
                load()
            message = str(refused.value)
            assert message == f"acme doesn't load its weights: {path} {found.why}. {MEND}"
    else:
        assert verified("acme", weights) == path
        digest = hashlib.sha256(data).hexdigest()
        assert check(using(weights)) == {"net.onnx": {"sha256": digest, "state": state}}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for weights in (declared(), at(tmp_path / "net.onnx"), at(tmp_path)):
        assert inspect(weights).state == "missing"
        with pytest.raises(WeightsError, match=f"needs its weights: {weights.name} was not found"):
            check(using(weights))
        with pytest.raises(WeightsError, match=MEND):
            verified("acme", weights)


def test_a_search_that_fails() -> None:
    def fails() -> Path:
        raise RuntimeError("no home")

    weights = declared(locate=fails)
    assert inspect(weights).state == "unreadable"
    with pytest.raises(WeightsError, match="could not be looked for: no home"):
        check(using(weights))


def test_a_file_that_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = at(put(tmp_path))
    weight_store.forget()

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "open", fails)
    found = inspect(weights)
    assert (found.state, found.why) == ("unreadable", "can't be read: Input/output error")
    with pytest.raises(WeightsError, match="Input/output error"):
        verified("acme", weights)


# Accepting.


def test_what_a_person_accepts_holds_until_it_changes(
    tmp_path: Path, installed: Any, call: Called
) -> None:
    path = put(tmp_path / "here")
    weights = at(path)
    installed(using(weights))
    code, out, _ = call("verify", "net.onnx")
    assert code == 0
    assert "net.onnx: unverified" in out
    assert RIGHT in out
    assert "fxbench weights verify net.onnx --accept" in out

    code, out, _ = call("verify", "net.onnx", "--accept")
    assert code == 0
    assert f"net.onnx: accepted, {path}" in out
    assert check(using(weights)) == {"net.onnx": {"sha256": RIGHT, "state": "accepted"}}
    assert inspect(weights).accepted[:2] == "20"

    path.write_bytes(CONTENT[::-1])
    found = inspect(weights)
    assert found.state == "damaged"
    assert "but what was accepted on 20" in found.why
    assert "fxbench weights verify net.onnx --accept" in found.why
    with pytest.raises(WeightsError, match="the file has changed"):
        check(using(weights))
    assert call("verify")[0] == 1

    # The new contents may be accepted too, and the old ones stay so.
    assert call("verify", "acme", "--accept")[0] == 0
    assert inspect(weights).state == "accepted"
    path.write_bytes(CONTENT)
    assert inspect(weights).state == "accepted"


def test_what_is_accepted_is_kept_by_name_and_contents(tmp_path: Path) -> None:
    acceptance.accept("a.bin", RIGHT, len(CONTENT))
    acceptance.accept("a.bin", RIGHT, len(CONTENT))
    assert len(acceptance.accepted("a.bin")) == 1
    assert inspect(at(put(tmp_path, "b.bin"))).state == "unverified"
    assert inspect(at(put(tmp_path, "a.bin"))).state == "accepted"
    record = json.loads((tmp_path / "config" / "accepted-weights.json").read_text())
    (entry,) = record["accepted"]["a.bin"]
    assert (record["schema"], entry["sha256"], entry["bytes"]) == (1, RIGHT, len(CONTENT))


def test_a_declared_file_can_not_be_accepted(tmp_path: Path, installed: Any, call: Called) -> None:
    right = at(put(tmp_path, "right.bin"), sha256=RIGHT)
    wrong = at(put(tmp_path, "wrong.bin", b"x"), sha256=RIGHT)
    short = at(put(tmp_path, "short.bin", b"x"), bytes=2)
    installed(using(right, wrong, short, at(tmp_path / "gone.bin")))
    for name, says in (
        ("right.bin", "nothing to accept"),
        ("wrong.bin", "its right sha256 is declared"),
        ("short.bin", "cut off"),
        ("gone.bin", "was not found"),
    ):
        code, _, err = call("verify", name, "--accept")
        assert code == 2
        assert says in err
    code, _, err = call("verify", "--accept")
    assert code == 2
    assert "--accept needs the names" in err
    assert not (tmp_path / "config").exists()


def test_of_a_component_that_is_accepted_only_what_is_open_is_recorded(
    tmp_path: Path, installed: Any, call: Called
) -> None:
    files = (at(put(tmp_path, "right.bin"), sha256=RIGHT), at(put(tmp_path, "open.bin")))
    installed(using(*files))
    code, out, _ = call("verify", "acme", "--accept")
    assert code == 0
    assert "open.bin: accepted" in out
    assert "right.bin: verified" in out
    assert acceptance.accepted("right.bin") == ()


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "[]",
        '{"schema": 2, "accepted": {}}',
        '{"schema": 1, "accepted": []}',
        '{"schema": 1, "accepted": {"net.onnx": {}}}',
        '{"schema": 1, "accepted": {"net.onnx": [{"sha256": 1}]}}',
        '{"schema": 1, "accepted": {"net.onnx": [{"sha256": 1, "bytes": 1, "when": ""}]}}',
    ],
)
def test_a_record_that_can_not_be_read_accepts_nothing_and_is_not_overwritten(
    tmp_path: Path, text: str
) -> None:
    weights = at(put(tmp_path))
    record = put(tmp_path / "config", "accepted-weights.json", text.encode())
    found = inspect(weights)
    assert found.state == "unverified"
    assert str(record) in found.why
    with pytest.raises(WeightsError, match="accept the files again"):
        acceptance.accept("net.onnx", RIGHT, 1)
    assert record.read_text() == text


def test_verify_reads_again(tmp_path: Path, installed: Any, call: Called) -> None:
    path = put(tmp_path)
    installed(using(at(path, sha256=RIGHT)))
    assert call("verify")[0] == 0
    # A disk that fails changes neither size nor time.
    before = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    code, out, _ = call("verify")
    assert code == 1
    assert "net.onnx: damaged" in out
    assert MEND in out


def test_a_missing_file_fails_only_who_is_asked_for(installed: Any, call: Called) -> None:
    installed(using(declared()))
    assert call("verify") == (0, "", "")
    code, out, _ = call("verify", "acme")
    assert code == 1
    assert f"net.onnx: missing: net.onnx was not found. {MEND}" in out
    code, out, _ = call("verify", "--json", "net.onnx")
    assert code == 1
    assert json.loads(out)[0]["state"] == "missing"


# The list.


def test_components_share_a_file(tmp_path: Path, installed: Any) -> None:
    path = put(tmp_path / "here")
    other = put(tmp_path / "there")
    found = weight_store.files(
        installed(
            using(at(path, sha256=RIGHT), name="one"),
            using(at(path, sha256=RIGHT, licence="MIT", bytes=len(CONTENT)), name="two"),
            using(at(other, sha256=RIGHT), name="three"),
            using(at(path, sha256="0" * 64), declared("alone.bin"), name="four"),
        )
    )
    assert [(file.name, file.components, file.found.state) for file in found] == [
        ("alone.bin", ("four",), "missing"),
        ("net.onnx", ("four",), "damaged"),
        ("net.onnx", ("one", "two"), "verified"),
        ("net.onnx", ("three",), "verified"),
    ]
    assert found[2].weights.licence == "MIT"
    assert found[2].weights.bytes == len(CONTENT)


def test_the_list(tmp_path: Path, installed: Any, call: Called) -> None:
    installed(
        using(
            at(put(tmp_path), sha256=RIGHT, licence="MIT [x]"),
            at(put(tmp_path, "open.bin")),
            at(put(tmp_path, "short.bin", b"x"), bytes=2_500_000),
            declared("far.bin", url="https://me:pw@example.org/far.bin?key=pw", bytes=2_500_000),
        )
    )
    code, out, _ = call("list")
    assert code == 0
    text = " ".join(out.split())
    for words in (
        "net.onnx verified 102.4 kB acme MIT [x]",
        "open.bin unverified 102.4 kB",
        "→ fxbench weights verify open.bin --accept",
        "short.bin damaged 1 byte ",
        "the file is cut off.",
        "far.bin missing 2.5 MB acme → fxbench weights fetch far.bin",
    ):
        assert words in text
    code, out, _ = call("list", "--json")
    assert code == 0
    far, net, *_ = json.loads(out)
    assert (far["file"], far["path"], far["state"]) == ("far.bin", None, "missing")
    assert far["url"] == "https://example.org/far.bin"
    assert (net["components"], net["sha256"], net["licence"]) == (["acme"], RIGHT, "MIT [x]")


def test_nothing_heavy_is_imported_for_the_list() -> None:
    code = (
        "import sys\n"
        "from fxbench.cli import main\n"
        "try: main(['weights', 'list', '--json'])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    out = python("-c", code).stdout
    loaded = set(out.splitlines())
    assert not {"numpy", "pandas", "cv2", "tensorflow", "requests", "dlib"} & loaded
    assert '"file": "emopy.weights.h5"' in out


@pytest.mark.parametrize("action", ["fetch", "verify"])
def test_unknown_names(installed: Any, call: Called, action: str) -> None:
    found = installed(using(declared()))
    code, _, err = call(action, "net.onx")
    assert code == 2
    assert "did you mean 'net.onnx'?" in err
    with pytest.raises(UsageError, match="did you mean 'acme'"):
        weight_store.chosen(weight_store.files(found), ["acm"], found)
    code, _, err = call("fetsh")
    assert code == 2
    assert "did you mean 'fetch'?" in err


@pytest.mark.parametrize("action", ["fetch", "verify"])
def test_a_component_without_files_is_told_apart(
    installed: Any, call: Called, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    found = installed(using(declared()), using(name="bare"))
    gone = RetiredEntry(found.entries[0].kind, Retired("old", "Its vendor stopped it."), PLUGIN)
    monkeypatch.setattr(registry, "discover", lambda: replace(found, retired=(gone,)))
    assert call(action, "bare") == (2, "", "Error: bare has no weight files.\n")
    code, _, err = call(action, "old")
    assert code == 2
    assert "There is no classifier 'old': Its vendor stopped it." in err


def test_a_file_of_deepface_is_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = put(tmp_path / "deepface" / ".deepface" / "weights")
    assert search("net.onnx") == theirs
    monkeypatch.delenv("DEEPFACE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "deepface"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "deepface"))
    assert search("net.onnx") == theirs
    stored = put(store_folder())
    assert search("net.onnx") == stored


def test_a_wrong_size_is_known_without_reading(
    tmp_path: Path, installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = put(tmp_path / "mine", data=b"bad")
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path / "mine"))
    (entry,) = installed(using(declared(bytes=4, url="https://example.org/net.onnx"))).entries
    state = availability(entry, Options({}))
    assert state.state == "missing weights"
    assert state.mend == f"delete or replace {bad}, then {MEND}"
    assert state.detail == (
        f"It needs net.onnx: {bad} has 3 bytes, but its declaration expects 4: the file is "
        "cut off. Delete or replace that file first."
    )
    bad.write_bytes(b"good")
    assert availability(entry, Options({})).state == "ready"
    bad.unlink()
    # A fetched file replaces that of the store.
    put(store_folder(), data=b"bad")
    state = availability(entry, Options({}))
    assert state.detail.endswith("the file is cut off.")
    assert state.mend == MEND


def test_what_lacks_several_files_is_fetched_as_a_whole(installed: Any, call: Called) -> None:
    url = "https://example.org/x"
    found = installed(using(declared("a.bin", url=url), declared("b.bin", url=url)))
    state = availability(found.entries[0], Options({}))
    assert (state.detail, state.mend) == ("It needs a.bin, b.bin.", "fxbench weights fetch acme")
    for named, wanted in (("acme", ["acme", "acme"]), ("b.bin", ["b.bin"])):
        _, out, _ = call("verify", named)
        mends = [line.rpartition(" was not found. ")[2] for line in out.splitlines()]
        assert mends == [f"fxbench weights fetch {name}" for name in wanted]
    installed(using(declared("a.bin"), declared("b.bin", url=url)))
    assert call("verify", "a.bin")[1].endswith(f"{MEND}\n")


def test_licences_that_differ_are_all_shown(installed: Any, call: Called) -> None:
    installed(
        using(declared(licence="MIT"), name="one"),
        using(declared(licence="not stated"), name="two"),
        using(declared(licence="MIT"), name="three"),
    )
    assert call("list")[1].count("MIT") == 1
    assert "not stated" in call("list")[1]
    (record,) = json.loads(call("list", "--json")[1])
    assert record["licence"] == "MIT; or: not stated"


# Fetching.


def test_the_address_of_who_was_named_comes_first(
    server: FileServer, installed: Any, call: Called
) -> None:
    known = {"sha256": RIGHT}
    installed(
        using(declared(url=server.url("/a"), **known), name="a"),
        using(declared(url=server.url("/b"), bytes=len(CONTENT), **known), name="b"),
        using(declared(url=server.url("/c"), **known), name="c"),
    )
    for named, order in (("c", "cba"), ("net.onnx", "bac"), ("--all", "bac")):
        server.asked.clear()
        server.faults = [answers(404), answers(404)]
        code, out, err = call("fetch", named)
        assert code == 0
        assert "net.onnx: verified" in out
        assert [asked["path"] for asked in server.asked] == [f"/{one}" for one in order]
        assert f"/{order[0]} answered 404 Not Found: nothing was fetched. Trying " in err
        (store_folder() / "net.onnx").unlink()
    server.faults = [answers(404)] * 3
    assert call("fetch", "a")[0] == 3


def test_files_are_fetched_once(server: FileServer, installed: Any, call: Called) -> None:
    installed(using(declared(url=server.url(), sha256=RIGHT, bytes=len(CONTENT))))
    code, out, err = call("fetch", "net.onnx")
    assert code == 0
    assert out == f"net.onnx: verified, {store_folder() / 'net.onnx'}\n"
    assert "net.onnx: 0 bytes of 102.4 kB" in err
    code, out, _ = call("fetch", "acme")
    assert code == 0
    assert "net.onnx: is there already: verified" in out
    assert call("fetch", "--all") == (0, "", "")
    assert len(server.asked) == 1


def test_without_a_sha256_the_file_is_unverified_until_it_is_accepted(
    server: FileServer, installed: Any, call: Called
) -> None:
    weights = declared(url=server.url())
    installed(using(weights))
    code, out, _ = call("fetch", "acme")
    assert code == 0
    assert "net.onnx: unverified" in out
    assert "fxbench weights verify net.onnx --accept" in out
    assert call("verify", "net.onnx", "--accept")[0] == 0
    assert check(using(weights))["net.onnx"]["state"] == "accepted"


def test_one_that_fails_stops_no_other(server: FileServer, installed: Any, call: Called) -> None:
    server.faults = [answers(404)]
    installed(
        using(
            declared("a.bin", url=server.url("/a.bin")),
            declared("b.bin", url=server.url("/b.bin"), sha256=RIGHT),
            declared("c.bin"),
        )
    )
    code, out, err = call("fetch", "--all")
    assert code == 3
    assert f"Error: {server.address}/a.bin answered 404 Not Found" in err
    assert f"c.bin can't be fetched by fxbench: {MEND}" in err
    assert out == f"b.bin: verified, {store_folder() / 'b.bin'}\n"


def test_what_can_not_be_fetched_says_how_it_is_got(installed: Any, call: Called) -> None:
    installed(using(declared()))
    code, out, err = call("fetch", "net.onnx")
    assert (code, out) == (3, "")
    assert err == f"Error: net.onnx can't be fetched by fxbench: {MEND}\n"
    assert call("fetch", "--all")[0] == 0
    for arguments, says in (((), "Say what to fetch"), (("--all", "acme"), "not both")):
        code, _, err = call("fetch", *arguments)
        assert code == 2
        assert says in err


def test_a_damaged_file_of_the_store_is_replaced(
    server: FileServer, installed: Any, call: Called
) -> None:
    path = put(store_folder(), data=CONTENT[:100])
    installed(using(declared(url=server.url(), sha256=RIGHT)))
    assert call("fetch", "net.onnx")[0] == 0
    assert path.read_bytes() == CONTENT


def test_a_damaged_file_that_is_found_first_is_named(
    server: FileServer,
    installed: Any,
    call: Called,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = put(tmp_path / "mine", data=b"bad")
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path / "mine"))
    installed(using(declared(url=server.url(), sha256=RIGHT)))
    for _ in range(2):
        code, _, err = call("fetch", "net.onnx")
        assert code == 3
        assert f"acme finds {bad} instead, which has the sha256" in err
        assert "Delete or replace that file first." in err
    assert len(server.asked) == 1
    assert bad.read_bytes() == b"bad"
    bad.unlink()
    assert call("fetch", "net.onnx")[0] == 0


def test_a_component_that_does_not_look_into_the_store_is_named(
    server: FileServer, installed: Any, call: Called
) -> None:
    installed(using(declared(url=server.url(), locate=lambda: None)))
    code, _, err = call("fetch", "net.onnx")
    assert code == 3
    assert f"is fetched, but acme doesn't find it: {MEND}" in err


def test_a_file_never_replaces_another_of_its_name(
    server: FileServer, installed: Any, call: Called
) -> None:
    path = put(store_folder(), data=b"mine")
    mine = hashlib.sha256(b"mine").hexdigest()
    installed(
        using(declared(sha256=mine), name="one"),
        using(declared(sha256=RIGHT, url=server.url()), name="two"),
    )
    code, _, err = call("fetch", "two")
    assert code == 3
    assert "another file of this name is in the store, for one" in err
    assert path.read_bytes() == b"mine"
    assert server.asked == []


def test_of_two_files_of_one_name_the_first_is_fetched_and_stays(
    server: FileServer, installed: Any, call: Called
) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    installed(
        using(declared(sha256=RIGHT, url=server.url()), name="one"),
        using(declared(sha256=other, url=server.url("/other")), name="two"),
        using(declared(sha256=RIGHT, url=server.url("/copy")), name="three"),
    )
    code, out, err = call("fetch", "--all")
    assert code == 3
    assert "another file of this name is in the store, for one, three" in err
    assert "net.onnx: verified" in out
    assert search("net.onnx").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_contents_that_are_wrong_are_an_error_and_no_file(
    server: FileServer, installed: Any, call: Called
) -> None:
    installed(using(declared(url=server.url(), sha256="0" * 64)))
    code, _, err = call("fetch", "acme")
    assert code == 3
    assert RIGHT in err
    assert not (store_folder() / "net.onnx").exists()


def test_a_full_disk_is_one_sentence(
    server: FileServer, installed: Any, call: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(using(declared(url=server.url(), sha256=RIGHT)))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        code, out, err = call("fetch", "--all")
    assert (code, out) == (4, "")
    (line,) = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert "The disk is full" in line
    assert call("fetch", "--all")[0] == 0


def test_ctrl_c_keeps_what_came(
    server: FileServer, installed: Any, call: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fxbench.cli import weights

    class Stops(weights._Bar):
        def at(self, done: int, total: int | None) -> None:
            if done > 50_000:
                raise KeyboardInterrupt

    installed(using(declared(url=server.url(), sha256=RIGHT)))
    with monkeypatch.context() as patch:
        patch.setattr(weights, "_Bar", Stops)
        code, _, err = call("fetch", "--all")
    assert code == 130
    assert err.strip() == "Interrupted. The same command goes on where it stopped."
    assert call("fetch", "--all")[0] == 0
    assert server.asked[1]["range"] > "bytes=5"


def test_on_a_terminal_there_is_a_bar(server: FileServer, tmp_path: Path) -> None:
    from rich.console import Console

    from fxbench.cli.weights import _Bar
    from fxbench.download.transfer import download

    server.faults = [cut(40_000)]
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120)
    with _Bar(console, "net [b]") as bar:
        download(server.url(), tmp_path / "net.onnx", bar)
    shown = file.getvalue()
    assert "net [b]" in shown
    assert "kB" in shown
    assert "broke the connection off: trying again" in shown


# Where else it is told.


def test_doctor_and_show_tell_the_states(
    tmp_path: Path,
    installed: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fxbench import doctor
    from fxbench.cli import show

    acceptance.accept("yes.bin", RIGHT, len(CONTENT))
    found = installed(
        using(
            at(put(tmp_path, "yes.bin")),
            at(put(tmp_path, "no.bin")),
            at(put(tmp_path, "short.bin", b"x"), bytes=2),
            declared("far.bin", url="https://example.org/far.bin"),
            declared("lost.bin"),
        )
    )
    monkeypatch.setattr(doctor, "discover", lambda: found)
    monkeypatch.setattr(doctor, "inventory", lambda **_: [])
    monkeypatch.setattr(show, "discover", lambda: found)
    diagnosis = doctor.examine(tmp_path / "results")
    states = {file.name: file.state for file in diagnosis.weights}
    expected = {
        "yes.bin": "accepted",
        "no.bin": "unverified",
        "short.bin": "damaged",
        "far.bin": "missing",
        "lost.bin": "missing",
    }
    assert states == expected
    (broken,) = diagnosis.broken
    assert "cut off" in broken.what
    assert broken.mend == MEND
    mends = {finding.what: finding.mend for finding in diagnosis.missing}
    assert mends["acme needs the weights lost.bin."] == MEND
    assert mends["Weights that can be fetched, for acme."] == "fxbench weights fetch acme"

    for command, count in (
        (["doctor"], "1 accepted; 1 unverified (no.bin); 1 damaged"),
        (["show", "acme"], "state: accepted"),
    ):
        with pytest.raises(SystemExit):
            main(command)
        assert count in " ".join(capsys.readouterr().out.split())
