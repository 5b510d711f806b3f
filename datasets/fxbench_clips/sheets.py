"""Tables of annotations: `.csv` files, and the `.xlsx` files that most of them are published as.

An `.xlsx` file is a zip file of XML (ECMA-376, part 1, chapter 18), of which only the cells'
values are read.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from fxbench.annotated import read_annotations
from fxbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Row = list[str]

_LIMIT = 20_000_000
_UNPACKED = 100_000_000
_CELLS = 2_000_000
_COLUMNS = 16_384  # what Excel has
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    ET.ParseError,
    EOFError,
    LookupError,
    ValueError,
    RuntimeError,  # a zip file with a password, or packed in a way that isn't known
)
_PLACE = re.compile(r"([A-Z]+)\d+")


class Table:
    """Lines below a header, each cell by the name of its column.

    Args:
        path: for messages.
        rows: of the whole sheet: what stands above the header is passed over.
        names: the columns that are needed. Case, blanks and underscores don't matter.
        even: whether no column may be there twice, and each line must have as many cells as the
            header. Published sheets have remarks beside and below the table.

    Raises:
        DataError: no line has all names, or the lines are not even.
    """

    def __init__(
        self, path: Path, rows: Sequence[Row], names: Sequence[str], *, even: bool = False
    ) -> None:
        self._path = path
        for index, row in enumerate(rows):
            found = {_plain(cell): column for column, cell in reversed(list(enumerate(row)))}
            if all(_plain(name) in found for name in names):
                self._columns, self._first = found, index + 1
                self._rows = rows[index + 1 :]
                if even:
                    self._check(index + 1, row)
                return
        raise DataError(
            f"{path} has no line with the columns {', '.join(names)}: take the annotations as they "
            "are published."
        )

    def _check(self, number: int, header: Row) -> None:
        names = [_plain(cell) for cell in header]
        for name in header:
            if _plain(name) and names.count(_plain(name)) > 1:
                raise DataError(
                    f"{self._path}, line {number} has the column {name.strip()} more than once: "
                    "leave one."
                )
        for index, row in enumerate(self._rows):
            if any(row) and len(row) != len(header):
                raise DataError(
                    f"{self._path}, line {self._first + index + 1} has {len(row)} cells, and the "
                    f"header has {len(header)}: give each column one, which may be empty, and put "
                    "text with a separator in it in quotes."
                )

    def has(self, name: str) -> bool:
        """Whether it has a column."""
        return _plain(name) in self._columns

    def __iter__(self) -> Iterator[Line]:
        for index, row in enumerate(self._rows):
            if any(row):
                yield Line(self._path, self._first + index + 1, row, self._columns)


class Line:
    """A line of a table.

    Attributes:
        where: its file and number, for messages.
    """

    def __init__(self, path: Path, number: int, row: Row, columns: dict[str, int]) -> None:
        self.where = f"{path}, line {number}"
        self._row = row
        self._columns = columns

    def text(self, name: str) -> str:
        """A cell without blanks around it; empty where the table has no such column."""
        column = self._columns.get(_plain(name), len(self._row))
        return self._row[column].strip() if column < len(self._row) else ""

    def number(self, name: str) -> int | None:
        """A cell that holds a whole number; None where it is empty or holds something else."""
        return whole(self.text(name))


def whole(text: str) -> int | None:
    """The whole number that a cell holds, `17` or `17.0`; None for something else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


def read(path: Path, root: Path) -> list[list[Row]]:
    """The sheets of a `.csv` or `.xlsx` file: rows of texts.

    Raises:
        DataError: it can't be read, or is neither.
    """
    data = read_annotations(path, root, _LIMIT)
    if path.suffix.lower() == ".xlsx":
        return _xlsx(path, data)
    try:
        text = data.decode("utf-8-sig")
        dialect = csv.Sniffer().sniff(text[:4096], ",;\t") if text.strip() else csv.excel
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8: save it as CSV UTF-8.") from error
    except csv.Error:
        dialect = csv.excel
    try:
        return [list(csv.reader(io.StringIO(text, newline=""), dialect))]
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}.") from error


def _xlsx(path: Path, data: bytes) -> list[list[Row]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            links = {
                link.get("Id"): link.get("Target", "")
                for link in _part(archive, "xl/_rels/workbook.xml.rels")
            }
            shared = []
            if "xl/sharedStrings.xml" in archive.namelist():
                shared = [_text(item) for item in _part(archive, "xl/sharedStrings.xml")]
            sheets = []
            for sheet in _part(archive, "xl/workbook.xml").iter(f"{_MAIN}sheet"):
                target = links[sheet.get(_LINK)].lstrip("/")
                name = target if target.startswith("xl/") else f"xl/{target}"
                sheets.append(_sheet(_part(archive, name), shared))
            return sheets
    except _UNREADABLE as error:
        raise DataError(
            f"{path} can't be read as an Excel file ({error}): save each of its sheets as CSV."
        ) from error


def _part(archive: zipfile.ZipFile, name: str) -> ET.Element:
    info = archive.getinfo(name)
    if info.file_size > _UNPACKED:
        raise ValueError(f"{name} is larger than {_UNPACKED:,} bytes")
    data = archive.read(info)
    if b"<!DOCTYPE" in data:
        raise ValueError(f"{name} has a document type")
    # Without a document type no entity can be declared.
    return ET.fromstring(data)  # noqa: S314


def _sheet(root: ET.Element, shared: list[str]) -> list[Row]:
    rows: list[Row] = []
    cells = 0
    for element in root.iter(f"{_MAIN}row"):
        number = int(element.get("r", len(rows) + 1))
        row: Row = []
        for cell in element.iter(f"{_MAIN}c"):
            place = _PLACE.fullmatch(cell.get("r", ""))
            column = _column(place[1]) if place else len(row)
            row += [""] * (column - len(row)) + [_value(cell, shared)]
        cells += len(row) + max(0, number - len(rows))
        if cells > _CELLS:
            raise ValueError(f"a sheet has more than {_CELLS:,} cells")
        rows += [[] for _ in range(number - len(rows) - 1)] + [row]
    return rows


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    if number > _COLUMNS:
        raise ValueError(f"it has the column {letters}")
    return number - 1


def _value(cell: ET.Element, shared: list[str]) -> str:
    kind = cell.get("t")
    if kind == "inlineStr":
        return _text(cell)
    value = cell.findtext(f"{_MAIN}v", "")
    return shared[int(value)] if kind == "s" else value


def _text(element: ET.Element) -> str:
    """All its text; a cell's may be in several formats."""
    return "".join(part.text or "" for part in element.iter(f"{_MAIN}t"))


def _plain(name: str) -> str:
    return re.sub(r"[\s_]+", "", name).lower()
