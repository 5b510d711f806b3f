"""Results on object storage, by way of a copy: fsspec's own storage in memory stands for it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

fsspec = pytest.importorskip("fsspec")

from made_up_run import MadeUpRun  # noqa: E402 - after what may be skipped

import fxbench  # noqa: E402
from fxbench.cli import main  # noqa: E402
from fxbench.errors import StoreError, UnavailableError, UsageError  # noqa: E402
from fxbench.places import Place, is_remote  # noqa: E402
from fxbench.store import RunFolder, load  # noqa: E402

ADDRESS = "memory://bucket/results"
SMALL = MadeUpRun(detectors=1, classifiers=2, conditions=0, images=20)


@pytest.fixture
def storage() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each name is another machine with a copy of its own."""

    def make(name: str) -> Place:
        monkeypatch.setenv("FXBENCH_CACHE", str(tmp_path / name))
        return Place(ADDRESS)

    return make


def names(storage: Any) -> set[str]:
    return {path.removeprefix("/bucket/results/") for path in storage.store}


def test_what_one_machine_puts_another_fetches(storage: Any, machine: Any) -> None:
    here = machine("here")
    SMALL.write(here.folder / "one")
    (here.folder / "one" / ".lock").touch()
    assert here.put() == 4
    (answers,) = (here.folder / "one" / "answers").iterdir()
    assert names(storage) == {
        "one/run.json",
        "one/cells.jsonl",
        "one/paired.parquet",
        f"one/answers/{answers.name}",
    }
    there = machine("there")
    assert there.folder != here.folder
    there.fetch()
    assert load(there.folder / "one").cells == load(here.folder / "one").cells
    assert there.put() == 0


def test_the_record_of_a_run_is_put_last(
    storage: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, order = machine("here"), []
    put = storage.put_file
    monkeypatch.setattr(
        type(storage), "put_file", lambda self, a, b, **k: (order.append(b), put(a, b, **k))
    )
    SMALL.write(here.folder / "one")
    here.put()
    assert order[-1].endswith("one/run.json")


def test_only_what_is_new_travels(storage: Any, machine: Any) -> None:
    here, there = machine("here"), machine("there")
    SMALL.write(here.folder / "one")
    here.put()
    there.fetch()
    RunFolder(there.folder / "one").write_run(load(there.folder / "one").run | {"images": {"n": 1}})
    assert there.put() == 1
    here.fetch()
    assert load(here.folder / "one").run["images"] == {"n": 1}
    assert here.put() == 0


def test_what_is_removed_is_removed_there_and_elsewhere(storage: Any, machine: Any) -> None:
    here, there = machine("here"), machine("there")
    run = RunFolder(here.folder / "one")
    run.write_run({"id": "one", "status": "running", "plan": {}, "images": {}})
    run.write_cell({"id": "a", "axes": {}, "status": "ok", "asked": True})
    here.put()
    there.fetch()
    assert (there.folder / "one" / "cells" / "a.json").is_file()
    run.tidy()
    here.put()
    assert names(storage) == {"one/run.json"}
    there.fetch()
    assert not (there.folder / "one" / "cells" / "a.json").exists()


def test_what_could_not_be_put_stays_and_is_put_next_time(
    storage: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("here")
    SMALL.write(here.folder / "one")

    def fail(*_: object, **__: object) -> None:
        raise PermissionError("no rights")

    with monkeypatch.context() as patch:
        patch.setattr(type(storage), "put_file", fail)
        with pytest.raises(StoreError, match="can't be written: PermissionError: no rights") as it:
            here.put()
    assert str(here.folder) in str(it.value)
    here.fetch()
    assert load(here.folder / "one").finished
    assert here.put() == 4


def put_raw(storage: Any, path: str, content: bytes = b"theirs") -> None:
    """An object of any name, as storage takes them."""
    with storage.open("/bucket/results/ordinary", "wb") as file:
        file.write(content)
    storage.store[path] = storage.store.pop("/bucket/results/ordinary")


@pytest.mark.parametrize(
    "name", ["/{}/evil", "../../evil", "one/../../evil", "a//b", "./a", "a\\b", "C:evil", "a\0b"]
)
def test_no_object_is_written_outside_of_the_copy(
    storage: Any, machine: Any, tmp_path: Path, name: str
) -> None:
    here = machine("here")
    put_raw(storage, "/bucket/results/a-good-one")
    put_raw(storage, f"/bucket/results/{name.format(tmp_path)}")
    with pytest.raises(StoreError, match=r"which is none below a folder\. .* remove it"):
        here.fetch()
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(tmp_path.rglob("a-good-one"))


def test_a_link_in_the_copy_leads_nowhere(storage: Any, machine: Any, tmp_path: Path) -> None:
    here = machine("here")
    here.folder.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (here.folder / "one").symlink_to(tmp_path / "outside")
    put_raw(storage, "/bucket/results/one/run.json")
    with pytest.raises(StoreError, match=r"outside of .*, by a link"):
        here.fetch()
    assert not list((tmp_path / "outside").iterdir())


def test_an_object_that_stands_for_a_folder_is_passed_over(storage: Any, machine: Any) -> None:
    here = machine("here")
    put_raw(storage, "/bucket/results/", b"")
    here.fetch()
    assert not [path for path in here.folder.iterdir() if not path.name.startswith(".places")]


@pytest.mark.parametrize("key", ["../../mine", "/mine"])
def test_what_is_known_removes_nothing_outside(
    storage: Any, machine: Any, tmp_path: Path, key: str
) -> None:
    here = machine("here")
    here.fetch()
    (mine := here.folder.parent.parent / "mine").touch()
    (here.folder / ".places.json").write_text(json.dumps({key: [None, None]}))
    for act in (here.fetch, here.put):
        with pytest.raises(StoreError, match="none below a folder"):
            act()
    assert mine.exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_damage_in_what_is_known_is_said(storage: Any, machine: Any, text: str) -> None:
    here = machine("here")
    here.fetch()
    (here.folder / ".places.json").write_text(text)
    with pytest.raises(StoreError, match=r"\.places\.json is damaged"):
        here.fetch()


def test_storage_that_is_not_there_is_said_and_no_password(
    storage: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "memory://me:hush@bucket/results?signature=hush"

    def fail(url: str) -> None:
        raise ConnectionRefusedError(f"nobody at {url}")

    with monkeypatch.context() as patch:
        patch.setattr(fsspec.core, "url_to_fs", fail)
        with pytest.raises(StoreError, match=r"//bucket/results can't be opened: Conn") as opening:
            Place(address)

    def vanish(*_: object, **__: object) -> None:
        raise FileNotFoundError(f"no such bucket: {address}")

    place = Place(address)
    SMALL.write(place.folder / "one")
    monkeypatch.setattr(type(storage), "put_file", vanish)
    with pytest.raises(StoreError, match="can't be written: FileNotFoundError") as writing:
        place.put()
    assert "hush" not in f"{opening.value} {writing.value}"


def test_what_vanishes_while_it_is_fetched_is_gone(
    storage: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(self: object, path: str, local: str, **_: object) -> None:
        Path(local).touch()
        raise FileNotFoundError(path)

    here = machine("here")
    put_raw(storage, "/bucket/results/one/run.json")
    monkeypatch.setattr(type(storage), "get_file", vanish)
    here.fetch()
    assert not list((here.folder / "one").iterdir())


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("nowhere://x", UsageError, "nowhere://x can't be opened: Protocol not known"),
        ("adl://x/y", UnavailableError, "Install that package with pip"),
    ],
)
def test_an_address_that_nobody_can_open_is_said(
    address: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Place(address)


def test_a_path_is_no_address() -> None:
    assert not is_remote("results")
    assert not is_remote("file:///tmp/results")
    assert is_remote("s3://bucket/results")


def test_commands_take_an_address(
    storage: Any, machine: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--results", ADDRESS])
        assert ended.value.code == 0
        return capsys.readouterr().out

    here = machine("here")
    SMALL.write(here.folder / "one")
    here.put()
    machine("there")
    rows = json.loads(command("leaderboard", "one", "--format", "json"))
    assert [row["classifier"] for row in rows] == ["classifier-0", "classifier-1"]


def test_a_run_is_put_when_it_is_done(
    storage: Any, machine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine("here")
    monkeypatch.chdir(tmp_path)
    command = (
        "run --datasets mini --detectors full-frame --classifiers prior --attacks none --limit 20 "
        f"--no-latency --results {ADDRESS}"
    )
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command))
    assert ended.value.code == 0
    (record,) = [path for path in storage.store if path.endswith("/run.json")]
    assert json.loads(storage.cat_file(record))["status"] == "finished"
    assert any(name.endswith("/cells.jsonl") for name in names(storage))
    assert not any("/cells/" in name or name.endswith(".lock") for name in names(storage))
    assert not (tmp_path / "results").exists()


def test_python_takes_an_address(
    storage: Any, machine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine("here")
    monkeypatch.chdir(tmp_path)
    plan = {"datasets": "mini", "detectors": "full-frame", "classifiers": "prior", "limit": 20}
    made = fxbench.run(**plan, attacks="none", latency=False, threads=1, results=ADDRESS)
    machine("there")
    found = fxbench.load(made.folder.name, results=ADDRESS)
    assert found.folder != made.folder
    assert found.cells.equals(made.cells)
    assert not (tmp_path / "memory:").exists()


def test_messages_name_the_address_and_not_the_copy(
    storage: Any,
    machine: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine("here")
    monkeypatch.chdir(tmp_path)
    plan = "--datasets mini --detectors full-frame --classifiers prior --attacks none --limit 20"
    for arguments, message in (
        ("tables", f"Error: There is no run in {ADDRESS}: make one"),
        (f"run {plan} --no-latency", f"Run: {ADDRESS}/mini-test-"),
        ("tables nobody", f"There is no run 'nobody'; in {ADDRESS} there are: mini-test-"),
    ):
        with pytest.raises(SystemExit):
            main([*shlex.split(arguments), "--results", ADDRESS])
        told = capsys.readouterr()
        assert message in told.out + told.err
        assert str(tmp_path / "here") not in told.out + told.err
