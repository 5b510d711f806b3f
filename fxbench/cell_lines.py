"""A line of `cells.jsonl`: what tables read first, and the details that are parsed when asked for.

A line is one JSON object. Between the two parts stands a tab, which is white space to any reader of
JSON and never occurs within JSON otherwise, so that this one finds the place without parsing. Of a
run of thousands of cells a leaderboard needs a third of the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, overload

from fxbench.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import ItemsView, KeysView, ValuesView

FIRST = (
    "schema",
    "id",
    "axes",
    "status",
    "asked",
    "reason",
    "weights",
    "floor",
    "variant_of",
    "home_advantage",
    "baseline",
    "common",
    "rank",
    "latency",
    "latency_error",
    "unanswered",
    "shared_labels",
    "images",
    "metrics",
    "attack",
    "robust",
    "video",
)
"""What stands in the first part of a line, of what a cell has; anything else is a detail."""

_TAB = b"\t"


class StoredCell(dict[str, Any]):
    """A cell's record, whose details are parsed when one of them is asked for.

    Whatever looks at more than one key that is there already sees the whole record.
    """

    __slots__ = ("_details", "_where")
    __hash__ = None  # as of any dict

    def __init__(self, first: Mapping[str, Any], details: bytes, where: str) -> None:
        super().__init__(first)
        self._details = details
        self._where = where

    def _whole(self) -> None:
        if self._details:
            details, self._details = self._details, b""
            super().update(parse(details, self._where))

    def __missing__(self, key: str) -> Any:
        if not self._details:
            raise KeyError(key)
        self._whole()
        return self[key]

    @overload
    def get(self, key: str, default: None = None, /) -> Any | None: ...
    @overload
    def get(self, key: str, default: Any, /) -> Any: ...
    def get(self, key: str, default: Any = None, /) -> Any:
        """As of any dict."""
        return self[key] if key in self else default  # noqa: SIM401 - it would call itself

    def __contains__(self, key: object) -> bool:
        if super().__contains__(key):
            return True
        # What belongs into the first part and isn't there is not among the details either.
        if not self._details or key in FIRST:
            return False
        self._whole()
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        self._whole()
        return super().__iter__()

    def __len__(self) -> int:
        self._whole()
        return super().__len__()

    def keys(self) -> KeysView[str]:  # type: ignore[override] # the stubs name its own class
        """As of any dict."""
        self._whole()
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """As of any dict."""
        self._whole()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """As of any dict."""
        self._whole()
        return super().items()

    def __reversed__(self) -> Iterator[str]:
        self._whole()
        return super().__reversed__()

    # What changes a cell reads the whole of it first, or the details would undo the change.

    def __setitem__(self, key: str, value: Any) -> None:
        self._whole()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self._whole()
        super().__delitem__(key)

    def __ior__(self, other: Any) -> Self:  # type: ignore[override]
        self._whole()
        super().update(other)
        return self

    def update(self, *given: Any, **named: Any) -> None:
        """As of any dict."""
        self._whole()
        super().update(*given, **named)

    def clear(self) -> None:
        """As of any dict."""
        self._whole()
        super().clear()

    def popitem(self) -> tuple[str, Any]:
        """As of any dict."""
        self._whole()
        return super().popitem()

    def pop(self, key: str, *default: Any) -> Any:
        """As of any dict."""
        self._whole()
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None, /) -> Any:
        """As of any dict."""
        self._whole()
        return super().setdefault(key, default)

    def copy(self) -> dict[str, Any]:
        """As of any dict, an ordinary one."""
        return dict(self.items())

    def __eq__(self, other: object) -> bool:
        self._whole()
        if isinstance(other, StoredCell):
            other._whole()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __or__(self, other: Any) -> dict[str, Any]:  # type: ignore[override]
        return self.copy() | dict(other)

    def __ror__(self, other: Any) -> dict[str, Any]:  # type: ignore[override]
        return dict(other) | self.copy()

    def __repr__(self) -> str:
        return repr(self.copy())

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.copy(),)


def written(record: Mapping[str, Any]) -> bytes:
    """The line of a cell, without its end."""
    first = {key: record[key] for key in FIRST if key in record}
    details = {key: value for key, value in record.items() if key not in first}
    line = json.dumps(first, allow_nan=False).encode()
    if not details:
        return line
    return line[:-1] + b"," + _TAB + json.dumps(details, allow_nan=False).encode()[1:]


def read(line: bytes, where: str) -> dict[str, Any]:
    """The cell of a line; one without a tab is parsed as a whole.

    Args:
        line: as `written` gives it.
        where: what to call it in a message.

    Raises:
        SchemaError: it is damaged.
    """
    first, tab, details = line.partition(_TAB)
    if not tab:
        return parse(line, where)
    if not details.endswith(b"}"):
        raise damaged(where, "a line is cut off")
    return StoredCell(parse(first.removesuffix(b",") + b"}", where), b"{" + details, where)


def parse(text: bytes, where: str) -> dict[str, Any]:
    """The JSON object of a text.

    Raises:
        SchemaError: it is none.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(where, "it is no JSON") from error
    if not isinstance(record, dict):
        raise SchemaError(f"{where} is damaged: expected a JSON object.")
    return record


def damaged(where: str, why: str) -> SchemaError:
    """What is said of a file that can't be read."""
    return SchemaError(
        f"{where} is damaged ({why}): delete its folder and give the run's command again; what is "
        "in the cache is not computed again."
    )
