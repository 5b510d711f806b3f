"""Runs on disk: atomic writes, schema numbers, and clear words for what can't be read."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from docs_text import first_column, section
from made_up_run import MadeUpRun

from fxbench.errors import SchemaError, StoreError, UsageError
from fxbench.files import write_atomic, write_json
from fxbench.leaderboard import leaderboard_rows, leaderboard_table
from fxbench.store import RunFolder, find, load
from fxbench.tabular import to_text

CELL = {"id": "a", "axes": {}, "status": "ok", "asked": True, "chunks": []}


def a_run(folder: Path, **changes: object) -> RunFolder:
    run = RunFolder(folder)
    run.write_run({"id": folder.name, "status": "finished", "images": {}, "plan": {}} | changes)
    run.compact([CELL, CELL | {"id": "b", "status": "failed"}])
    return run


def test_a_run_comes_back(tmp_path: Path) -> None:
    a_run(tmp_path / "one")
    stored = load(tmp_path / "one")
    assert stored.finished
    assert [cell["id"] for cell in stored.cells] == ["a", "b"]


def test_an_unfinished_run_shows_the_cells_it_has(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "one")
    run.write_run({"id": "one", "status": "running", "images": {}, "plan": {}})
    run.write_cell(CELL)
    stored = load(tmp_path / "one")
    assert not stored.finished
    assert [cell["id"] for cell in stored.cells] == ["a"]


def test_a_newer_schema_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    a_run(tmp_path / "one", schema=99)
    with pytest.raises(SchemaError, match="schema 99, but this version of fxbench reads up to 2"):
        load(tmp_path / "one")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is damaged"),
        ("[1]", "expected a JSON object"),
        ("{}", "no schema number"),
        ('{"schema": "1"}', "no schema number"),
        ('{"schema": 1}', "it lacks id, status, plan, images"),
        ("\xff", "is damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    a_run(tmp_path / "one")
    (tmp_path / "one" / "run.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(SchemaError, match=message) as raised:
        load(tmp_path / "one")
    assert "run.json" in str(raised.value)


def test_the_latest_run_is_found_and_a_wrong_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make one with `fxbench run`"):
        find(tmp_path, None)
    for moment, name in enumerate(("old", "new")):
        a_run(tmp_path / name, created=f"2026-01-0{moment + 1}")
    assert find(tmp_path, None).name == "new"
    assert find(tmp_path, "old").name == "old"
    assert find(tmp_path / "elsewhere", str(tmp_path / "old")).name == "old"
    with pytest.raises(UsageError, match=r"no run 'odl'.* old, new"):
        find(tmp_path, "odl")


def test_two_processes_don_t_write_one_run(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path / "one").lock(),
        pytest.raises(StoreError, match="Another fxbench process"),
        RunFolder(tmp_path / "one").lock(),
    ):
        pass


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "The disk is full"), (errno.EACCES, "could not be")]
)
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, message: str
) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"old": 1})

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StoreError, match=message) as raised:
            write_json(path, {"new": 2})
    assert raised.value.exit_code == 4
    assert json.loads(path.read_text()) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
        write_atomic(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files here")
def test_a_pipe_or_a_link_that_is_named_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe, file, link = (tmp_path / name for name in ("pipe", "file", "link"))
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomic(pipe, b"whole", asked="--junit")
        assert os.read(reader, 99) == b"whole"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    file.write_bytes(b"before")
    link.symlink_to(file)
    write_atomic(link, b"after", asked="-o")
    assert link.is_symlink()
    assert file.read_bytes() == b"after"
    with pytest.raises(StoreError, match="which -o names, could not be written"):
        write_atomic(tmp_path, b"", asked="-o")


def test_what_is_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"accuracy": float("nan")})


def test_a_leaderboard_is_made_without_parsing_the_details_of_cells(tmp_path: Path) -> None:
    MadeUpRun().write(tmp_path / "one")
    stored = load(tmp_path / "one")
    assert to_text(leaderboard_table(stored.cells, stored.run))
    assert leaderboard_rows(stored.cells)
    assert not any(dict.__contains__(cell, "confusion") for cell in stored.cells)
    assert all("confusion" in cell for cell in stored.cells)
    # A made-up record is like a real one: what a cell has is described in docs/results.md.
    assert set(stored.cells[0]) <= set(first_column(section("results.md", "### cells.jsonl")))


@pytest.mark.parametrize("content", [None, b""])
def test_a_finished_run_without_its_cells_is_damaged(tmp_path: Path, content: bytes | None) -> None:
    MadeUpRun(detectors=1, classifiers=2, conditions=0, images=20, drawn=1).write(tmp_path)
    assert len(load(tmp_path).cells) == 2
    cells = tmp_path / "cells.jsonl"
    cells.unlink() if content is None else cells.write_bytes(content)
    with pytest.raises(SchemaError, match="missing or empty"):
        load(tmp_path)
