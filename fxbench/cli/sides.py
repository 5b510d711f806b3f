"""What the commands that compare runs have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.errors import UsageError
from fxbench.names import unknown_name

if TYPE_CHECKING:
    from fxbench.sides import Record, Side
    from fxbench.store import StoredRun

cell_option = click.option(
    "--cell",
    "wanted",
    multiple=True,
    metavar="TEXT",
    help="Only cells with this id, or with this text in their name; may be given again.",
)
renamed_option = click.option(
    "--renamed",
    multiple=True,
    metavar="OLD=NEW",
    help="A component of the older side that is called NEW now; may be given again.",
)


def renames(texts: tuple[str, ...], older: Side) -> dict[str, str]:
    """The new names by the old ones.

    Args:
        texts: as given.
        older: the side that has the old names.

    Raises:
        UsageError: a text is not OLD=NEW, or that side has nothing of the old name.
    """
    known = {str(name) for cell in older.cells.values() for name in cell["axes"].values()}
    pairs = [text.partition("=") for text in texts]
    for old, equals, new in pairs:
        if not (old and equals and new):
            raise UsageError(
                f"--renamed got {old + equals + new!r}; expected OLD=NEW, such as emopy=emopy-v2."
            )
        if old not in known:
            raise UsageError(f"--renamed: {unknown_name(f'component of {older.name}', old, known)}")
    return {old: new for old, _, new in pairs}


def stored_run(results: Path, name: str | None) -> StoredRun:
    """A run that has come to its end.

    Raises:
        UsageError: there is none, or it is not finished.
    """
    from fxbench.store import find, load

    stored = load(find(results, name))
    if not stored.finished:
        raise UsageError(
            f"The run {stored.folder.name} is not finished: give the command that made it again, "
            "it goes on where it stopped."
        )
    return stored


def side_of(stored: StoredRun) -> Side:
    """A run as a side of a comparison."""
    from fxbench import answers
    from fxbench.sides import side_of_run

    return side_of_run(stored, answers.read(stored.folder))


def side(results: Path, name: str) -> Side:
    """A run by its name or path, or a baseline by its file."""
    if Path(name).is_file():
        from fxbench import baseline

        return baseline.read(Path(name))
    return side_of(stored_run(results, name))


def chosen(texts: tuple[str, ...], *sides: Side) -> Callable[[Record], bool]:
    """Whether a cell was asked for; all are where nothing was.

    Raises:
        UsageError: a text means none.
    """
    from fxbench.sides import called

    def means(text: str, cell: Any) -> bool:
        return text == cell["id"] or text in called(cell["axes"])

    for text in texts:
        if not text.strip():
            raise UsageError(
                "--cell got an empty text, which every name has: expected an id, or a part of a "
                "name such as opencv-haar."
            )
        if not any(means(text, cell) for one in sides for cell in one.cells.values()):
            some = next((cell for one in sides for cell in one.cells.values()), None)
            such = "" if some is None else f", such as {some['id']} or {called(some['axes'])!r}"
            raise UsageError(f"--cell {text!r} means no cell: expected an id or a name{such}.")
    return lambda cell: not texts or any(means(text, cell) for text in texts)
