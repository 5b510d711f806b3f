"""A table of :mod:`fxbench.tabular` as a data frame that sorts by numbers in the browser."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import streamlit as st

from fxbench.tabular import Column, Row, Table, clean, texts_of

_SHARES = ("percent", "interval", "robust", "robust-interval")
_NUMBERS = {"time": "%.2f", "rate": "%.1f", "count": "%d", "number": "%.3f", "error": "%.4f"}


def grid(table: Table) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The columns that a table shows, numbers as numbers, and how each is written.

    Args:
        table: whose notes are not in it.

    Returns:
        A data frame, and the column configuration for :func:`streamlit.dataframe`.
    """
    shown = texts_of(table)
    columns: dict[str, Any] = {}
    config: dict[str, Any] = {}
    for place, column in enumerate(shown.columns):
        header = _header(column)
        if column.format in _SHARES:
            columns[header] = [_share(row, column.key) for row in table.rows]
            config[header] = st.column_config.NumberColumn(header, format="%.1f")
            if column.format == "interval":
                columns[_fresh("95 % CI", columns)] = [
                    _interval(row, column.key) for row in table.rows
                ]
        elif column.format in _NUMBERS:
            columns[header] = [row.get(column.key) for row in table.rows]
            config[header] = st.column_config.NumberColumn(header, format=_NUMBERS[column.format])
        else:
            columns[header] = [texts[place] for texts in shown.rows]
            config[header] = st.column_config.TextColumn(header)
    return pd.DataFrame(columns), config


def _header(column: Column) -> str:
    return clean(column.header.replace(" [95 % CI]", ""))


def _fresh(header: str, taken: Iterable[str]) -> str:
    """A header that no other column has."""
    while header in taken:
        header += " "
    return header


def _share(row: Row, key: str) -> float | None:
    value = row.get(key)
    return None if value is None else 100.0 * float(value)


def _interval(row: Row, key: str) -> str:
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    return "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
