"""What a gate says: as a table, as JSON, as JUnit XML, and for GitHub."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fxbench.budgets import LATENCY
from fxbench.judgement import NO, Check, Judgement
from fxbench.latency_changes import untold
from fxbench.names import counted
from fxbench.reasons import numbered
from fxbench.sides import PLACE, called
from fxbench.tabular import Column, Table, clean, dump_json, format_p, to_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fxbench.changes import Flip
    from fxbench.sides import Record
    from fxbench.tabular import Row

FLIPS = 50
"""Images of one cell that a summary lists."""
ANNOTATIONS = 10
"""That GitHub shows of one step."""
SUMMARY_BYTES = 900_000
"""GitHub refuses a step's summary above 1 MiB."""
_ROWS = 200
"""Of checks that are fine, in a table."""
_NAMED = 5
"""Cells that a note names."""
_SHARE = ("accuracy", "recall", "precision", "f1", "rate", "success", "robust")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_COLUMNS = (
    Column("place", "data", show="varies"),
    Column("cell", "cell"),
    Column("metric", "what", show="varies"),
    Column("before", "baseline", "shown"),
    Column("after", "run", "shown"),
    Column("worse", "worse by", "shown"),
    Column("limit", "budget", "shown", spare=True),
    Column("p_holm", "p (Holm)", "shown", spare=True),
    Column("flips", "lost/won/other", "shown", "any", spare=True),
    Column("verdict", "verdict"),
    Column("note", "note", "shown", show="any"),
)


def sentence(judgement: Judgement) -> str:
    """The answer: how many checks there were, and what came out."""
    counts: dict[str, int] = {}
    for check in judgement.checks:
        counts[check.verdict] = counts.get(check.verdict, 0) + 1
    answer = {0: "Passed", 1: "Failed", 2: "Not comparable"}[judgement.exit_code]
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
    return f"{answer}: {judgement.run} against {judgement.baseline}: {told}."


def gate_table(judgement: Judgement) -> Table:
    """The checks, those that are not passed first, and those in which nothing moved left out."""
    wrong = [c for c in judgement.checks if c.verdict in NO or c.verdict == "not comparable"]
    rest = [c for c in judgement.checks if c.verdict not in NO and c.verdict != "not comparable"]
    moved = [c for c in rest if c.verdict == "passed" and _moved(c)]
    shown = [*wrong, *moved[:_ROWS]]
    if not wrong and not moved:
        shown = [c for c in rest if c.verdict == "passed"][:_ROWS]
    rows, reasons = numbered(_row(check) for check in shown)
    first, *others = _notes(judgement)
    title = f"{judgement.run} against {judgement.baseline}"
    return Table(title, _COLUMNS, rows, (first, *reasons, *others))


def _moved(check: Check) -> bool:
    flipped = check.flipped is not None and check.flipped.total > 0
    told = check.rule == "floor" or check.metric == LATENCY
    return flipped or told or check.before != check.after


def _notes(judgement: Judgement) -> tuple[str, ...]:
    still = sum(c.verdict == "passed" and not _moved(c) for c in judgement.checks)
    notes = [sentence(judgement)]
    if judgement.tests:
        notes.append(
            "p is one-sided and adjusted for all tests of this gate (Holm), of which there are "
            f"{judgement.tests:,}. A regression is beyond its budget and has a p of at most its "
            "significance."
        )
    if still:
        notes.append(f"In {still:,} of {counted(len(judgement.checks), 'check')} nothing moved.")
    notes += untold(check.why for check in judgement.of("not compared"))
    if judgement.untimed:
        notes.append(
            f"Latency not gated: neither side has measured that of {_cells(judgement.untimed)}."
        )
    if judgement.unwatched:
        notes.append(
            "Not looked at, as no budget and no floor means a number that can be compared: "
            f"{_cells(judgement.unwatched)}."
        )
    if judgement.changed:
        notes.append(f"Not as in the baseline: {', '.join(judgement.changed)}.")
    if judgement.new:
        notes.append(f"Not in the baseline, so not gated but by floors: {_cells(judgement.new)}.")
    return tuple(notes)


def _cells(every: Sequence[Record]) -> str:
    """Cells by their number, the first few by their names."""
    several = len({tuple(axes[axis] for axis in PLACE) for axes in every}) > 1
    named = "; ".join(called(axes, whole=several) for axes in every[:_NAMED])
    more = f" and {len(every) - _NAMED:,} more" if len(every) > _NAMED else ""
    return f"{counted(len(every), 'cell')} ({named}{more})"


def _row(check: Check) -> Row:
    flipped = check.flipped
    return {
        "place": " ".join(str(check.axes[axis]) for axis in PLACE),
        "cell": called(check.axes, whole=False),
        "metric": check.metric or None,
        "before": _value(check, check.before),
        "after": _value(check, check.after),
        "worse": _worse(check),
        "limit": _limit(check),
        "p_holm": None if check.p_holm is None else format_p(check.p_holm),
        "flips": None if not flipped else f"{flipped.lost}/{flipped.won}/{flipped.other}",
        "verdict": check.verdict,
        "why": None if check.rule == "floor" and check.after is not None else check.why,
    }


def _value(check: Check, value: float | None) -> str | None:
    if value is None:
        return None
    if any(word in check.metric for word in _SHARE):
        return f"{100 * value:.1f}"
    return f"{value:.3f}"


def _worse(check: Check) -> str | None:
    if check.worse is None:
        return None
    # Without a minus before what is rounded to nothing.
    form, unit = ("z.2f", "x") if check.rule == "factor" else ("z.1f", " pt")
    text = f"{check.worse:{form}}{unit}"
    if check.low is None or check.high is None:
        return text
    return f"{text} [{check.low:{form}}, {check.high:{form}}]"


def _limit(check: Check) -> str | None:
    if check.limit is None:
        return None
    if check.rule == "floor":
        # The metric stands beside it.
        return (check.why or "").removeprefix(check.metric).strip().partition(":")[0] or None
    return f"{check.limit:g}x" if check.rule == "factor" else f"{check.limit:g} pt"


def told(check: Check) -> str:
    """A check as a sentence: what happened to which cell."""
    name = called(check.axes)
    if check.rule == "there":
        return f"{name}: {check.verdict}: {check.why}"
    numbers = ""
    if check.after is not None and check.rule == "floor":
        numbers = f" is {_value(check, check.after)}"
    elif check.before is not None and check.after is not None:
        before, after = _value(check, check.before), _value(check, check.after)
        numbers = f" went from {before} to {after}, worse by {_worse(check)}"
        numbers += f", where {_limit(check)} is the budget"
        numbers += f" (p {format_p(check.p_holm)})" if check.p_holm is not None else ""
    why = f": {check.why}" if check.why else ""
    return f"{name}: {check.verdict}: {check.metric}{numbers}{why}"


def gate_json(judgement: Judgement) -> str:
    """An object with everything."""
    record: dict[str, Any] = {
        "ok": judgement.ok,
        "exit_code": judgement.exit_code,
        "run": judgement.run,
        "baseline": judgement.baseline,
        "tests": judgement.tests,
        "checks": [_plain(asdict(check)) for check in judgement.checks],
        "changed": list(judgement.changed),
        "new": [dict(axes) for axes in judgement.new],
        "unwatched": [dict(axes) for axes in judgement.unwatched],
        "untimed": [dict(axes) for axes in judgement.untimed],
        "flips": {
            cell: [asdict(flip) | {"kind": flip.kind} for flip in flips]
            for cell, flips in judgement.flips.items()
        },
    }
    return dump_json(record, 1)


def _plain(check: dict[str, Any]) -> dict[str, Any]:
    # A factor of what was 0 is infinite, which JSON has no word for.
    endless = ("worse", "limit", "low", "high")
    return {k: None if k in endless and v == float("inf") else v for k, v in check.items()}


def gate_junit(judgement: Judgement) -> str:
    """JUnit XML, as CI servers read it: a test case for each check."""
    checks = judgement.checks
    counts = {
        "tests": str(len(checks)),
        "failures": str(len(judgement.of(*NO))),
        "errors": str(len(judgement.of("not comparable"))),
        "skipped": str(len(judgement.of("not compared"))),
    }
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": "fxbench gate"} | counts)
    for check in checks:
        where = ".".join(_xml(str(check.axes[axis])) for axis in PLACE)
        name = f"{called(check.axes, whole=False)}: {check.metric or 'has a result'}"
        if check.rule == "floor":
            name += f" {check.why}"
        about = {"classname": where, "name": _xml(name)}
        case = ET.SubElement(suite, "testcase", about)
        tag = {"not comparable": "error", "not compared": "skipped"}.get(check.verdict)
        if check.verdict in NO:
            tag = "failure"
        if tag is not None:
            element = ET.SubElement(case, tag, {"message": _xml(told(check))})
            if tag != "skipped":
                element.set("type", check.verdict)
            if check.verdict == "regression":
                element.text = _xml("\n".join(_lines(judgement.flips.get(check.cell, ()))))
    ET.SubElement(suite, "system-out").text = _xml("\n".join(_notes(judgement)))
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Without what no XML may hold, however it is escaped."""
    return _NOT_XML.sub("\ufffd", text)


def _lines(flips: Sequence[Flip]) -> Iterator[str]:
    for flip in flips[:FLIPS]:
        yield f"{flip.id}: {flip.label or 'no label'}: {flip.before} -> {flip.after} ({flip.kind})"
    if len(flips) > FLIPS:
        yield f"and {len(flips) - FLIPS:,} more"


def gate_markdown(judgement: Judgement) -> str:
    """A summary for a pull request, with the images whose answer flipped."""
    parts = [
        f"## fxbench gate: {'passed' if judgement.ok else 'failed'}\n",
        to_markdown(gate_table(judgement)),
    ]
    axes = {check.cell: check.axes for check in judgement.checks}
    for cell, flips in judgement.flips.items():
        rows = tuple(_flip_row(flip) for flip in flips[:FLIPS])
        more = f"And {len(flips) - FLIPS:,} more." if len(flips) > FLIPS else ""
        table = Table(
            f"Images that {called(axes[cell])} answers differently",
            _FLIP_COLUMNS,
            rows,
            (more,) if more else (),
        )
        parts.append(to_markdown(table))
    return _cut(parts)


_FLIP_COLUMNS = (
    Column("kind", ""),
    Column("id", "image"),
    Column("label", "label"),
    Column("before", "baseline"),
    Column("after", "run"),
)


def _flip_row(flip: Flip) -> Row:
    return {"kind": flip.kind} | asdict(flip)


def _cut(parts: Iterable[str]) -> str:
    """The parts, as many as a summary on GitHub may have."""
    kept: list[str] = []
    size = 0
    for part in parts:
        size += len(part.encode()) + 1
        if size > SUMMARY_BYTES:
            kept.append("The rest is too long for a summary: see the JSON.\n")
            break
        kept.append(part)
    return "\n".join(kept)


def github_annotations(judgement: Judgement) -> Iterator[str]:
    """The workflow commands that make GitHub Actions show what is wrong."""
    wrong = judgement.of(*NO, "not comparable")
    shown = wrong if len(wrong) <= ANNOTATIONS else wrong[: ANNOTATIONS - 1]
    for check in shown:
        title = _property(f"fxbench gate: {check.verdict}")
        yield f"::error title={title}::{_data(told(check))}"
    if len(shown) < len(wrong):
        yield f"::error title=fxbench gate::{len(wrong) - len(shown):,} more checks are not passed"


def _data(text: str) -> str:
    # An older form of command begins anywhere in a line with ##[.
    text = text.replace("##[", "## [")
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return clean(text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
