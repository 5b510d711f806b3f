"""The tables of what is seen in videos, from a run's cells alone.

As :mod:`fxbench.tables`, for clips, for spotters and for the motion of landmarks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.tables import (
    STATUS,
    classified,
    flat,
    further_column,
    kind_of,
    leading_columns,
    notes,
    put,
    wanted,
)
from fxbench.tables_latency import REAL_TIME, real_time_notes
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fxbench.tables import Cell
    from fxbench.tabular import Row

__all__ = ["megc_table", "motion_table", "recognition_table", "spotting_table", "video_table"]

_PLACE = tuple(Column(axis, axis, show="varies") for axis in ("dataset", "split", "protocol"))
_CLIPS = ("clip_accuracy", "clip_accuracy_vote", "flips_per_s", "uf1", "uar")
_SPOTTED = (
    "spot_f1",
    "spot_f1_micro",
    "spot_f1_macro",
    "spot_precision",
    "spot_recall",
    "false_alarms_per_minute",
    "false_alarms_per_minute_quiet",
    "apex_error_frames",
    "apex_error_ms",
)
_MOTION = ("motion_error", "jitter", "nme_inter_ocular")
_KINDS = ("micro", "macro", "both")
_OWN, _SCRIPT = "fxbench", "megc"
_CLASSES = 3
"""Of MEGC 2019: negative, positive and surprise."""

_RIGHT = (
    "An interval is right at an intersection over union of 0.5 with a true one, the most pairs one "
    "to one, all clips counted."
)
_BOTH = "Both: intervals of either kind, whichever they were said to be of."
_AS_SCRIPT = (
    "As the grand challenges' public script counts: it skips clips without an expression and "
    "subjects without a spotted interval, so that its F1 is mostly the higher one."
)


def video_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """What classifiers say of whole clips, those that failed or were skipped below."""
    chosen = [
        cell
        for cell in classified(cells, attacked=False)
        if kind_of(cell) == "classifier" and (cell.get("video") or cell["status"] != "ok")
    ]
    # Of a run on stills there is nothing to say, not even what failed.
    if not any(cell.get("video") for cell in chosen):
        chosen = []
    rows = [_clip_row(cell) for cell in wanted(chosen)]
    columns = (
        *leading_columns(chosen),
        Column("clip_accuracy", "clip accuracy % [95 % CI]", "interval"),
        Column("clip_accuracy_vote", "by vote %", "percent"),
        Column("accuracy_end_to_end", "frames %", "percent"),
        Column("uf1", "UF1 %", "percent", show="any"),
        Column("uar", "UAR %", "percent", show="any"),
        Column("flips_per_s", "flips/s", "number"),
        REAL_TIME,
        Column("clips", "clips", "count"),
        STATUS,
    )
    first = [
        "Clip accuracy: by the mean probability over the frames of the expression, or by the "
        "answer that most of them have; a clip without a face is wrong. Frames: single frames, "
        "end-to-end. Flips: how often the answer changes in a second."
    ]
    if any(row.get("uf1") is not None for row in rows):
        first.append(
            "UF1 and UAR: the unweighted F1 and recall over negative, positive and surprise, as in "
            "MEGC 2019, of the clips that show one of these; neutral is no answer there. Nothing "
            "was trained, so that leaving one subject out only pools the subjects."
        )
    first += _classes(chosen)
    first += real_time_notes(rows)
    return Table("Clips", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))


def _classes(cells: Iterable[Cell]) -> list[str]:
    """Which of the composite classes clips show, where it is not all of them."""
    lines = []
    for cell in cells:
        counts: Mapping[str, int] = (cell.get("video") or {}).get("classes") or {}
        there = [f"{name} ({count})" for name, count in counts.items() if count]
        if not there or len(there) == _CLASSES:
            continue
        axes = cell["axes"]
        place = f"{axes['dataset']} {axes['split']}"
        lines.append(
            f"The clips of {place} show {' and '.join(there)} only: "
            + (
                "their UF1 and UAR are over these, and MEGC's over all three."
                if len(there) > 1
                else "without another class there is nothing to confuse it with, and no UF1 or UAR."
            )
        )
    return list(dict.fromkeys(lines))


def _clip_row(cell: Cell) -> Row:
    row = _numbers(cell, _CLIPS)
    video: Mapping[str, Any] = cell.get("video") or {}
    return row | {key: video.get(key) for key in ("clips", "seconds")}


def spotting_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """How well spotters find expressions by fxbench, those that failed or were skipped below."""
    chosen = _spotters(cells)
    rows = [_spotting_row(cell) for cell in wanted(chosen)]
    rates = _frame_rates(chosen)
    columns = (
        *_leading(chosen),
        Column("spot_f1_micro", "F1 micro", "number"),
        Column("spot_f1_macro", "F1 macro", "number"),
        Column("spot_f1", "F1 both [95 % CI]", "number-interval"),
        Column("tp", "right, false, missed", "hits"),
        *(
            Column(f"spot_f1_{fps}fps", f"F1 at {fps} fps", "number", show="any", spare=True)
            for fps in (rates if len(rates) > 1 else ())
        ),
        Column("false_alarms_per_minute", "false / min", "number"),
        Column("false_alarms_per_minute_quiet", "quiet: false / min", "number", show="any"),
        Column("apex_error_frames", "apex off by, frames", "rate", show="any", spare=True),
        REAL_TIME,
        STATUS,
    )
    first = [
        f"{_RIGHT} {_BOTH} Right, false, missed and false alarms per minute are of these. Quiet: "
        "clips without an expression."
    ]
    counted = {(row["clips"], row["events"]) for row in rows if row["clips"] is not None}
    first += real_time_notes(rows)
    first += [
        f"Clips: {clips:,}, expressions in them: {events:,}."
        if clips
        else "Nobody has annotated these clips, so that nothing can be scored: `fxbench tables "
        "--table intervals` lists what was found in them."
        for clips, events in counted
    ]
    made = (*first, *notes(chosen, run, shared=False))
    return Table("Spotting, by fxbench", columns, tuple(rows), made)


def _spotting_row(cell: Cell) -> Row:
    row = _numbers(cell, _SPOTTED)
    images: Mapping[str, Any] = cell.get("images") or {}
    spotting: Mapping[str, Any] = cell.get("spotting") or {}
    own, script = spotting.get(_OWN) or {}, spotting.get(_SCRIPT) or {}
    for kind in _KINDS:
        tail = "" if kind == "both" else f"_{kind}"
        row |= {f"{key}{tail}": (own.get(kind) or {}).get(key) for key in ("tp", "fp", "fn")}
        row[f"megc_f1{tail}"] = (script.get(kind) or {}).get("f1")
    for fps, record in (own.get("by_fps") or {}).items():
        row[f"spot_f1_{fps}fps"] = record["both"]["f1"]
    row["given"] = _given(cell)
    return row | {key: images.get(key) for key in ("events", "clips")}


def _frame_rates(cells: Iterable[Cell]) -> list[str]:
    records = [(cell.get("spotting") or {}).get(_OWN) or {} for cell in cells]
    return sorted({fps for one in records for fps in one.get("by_fps") or ()}, key=float)


def recognition_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """How well what was spotted is recognised: a row for each spotter and classifier."""
    chosen = [c for c in _spotters(cells) if c["status"] == "ok" and c.get("recognition")]
    rows = [
        _recognition_row(cell, name, record)
        for cell in chosen
        for name, record in cell["recognition"].items()
    ]
    columns = (
        *_leading(chosen),
        Column("recognised_by", "recognised by", "text"),
        Column("spot_f1", "spotting F1", "number", spare=True),
        Column("uf1", "UF1", "number"),
        Column("strs", "spotted and recognised", "number"),
        Column("strs_micro", "of these micro", "number"),
        Column("n", "recognised", "count", spare=True),
    )
    first = [
        "UF1: the unweighted F1 over those of negative, positive and surprise that are among the "
        f"intervals that were spotted rightly. Spotted and recognised: the product of both F1. "
        f"{_RIGHT}"
    ]
    made = (*first, *notes(chosen, run, shared=False))
    return Table("Recognition, by fxbench", columns, tuple(rows), made)


def _recognition_row(cell: Cell, name: str, record: Mapping[str, Any]) -> Row:
    own, script = record[_OWN], record[_SCRIPT]
    row: Row = dict(cell["axes"]) | {"floor": bool(cell.get("floor")), "recognised_by": name}
    row["given"] = _given(cell)
    row |= {key: own[key] for key in ("n", "spot_f1", "uf1", "uar", "strs")}
    row |= {f"megc_{key}": script[key] for key in ("spot_f1", "f1", "uf1", "uar", "strs")}
    row |= {"strs_micro": own["micro"]["strs"], "megc_strs_micro": script["micro"]["strs"]}
    return row | {"id": cell.get("id")}


def megc_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """Spotting and recognition as the grand challenges' script counts them.

    A row for each spotter that has a result, and each classifier that recognises what it spotted.
    """
    chosen = [cell for cell in _spotters(cells) if cell["status"] == "ok"]
    rows = [row for cell in chosen for row in _script_rows(cell)]
    columns = (
        *_leading(chosen),
        Column("spot_f1_micro", "F1 micro", "number"),
        Column("spot_f1_macro", "F1 macro", "number"),
        Column("spot_f1", "F1 both", "number"),
        Column("recognised_by", "recognised by", "text", show="any"),
        Column("f1", "analysis F1", "number", show="any", spare=True),
        Column("strs", "STRS", "number", show="any"),
        Column("strs_micro", "STRS micro", "number", show="any", spare=True),
    )
    first = [
        f"{_AS_SCRIPT} {_BOTH} Analysis F1: of the mean precision and the mean recall over "
        "negative, positive and surprise, of what was spotted. STRS: the product of F1 both and "
        "the analysis F1. '-': the script has no number, as where every answer is wrong, or nobody "
        "has annotated the clips."
    ]
    made = (*first, *notes(chosen, run, shared=False))
    return Table("Spotting and recognition, by megc", columns, tuple(rows), made)


def _script_rows(cell: Cell) -> Iterator[Row]:
    spotting = (cell.get("spotting") or {}).get(_SCRIPT) or {}
    row: Row = dict(cell["axes"]) | {"floor": bool(cell.get("floor"))}
    row["given"] = _given(cell)
    for kind in _KINDS:
        tail = "" if kind == "both" else f"_{kind}"
        row[f"spot_f1{tail}"] = (spotting.get(kind) or {}).get("f1")
    names = ("f1", "uf1", "uar", "strs", "n")
    nothing = dict.fromkeys((*names, "strs_micro", "recognised_by"))
    for name, record in (cell.get("recognition") or {}).items():
        told = record[_SCRIPT]
        figures = {key: told[key] for key in names} | {"strs_micro": told["micro"]["strs"]}
        yield row | {"recognised_by": name} | figures | {"id": cell.get("id")}
    if not cell.get("recognition"):
        yield row | nothing | {"id": cell.get("id")}


def motion_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """How far the motion of landmarks is from the true one."""
    chosen = [
        cell
        for cell in cells
        if kind_of(cell) == "landmarker" and "motion_error" in (cell.get("metrics") or {})
    ]
    chosen.sort(key=lambda cell: bool(cell.get("home_advantage")))
    rows = [_numbers(cell, _MOTION) for cell in chosen]
    columns = (
        *_PLACE,
        Column("detector", "detector"),
        Column("landmarker", "landmarker", "named"),
        *_further(chosen, ("landmarker",)),
        Column("motion_error", "motion error [95 % CI]", "error-interval"),
        Column("jitter", "jitter [95 % CI]", "error-interval"),
        Column("nme_inter_ocular", "NME inter-ocular", "error"),
    )
    first = [
        "In units of the true distance of the outer eye corners. Motion error: of the movement of "
        "the points within a clip, the head's own taken away. Jitter: how much the error trembles "
        "from frame to frame. NME: of the places themselves, a constant error of them included."
    ]
    return Table("Motion", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))


def _spotters(cells: Iterable[Cell]) -> list[Cell]:
    chosen = [cell for cell in cells if kind_of(cell) == "spotter"]
    return sorted(chosen, key=lambda cell: cell["status"] != "ok")


def _leading(cells: Sequence[Cell]) -> tuple[Column, ...]:
    """The columns that say which spotter's cell a row is."""
    return (
        *_PLACE,
        Column("detector", "detector", show="varies"),
        Column("given", "behind", show="any"),
        Column("spotter", "spotter", "named"),
        *_further(cells, ("landmarker", "classifier", "spotter")),
    )


def _given(cell: Cell) -> str | None:
    """Whose landmarks or answers a spotter was given."""
    names = [cell["axes"].get(kind) for kind in ("landmarker", "classifier")]
    return ", ".join(name for name in names if name) or None


def _further(cells: Sequence[Cell], known: tuple[str, ...]) -> list[Column]:
    """Columns for axes that there are no others for, where they vary."""
    known = ("dataset", "split", "protocol", "detector", *known)
    axes = dict.fromkeys(axis for cell in cells for axis in cell["axes"] if axis not in known)
    return [further_column(axis) for axis in axes]


def _numbers(cell: Cell, names: Sequence[str]) -> Row:
    row = flat(cell)
    for name in names:
        put(row, name, (cell.get("metrics") or {}).get(name))
    return row
