"""The table of cloud services in a run: calls, latency over the network, cost.

It stands apart from the latency of local models: what is measured here is the network, and a
machine that nobody here knows. A pure function of a run's record, like :mod:`fxbench.tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fxbench.tabular import Column, Table

_COLUMNS = (
    Column("service", "service"),
    Column("images", "images", "count"),
    Column("from_store", "kept before", "count"),
    Column("answered", "answered", "count"),
    Column("failed", "failed", "count", "any"),
    Column("sent", "requests", "count"),
    Column("retried", "repeated", "count", "any"),
    Column("uncertain", "uncertain", "count", "any"),
    Column("unusable", "unusable", "count", "any"),
    Column("p50_ms", "p50 ms", "time"),
    Column("p90_ms", "p90 ms", "time"),
    Column("p99_ms", "p99 ms", "time"),
    Column("cost", "USD", "number"),
    Column("cost_at_most", "USD at most", "number", "any"),
)
_HIDDEN_AT_ZERO = ("failed", "retried", "uncertain", "unusable")


def service_table(run: Mapping[str, Any], cells: Iterable[Mapping[str, Any]] = ()) -> Table:
    """How often services were asked, how long they took and what that cost.

    Args:
        run: the record of a run; its `services` are records of :class:`fxbench.cloud.usage.Usage`
            by the service's name.
        cells: of the run, for an example of why an image got no answer.

    Returns:
        One row for each service that an image was asked of.
    """
    services = run.get("services") or {}
    rows = [
        {"service": name, **record} for name, record in services.items() if record.get("images")
    ]
    columns = tuple(column for column in _COLUMNS if not _is_silent(column.key, rows))
    return Table("Services", columns, tuple(rows), tuple(_notes(rows, cells)))


def _is_silent(key: str, rows: list[dict[str, Any]]) -> bool:
    """Whether a column would say nothing."""
    if key == "cost_at_most":
        return all(row.get(key) == row.get("cost") for row in rows)
    return key in _HIDDEN_AT_ZERO and not any(row.get(key) for row in rows)


def _example(rows: list[dict[str, Any]], cells: Iterable[Mapping[str, Any]]) -> str:
    """Why an image got no answer, where only one service can have said so."""
    if sum(bool(row.get("failed")) for row in rows) != 1:
        return ""
    silent = (entry for cell in cells for entry in cell.get("unanswered") or ())
    return next((f", such as {entry['id']}: {entry['reason']}" for entry in silent), "")


def _notes(rows: list[dict[str, Any]], cells: Iterable[Mapping[str, Any]]) -> list[str]:
    notes = [
        "Milliseconds of one request that was answered, upload and network included: not "
        "comparable with the latency of local models. Prices are estimates from the list price of "
        "a call; what was kept before cost nothing in this run."
    ]
    for row in rows:
        name = row["service"]
        if row.get("uncertain"):
            ended = row.get("interrupted")
            of = f", {ended} of them by a process that ended first" if ended else ""
            notes.append(
                f"{name}: {row['uncertain']} requests ended so that nobody knows whether they were "
                f"answered, and charged (a connection cut, no answer in time{of})."
            )
        if row.get("uncertain_before"):
            notes.append(
                f"{name}: earlier runs had {row['uncertain_before']} uncertain requests about the "
                "same images."
            )
        if row.get("unusable"):
            notes.append(
                f"{name}: {row['unusable']} requests were answered with what can't be used, and "
                "may be charged."
            )
        if row.get("failed"):
            notes.append(
                f"{name}: {row['failed']} images got no answer; cells.jsonl in the run's folder "
                f"lists them with the reasons{_example(rows, cells) or '.'}"
            )
        if row.get("resized"):
            notes.append(
                f"{name}: {row['resized']} images were enlarged or padded before they were sent."
            )
        if row.get("reduced"):
            notes.append(f"{name}: {row['reduced']} images were made smaller to fit the service.")
    return notes
