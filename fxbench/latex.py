r"""A table for a paper: LaTeX with the rules of the package booktabs, and no other package.

What is written compiles as it is in a document that has `\usepackage{booktabs}`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from fxbench.tabular import MISSING, texts_of

if TYPE_CHECKING:
    from fxbench.tabular import Column, Table

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
    "§": r"\textsuperscript{\S}",
    "¶": r"\textsuperscript{\P}",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "…": r"\ldots{}",
}
_FAMILY = ("dataset", "split", "protocol")
"""Between rows of different ones there is some space."""
_SIZES = ((90, r"\small"), (112, r"\footnotesize"))
"""Up to how many characters a line of a table fits across a page, by the size of its letters."""
_ONE_OF_TWO_COLUMNS = 48
"""So many characters of \\small fit in one column of two."""


def to_latex(table: Table) -> str:
    r"""A floating table with caption, label and notes.

    One that is too wide for one of two columns is a `table*`, which spans both, and is the same as
    `table` in a document of one. Wider ones have smaller letters. Columns without any value, such
    as latency where none was measured, are left out.
    """
    filled = [c for c in table.columns if any(row.get(c.key) is not None for row in table.rows)]
    shown = texts_of(replace(table, columns=tuple(filled)) if table.rows else table)
    texts = [[column.header for column in shown.columns], *map(list, shown.rows)]
    width = sum(2 + max(len(row[index]) for row in texts) for index, _ in enumerate(shown.columns))
    size = next((size for most, size in _SIZES if width <= most), r"\scriptsize")
    environment = "table" if width <= _ONE_OF_TWO_COLUMNS else "table*"
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{{environment}}}[tbp]",
        r"  \centering",
        f"  {size}",
        rf"  \caption{{{escaped(shown.title)}.}}",
        rf"  \label{{tab:{_label(table.title)}}}",
        r"  \setlength{\tabcolsep}{4pt}",
        rf"  \begin{{tabular}}{{@{{}}{''.join(map(_alignment, shown.columns))}@{{}}}}",
        r"    \toprule",
        _line([escaped(column.header) for column in shown.columns]),
        r"    \midrule",
    ]
    family: tuple[object, ...] | None = None
    for row, cells in zip(table.rows, shown.rows, strict=True):
        above, family = family, tuple(row.get(key) for key in _FAMILY)
        if above not in (None, family):
            lines.append(r"    \addlinespace")
        lines.append(_line([*map(_cell, shown.columns, cells)]))
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    if shown.notes:
        notes = [f"    {_note(note)}\\par" for note in shown.notes]
        lines += ["", r"  \medskip", r"  \parbox{\linewidth}{\footnotesize\raggedright"]
        lines += [*notes, "  }"]
    return "\n".join([*lines, rf"\end{{{environment}}}"]) + "\n"


def escaped(text: str) -> str:
    """A text in which no character means anything to LaTeX; white space is one blank."""
    return "".join(_CHARACTERS.get(character, character) for character in " ".join(text.split()))


def _note(text: str) -> str:
    """A sentence; what it quotes as code is set so, its hyphens as they are."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its other half
        return escaped(text)
    return "".join(
        rf"\texttt{{{escaped(part).replace('--', '-{}-')}}}" if index % 2 else _spaced(part)
        for index, part in enumerate(parts)
    )


def _spaced(text: str) -> str:
    """An escaped part of a sentence, with the blanks at its ends."""
    before = " " if text[:1].isspace() else ""
    after = " " if text.strip() and text[-1:].isspace() else ""
    return f"{before}{escaped(text)}{after}"


def _cell(column: Column, text: str) -> str:
    if text == MISSING:
        return "--"
    if column.format == "rank":
        return escaped(text).replace("-", "--")
    # A number below zero has a minus and no hyphen.
    return re.sub(r"(?<![\w.])-(?=[\d.])", "$-$", escaped(text))


def _line(cells: list[str]) -> str:
    line = " & ".join(cells)
    # What begins with a bracket would be taken for an argument of the line break above it.
    guard = "{}" if line.startswith("[") else ""
    return rf"    {guard}{line} \\"


def _alignment(column: Column) -> str:
    return "r" if column.justify == "right" else "l"


def _label(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
