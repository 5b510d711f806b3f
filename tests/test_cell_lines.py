"""Lines of cells.jsonl: ordinary JSON whose details are parsed when they are asked for."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from fxbench import cell_lines
from fxbench.errors import SchemaError

RECORD = {
    "schema": 2,
    "id": "a",
    "recall": {"fear": {"value": 0.5, "n": 4}},
    "axes": {"classifier": "tab\there, }\n\u00e9"},
    "confusion": [[1, 2]],
    "metrics": {"accuracy": 0.25},
}


def stored() -> dict[str, Any]:
    return cell_lines.read(cell_lines.written(RECORD), "cells.jsonl")


def parsed(cell: dict[str, Any]) -> bool:
    """Whether the details have been."""
    return dict.__contains__(cell, "confusion")


def test_a_line_is_one_json_object_with_one_tab() -> None:
    line = cell_lines.written(RECORD)
    assert json.loads(line) == RECORD
    assert line.count(b"\t") == 1
    assert b"\n" not in line


@pytest.mark.parametrize("keys", [("id", "metrics"), ("recall",), ()])
def test_a_cell_may_lack_either_part(keys: tuple[str, ...]) -> None:
    record = {key: RECORD[key] for key in keys}
    assert dict(cell_lines.read(cell_lines.written(record), "x")) == record


def test_what_tables_read_first_parses_no_details() -> None:
    cell = stored()
    assert cell["metrics"] == {"accuracy": 0.25}
    assert cell.get("axes") == RECORD["axes"]
    assert "latency_error" not in cell
    assert cell.get("robust") is None
    assert not parsed(cell)
    assert cell["confusion"] == [[1, 2]]
    assert parsed(cell)


SEEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "item": lambda cell: cell["recall"],
    "get": lambda cell: cell.get("recall", 7),
    "get nothing": lambda cell: cell.get("nothing", 7),
    "in": lambda cell: ("recall" in cell, "nothing" in cell),
    "length": len,
    "iteration": sorted,
    "keys": lambda cell: sorted(cell.keys()),
    "values": lambda cell: sorted(map(str, cell.values())),
    "items": lambda cell: sorted((key, str(value)) for key, value in cell.items()),
    "dict": dict,
    "stars": lambda cell: {**cell},
    "or": lambda cell: cell | {"rank": 1},
    "ror": lambda cell: {"rank": 1} | cell,
    "update": lambda cell: {"rank": 1, **dict.fromkeys(()), **cell},
    "copy": lambda cell: cell.copy(),
    "copied": copy.copy,
    "deep": copy.deepcopy,
    "pickled": lambda cell: pickle.loads(pickle.dumps(cell)),
    "json": lambda cell: json.loads(json.dumps(cell)),
    "indented": lambda cell: json.loads(json.dumps(cell, indent=1)),
    "equal": lambda cell: cell == RECORD,
    "equal from the other side": [RECORD].index,
    "equal to its like": lambda cell: cell == stored(),
    "unequal": lambda cell: (cell != RECORD, cell == RECORD | {"id": "b"}),
    "pop": lambda cell: cell.pop("recall"),
    "setdefault": lambda cell: cell.setdefault("recall", 7),
}


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "set": lambda cell: cell.__setitem__("confusion", [[7]]),
    "set a first one": lambda cell: cell.__setitem__("id", "b"),
    "or in place": lambda cell: cell.__ior__({"confusion": [[7]]}),
    "update by name": lambda cell: cell.update(confusion=[[7]]),
    "update by pairs": lambda cell: cell.update([("confusion", [[7]])]),
    "delete": lambda cell: cell.__delitem__("confusion"),
    "pop": lambda cell: cell.pop("confusion"),
    "pop an item": lambda cell: len(cell.popitem()),
    "clear": lambda cell: cell.clear(),
    "set a default": lambda cell: cell.setdefault("confusion", [[7]]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_stored_cell_stays(change: Callable[..., Any]) -> None:
    cell, record = stored(), json.loads(json.dumps(stored()))
    assert change(cell) == change(record)
    assert dict(cell) == record
    assert cell.get("confusion") == record.get("confusion")


def test_a_stored_cell_has_an_order() -> None:
    assert list(reversed(stored())) == list(stored())[::-1]


@pytest.mark.parametrize("see", SEEN.values(), ids=SEEN)
def test_a_stored_cell_looks_like_the_record_it_was(see: Callable[..., Any]) -> None:
    assert see(stored()) == see(dict(RECORD))


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        stored()["nothing"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "a",\t"recall": {', "cut off"),
        (b'{"id": "a" "b",\t"recall": 1}', "is damaged"),
        (b"[1]", "expected a JSON object"),
    ],
)
def test_a_damaged_line_is_named(line: bytes, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as raised:
        cell_lines.read(line, "some/cells.jsonl")
    assert "some/cells.jsonl" in str(raised.value)


def test_damaged_details_are_said_when_they_are_asked_for() -> None:
    cell = cell_lines.read(b'{"id": "a",\t"recall": nothing}', "some/cells.jsonl")
    assert cell["id"] == "a"
    with pytest.raises(SchemaError, match=r"some/cells\.jsonl is damaged"):
        cell.get("recall")
