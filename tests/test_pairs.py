"""The paired tests of a run in their file, and out of the cells of older runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fxbench import pairs
from fxbench.errors import SchemaError
from fxbench.scoring import rank
from fxbench.store import load


def a_family(names: str, seed: int = 0) -> pairs.Pairs:
    rng = np.random.default_rng(seed)
    right = rng.random((len(names), 80)) < rng.random((len(names), 1))
    return rank(list(zip(names, right, strict=True)))[1]


def columns(tests: pairs.Pairs) -> list[tuple[object, ...]]:
    """Every test as a row, with the names of its cells."""
    names = np.array(tests.cells)
    numbers = (getattr(tests, name).tolist() for name in ("better", "worse", "p", "p_holm"))
    return sorted(zip(names[tests.first], names[tests.second], *numbers, strict=True))


def test_tests_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    given = pairs.joined([a_family("abcd"), a_family("xyz", 1), a_family("q")])
    assert len(given) == 6 + 3
    pairs.write(tmp_path, given)
    back = pairs.read(tmp_path)
    assert back.cells == tuple("abcdxyzq")
    assert columns(back) == columns(given)
    for cell in given.cells:
        assert back.of(cell) == given.of(cell)


def test_a_test_is_seen_from_both_of_its_cells() -> None:
    tests = a_family("abc")
    (to_b, _), (to_a, _) = tests.of("a"), tests.of("b")
    assert (to_b["cell"], to_a["cell"]) == ("b", "a")
    assert (to_b["better"], to_b["worse"]) == (to_a["worse"], to_a["better"])
    assert (to_b["p"], to_b["p_holm"]) == (to_a["p"], to_a["p_holm"])
    assert tests.of("unknown") == []


@pytest.mark.parametrize("parts", [(), ("q",)])
def test_a_run_without_pairs_has_none(tmp_path: Path, parts: tuple[str, ...]) -> None:
    pairs.write(tmp_path, pairs.joined([a_family(names) for names in parts]))
    assert len(pairs.read(tmp_path)) == 0


def test_a_run_of_schema_1_still_tells_its_tests(tmp_path: Path) -> None:
    tests = pairs.joined([a_family("abcd"), a_family("xyz", 1)])
    lines = [
        {"schema": 1, "id": cell, "axes": {}, "status": "ok", "asked": True, "chunks": []}
        | {"paired": tests.of(cell)}
        for cell in (*tests.cells, "landmarks")
    ]
    run = {"schema": 1, "id": "old", "status": "finished", "plan": {}, "images": {}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "cells.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert columns(pairs.read(tmp_path)) == columns(tests)
    stored = load(tmp_path)
    assert stored.run["id"] == "old"
    assert len(stored.cells) == 8
    assert not any("paired" in cell for cell in stored.cells)


def test_whatever_a_damaged_file_lacks_is_said_in_a_sentence(tmp_path: Path) -> None:
    pairs.write(tmp_path, a_family("abc"))
    path = tmp_path / pairs.FILE
    table = pq.read_table(path)
    about = table.schema.metadata
    for broken in (
        table.drop(["p"]).replace_schema_metadata(about),
        table.drop(["first"]).replace_schema_metadata(about),
        table.set_column(0, "first", [["a"] * len(table)]).replace_schema_metadata(about),
        *(
            table.replace_schema_metadata({b"fxbench": text})
            for text in (b"[]", b'{"schema": 1, "cells": []}', b'{"schema": "x", "cells": []}')
        ),
        table.replace_schema_metadata({b"fxbench": b'{"schema": null, "cells": []}'}),
        table.replace_schema_metadata({b"fxbench": b'{"schema": Infinity, "cells": []}'}),
    ):
        pq.write_table(broken, path)
        with pytest.raises(SchemaError, match=r"paired\.parquet is damaged"):
            pairs.read(tmp_path)


@pytest.mark.parametrize(
    "text", ['{"id": "a", "pai', '{"id": "a", "paired": [{"cell": "b"}]}', "[]"]
)
def test_damaged_cells_of_schema_1_are_said_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "cells.jsonl").write_text(text)
    with pytest.raises(SchemaError, match=r"cells\.jsonl is damaged"):
        pairs.read(tmp_path)


def test_a_damaged_file_and_a_newer_one_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pairs, "SCHEMA", 9)
        pairs.write(tmp_path, a_family("ab"))
    with pytest.raises(SchemaError, match="schema 9, but this version of fxbench reads up to 1"):
        pairs.read(tmp_path)
    path = tmp_path / pairs.FILE
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SchemaError, match="is damaged"):
        pairs.read(tmp_path)
