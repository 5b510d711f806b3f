"""A table as plain data, and its renderings for people and for programs.

Rows are flat records, columns say how a row is shown. What is shown is for people: percent with one
decimal, marks, a dash for what is missing. `to_csv` and `to_json` give the rows as they are, with
every key, fractions from 0 to 1.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, Literal

from fxbench.table_block import side_by_side
from fxbench.table_layout import fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.console import Group
    from rich.table import Table as RichTable

Row = dict[str, Any]
Show = Literal["always", "any", "varies"]
Format = Literal["table", "md", "latex", "svg", "csv", "json"]

MISSING = "-"
_BLANKS = re.compile(r"[\t\n\r]+")
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_WORDS = ("text", "named", "status")
"""Formats of names and other words. Square brackets of the others are those of intervals."""


@dataclass(frozen=True, slots=True)
class Column:
    """How a key of the rows is shown.

    Attributes:
        key: of the row; a format may read keys beside it, such as `accuracy_low`.
        header: what stands above.
        format: a key of FORMATS.
        show: `any`: only where a row has something to show; `varies`: only where rows differ, else
            its value stands in the title.
        title: how it stands there, `{}` for the value.
        spare: whether a table that is too wide for a terminal does without it.
    """

    key: str
    header: str
    format: str = "text"
    show: Show = "always"
    title: str = "{}"
    spare: bool = False

    @property
    def justify(self) -> Literal["left", "right"]:
        """Words to the left, numbers to the right."""
        return "left" if self.format in ("text", "named", "status") else "right"


class Why(str):
    """A note on rows without a result, which are those of this `status`, `reason` and `mend`."""

    of: tuple[str, ...]

    def __new__(cls, text: str, of: tuple[str, ...]) -> Why:
        """The text, and what it is about."""
        made = super().__new__(cls, text)
        made.of = of
        return made


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: what it shows.
        columns: what people see, in order.
        rows: flat records of JSON values.
        notes: what a reader must know, one sentence or two each.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take from the texts what would do something to a terminal."""
        object.__setattr__(self, "title", clean(self.title))
        notes = (Why(clean(n), n.of) if isinstance(n, Why) else clean(n) for n in self.notes)
        object.__setattr__(self, "notes", tuple(notes))

    @property
    def reasons(self) -> dict[tuple[str, ...], int]:
        """The numbers of the notes that say why rows have no result; none where there is one."""
        notes = [note for note in self.notes if isinstance(note, Why)]
        return {note.of: n for n, note in enumerate(notes, 1)} if len(notes) > 1 else {}


def format_epsilon(epsilon: float | None) -> str:
    """A budget in units of [0, 1] pixels as people write it: `2/255`, `0`, or a plain number."""
    if epsilon is None:
        return MISSING
    steps = epsilon * 255
    if epsilon not in (0, 1) and round(steps) and abs(steps - round(steps)) < 1e-3:
        return f"{round(steps)}/255"
    return f"{epsilon:g}"


def format_p(value: float) -> str:
    """A p value."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def clean(text: str) -> str:
    """A text on one line, its control characters and half characters replaced.

    File names may have such, and a terminal takes them for commands.
    """
    return _NO_TEXT.sub("\ufffd", _BLANKS.sub(" ", text))


def letters(groups: Sequence[int]) -> str | None:
    """Groups, numbered from 1 to 26, as letters; None without any."""
    return "".join(ascii_lowercase[number - 1] for number in groups) or None


def _percent(row: Row, key: str) -> str:
    return f"{100 * row[key]:.1f}"


def _interval(row: Row, key: str) -> str:
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    if low is None or high is None:
        return _percent(row, key)
    return f"{_percent(row, key)} [{100 * low:.1f}, {100 * high:.1f}]"


def _number_interval(row: Row, key: str, digits: int) -> str:
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    value = f"{row[key]:.{digits}f}"
    if low is None or high is None:
        return value
    return f"{value} [{low:.{digits}f}, {high:.{digits}f}]"


def _found(row: Row, key: str) -> str:
    share = f" ({100 * row[key] / row['n']:.1f} %)" if row["n"] else ""
    return f"{row[key]:,}/{row['n']:,}{share}"


def _named(row: Row, key: str) -> str:
    unverified = "†" if row.get("weights") == "unverified" else ""
    floor = "‡" if row.get("floor") else ""
    return f"{row[key]}{unverified}{floor}{'§' if row.get('home_advantage') else ''}"


def _rank(row: Row, key: str) -> str:
    low, high = row[key], row["rank_high"]
    return f"{low}" if low == high else f"{low}-{high}"


def _share_of(row: Row, key: str) -> str:
    mark = "¶" if row.get(f"{key}_own") else ""
    return f"{_percent(row, key)}{mark} of {row[f'{key}_n']:,}"


def _measured(row: Row, key: str) -> str:
    return _percent(row, key) if row["unit"] == "fraction" else f"{row[key]:.1f}"


def _robust(row: Row, key: str) -> str:
    return _percent(row, key) + "*" * bool(row.get(f"{key}_fewer_attacks"))


def _robust_interval(row: Row, key: str) -> str:
    text = _interval(row, key)
    return text.replace(_percent(row, key), _robust(row, key), 1)


def _queries(row: Row, key: str) -> str:
    return f"{row[key]:,.0f} of {row['queries_budget']:,}"


def _status(row: Row, key: str) -> str:
    if row[key] == "ok":
        return ""
    # The whole reason, with what mends it, is a note below: rows stay readable.
    return f"{row[key]}: {row['reason_kind']}" if row.get("reason_kind") else str(row[key])


FORMATS: dict[str, Callable[[Row, str], str]] = {
    "text": lambda row, key: str(row[key]),
    "shown": lambda row, key: str(row[key]),  # as text, but to the right
    "named": _named,
    "percent": _percent,
    "interval": _interval,
    "interval-of": lambda row, key: f"{_interval(row, key)} of {row[f'{key}_n']:,}",
    "share-of": _share_of,
    "measured": _measured,
    "queries": _queries,
    "robust": _robust,
    "robust-interval": _robust_interval,
    "distance": lambda row, key: f"{255 * row[key]:.1f}/255",
    "relative": lambda row, key: f"{row[key]:.1f}",
    "error": lambda row, key: f"{row[key]:.4f}",
    "number": lambda row, key: f"{row[key]:.3f}",
    "error-interval": lambda row, key: _number_interval(row, key, 4),
    "number-interval": lambda row, key: _number_interval(row, key, 3),
    "time": lambda row, key: f"{row[key]:.{2 if row[key] < 10 else 1}f}",
    "rate": lambda row, key: f"{row[key]:,.{1 if row[key] < 100 else 0}f}",
    "count": lambda row, key: f"{row[key]:,}",
    "epsilon": lambda row, key: format_epsilon(row[key]),
    "found": _found,
    "hits": lambda row, key: f"{row[key]:,}/{row['fp']:,}/{row['fn']:,}",
    "rank": _rank,
    "status": _status,
}
"""How a value becomes text. A value of None is shown as MISSING before any of these is asked."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A table as text: what the renderings for people share.

    Attributes:
        title: with the value of each column that is the same in every row.
        columns: those that are shown.
        rows: a text for each of these, row by row as in the table.
        notes: numbered where rows name them.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def _text(column: Column, row: Row, numbers: Mapping[tuple[str, ...], int]) -> str:
    if row.get(column.key) is None:
        return MISSING
    text = clean(FORMATS[column.format](row, column.key))
    if column.format == "status" and numbers:
        number = numbers.get(tuple(str(row.get(k) or "") for k in ("status", "reason", "mend")))
        text += "" if number is None else f" ({number})"
    return text


def texts_of(table: Table) -> Texts:
    """What a table shows."""
    title, kept, numbers = [], [], table.reasons
    for column in table.columns:
        texts = [_text(column, row, numbers) for row in table.rows]
        if column.show == "varies" and len(set(texts)) <= 1:
            said = [text for text in texts[:1] if text not in (MISSING, "none")]
            title += [column.title.format(text) for text in said]
        elif column.show != "any" or set(texts) - {"", MISSING}:
            kept.append((column, texts))
    heading = f"{table.title}: {', '.join(title)}" if title else table.title
    rows = tuple(zip(*(texts for _, texts in kept), strict=True))
    notes = (
        f"({numbers[note.of]}) {note}" if numbers and isinstance(note, Why) else note
        for note in table.notes
    )
    return Texts(heading, tuple(column for column, _ in kept), rows, tuple(notes))


def to_rich(table: Table, width: int | None = None) -> RichTable | Group:
    """For a terminal, with the notes below.

    Args:
        table: what to show.
        width: of the terminal in characters, None for as much as the table needs. How what is
            too wide is made to fit: :func:`fxbench.table_layout.fitting`. A word is broken only
            where the names of a row alone are too wide. No number is ever cut off.
    """
    from rich.console import Group
    from rich.text import Text

    shown = texts_of(table)
    fitted = fitting(shown.columns, shown.rows, width)
    notes = shown.notes
    if fitted.shortened:
        notes = (*notes, "CI: the 95 % confidence interval.")
    if fitted.left_out:
        names = ", ".join(column.header for column in fitted.left_out)
        notes = (*notes, f"Left out for want of room, and there with --format md: {names}.")
    made = [side_by_side(columns, layout, width) for columns, layout in fitted.parts]
    made[0].title = Text(shown.title)
    made[-1].caption = Text("\n".join(notes)) if notes else None
    return made[0] if len(made) == 1 else Group(*made)


def to_text(table: Table, width: int | None = None) -> str:
    """As `to_rich`, without colours; as wide as the table needs where `width` is None."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(file=buffer, width=width or 10_000, color_system=None, force_terminal=False)
    console.print(to_rich(table, width))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def to_markdown(table: Table) -> str:
    """A heading, a table of GitHub's kind and the notes as a list."""
    shown = texts_of(table)
    rule = ("---:" if column.justify == "right" else "---" for column in shown.columns)
    lines = [
        f"### {_escape(shown.title)}",
        "",
        _line(_escape(column.header) for column in shown.columns),
        _line(rule),
        *(_line(map(_escape_cell, shown.columns, row)) for row in shown.rows),
    ]
    if shown.notes:
        lines += ["", *(f"- {_escape(note)}" for note in shown.notes)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    """A sentence: code stays code, but what it cites makes no link, no picture and no mention."""
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    # GitHub mentions people even after a backslash; a blank of no width keeps it from that.
    text = _MENTION.sub("@&#8203;", text.replace("](", "]\\("))
    return " ".join(text.split())


def _escape_cell(column: Column, text: str) -> str:
    """A cell: words come from data, and are no Markdown at all."""
    text = _escape(text)
    if column.format not in _WORDS:
        return text
    return re.sub(r"!(?=\[)|[`\[\]]", r"\\\g<0>", text)


def to_csv(rows: Table | Iterable[Row]) -> str:
    """A header and one line a row: every key that any row has; nothing for a missing value.

    Texts are as they are, but for half characters, which no file can hold.
    """
    records = list(rows.rows if isinstance(rows, Table) else rows)
    every: Row = {}
    for row in records:
        every.update(row)
    keys = list(every)
    if isinstance(rows, Table) and not records:
        keys = [column.key for column in rows.columns]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(keys)
    # Booleans as in JSON; nothing for what is missing or None.
    words = {True: "true", False: "false"}
    for row in records:
        values = map(row.get, keys)
        writer.writerow([words[v] if isinstance(v, bool) else v for v in values])
    return _SURROGATE.sub("\ufffd", buffer.getvalue())


def dump_json(value: Any, indent: int = 2) -> str:
    """As JSON, readable."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return escape_halves(text) + "\n"


def escape_halves(text: str) -> str:
    """JSON with the half characters of file names, which no file can hold, as JSON escapes them."""
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def to_json(rows: Table | Iterable[Row]) -> str:
    """A list with one object for each row; for a table an object: `title`, `rows` and `notes`."""
    if not isinstance(rows, Table):
        return dump_json(list(rows))
    return dump_json({"title": rows.title, "rows": list(rows.rows), "notes": list(rows.notes)})


def render(table: Table, format: Format = "table", width: int | None = None) -> str:  # noqa: A002 - the option's name
    """The table as text in one of the formats; `width` is for `table`."""
    if format == "table":
        return to_text(table, width)
    written: Callable[[Table], str]
    if format == "latex":
        from fxbench.latex import to_latex as written
    elif format == "svg":
        from fxbench.svg import to_svg as written
    else:
        written = {"md": to_markdown, "csv": to_csv, "json": to_json}[format]
    return written(table)
