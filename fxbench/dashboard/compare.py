"""The page Compare: the runs of a results folder, a leaderboard, and two cells side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fxbench import leaderboard, store
from fxbench.dashboard import beside, charts
from fxbench.dashboard.grids import grid
from fxbench.dashboard.reading import loaded
from fxbench.dashboard.setup import Setup
from fxbench.dashboard.words import plain
from fxbench.store import StoredRun
from fxbench.tables import classified
from fxbench.tabular import Table, to_csv

_VIEWS = ("Leaderboard", "Two cells side by side")
_LATEST = 50
"""So many runs are offered."""


def page(setup: Setup) -> None:
    """Show the page."""
    st.title("Compare")
    known = store.runs(setup.results)[::-1]
    if not known:
        st.info(
            f"There is no run in {plain(str(setup.results.absolute()))} yet. Make one with "
            "`fxbench run --datasets mini`, then reload this page; `fxbench dashboard --results` "
            "names another folder.",
            icon=":material/folder_off:",
        )
        return
    names = [folder.name for folder in known[:_LATEST]]
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    name = left.selectbox("Run, the latest first", names, key="run")
    stored = loaded(setup.results / name)
    view = right.segmented_control("Show", _VIEWS, default=_VIEWS[0], required=True, key="view")
    _about(stored)
    if view == _VIEWS[0]:
        _leaderboard(stored)
    else:
        beside.show(setup, stored, names)


def _about(stored: StoredRun) -> None:
    run = stored.run
    parts = [f"{len(stored.cells):,} cells"]
    for name, record in (run.get("datasets") or {}).items():
        parts.append(f"{name} {record.get('split')} ({record.get('protocol')})")
    environment = run.get("environment") or {}
    parts += [str(environment[key]) for key in ("cpu",) if environment.get(key)]
    parts.append(str(run.get("finished") or run.get("created")).replace("T", " ")[:16])
    st.caption(plain(" · ".join(parts)))
    if not stored.finished:
        st.warning("This run is not finished: the same `fxbench run` command goes on with it.")
    failed = sum(cell["status"] == "failed" for cell in stored.cells)
    if failed:
        st.warning(f"{failed} of its cells failed. The notes below the table say why.")


def _leaderboard(stored: StoredRun) -> None:
    cells = _filtered(stored)
    table = leaderboard.leaderboard_table(cells, stored.run)
    if not table.rows:
        st.info("No cell with a classifier is left: take a filter away.")
        return
    frame, config = grid(table)
    st.dataframe(frame, hide_index=True, column_config=config, alt="Leaderboard")
    rows = leaderboard.leaderboard_rows(cells)
    st.download_button(
        "Download every number as csv",
        to_csv(rows),
        f"{stored.folder.name}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.expander("How to read this table", icon=":material/help:"):
        for note in table.notes:
            st.markdown(f"- {plain(note)}")
    _pictures(table)


def _pictures(table: Table) -> None:
    figure = charts.accuracy_latency(table.rows)
    st.subheader("Accuracy against time")
    if figure is None:
        st.caption("Fewer than two of these cells were timed, so there is nothing to draw.")
        return
    alt = "End-to-end accuracy of each cell against its median latency, with the Pareto front"
    st.plotly_chart(figure, key="accuracy-latency", alt=alt)
    st.caption(
        "Bars are 95 % intervals. The dotted line joins the cells that no other beats in both: "
        "which of them is right depends on the time that there is. Cells whose bars overlap may "
        "not differ; the ranks above say which do."
    )


def _filtered(stored: StoredRun) -> list[dict[str, Any]]:
    cells = stored.cells
    clean = classified(cells, attacked=False)
    places = _values(clean, ("dataset", "split", "protocol"))
    axes = {"detector": "Detectors", "classifier": "Classifiers"}
    boxes = st.columns(len(axes) + (len(places) > 1))
    chosen: dict[str, list[str]] = {}
    for box, (axis, label) in zip(boxes, axes.items(), strict=False):
        known = [value for (value,) in _values(clean, (axis,))]
        chosen[axis] = box.multiselect(label, known, placeholder="all", key=f"filter-{axis}")
    if len(places) > 1:
        words = [" ".join(place) for place in places]
        wanted = boxes[-1].multiselect("Datasets", words, placeholder="all", key="filter-place")
        cells = [cell for cell in cells if not wanted or _place(cell) in wanted]
    return [
        cell
        for cell in cells
        if all(not some or cell["axes"].get(axis) in some for axis, some in chosen.items())
    ]


def _place(cell: dict[str, Any]) -> str:
    return " ".join(str(cell["axes"].get(axis)) for axis in ("dataset", "split", "protocol"))


def _values(cells: Sequence[Any], axes: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(tuple(str(cell["axes"].get(a)) for a in axes) for cell in cells))
