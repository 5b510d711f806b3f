"""What people and programs get to see: widths, colours, JSON, help and the next command."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from made_up_run import MadeUpRun
from rich.console import Console
from rich.text import Text

from fxbench.cli import EXIT_CODES, cli, main, manual, terminal
from fxbench.cli.entries import Named, print_named
from fxbench.table_layout import fitting
from fxbench.tabular import Column, Table, Why, render, texts_of, to_text

ROOT = Path(__file__).resolve().parent.parent
NO_JSON: dict[str, str] = {}
"""Commands without --json, each with the reason."""
ESCAPE = "\x1b["
Fxbench = Callable[..., tuple[int, str, str]]


def commands(
    words: str = "fxbench", group: click.Group = cli
) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(f"{words} {name}", command)
        else:
            yield f"{words} {name}", command


COMMANDS = dict(commands())


@pytest.fixture
def fxbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], toy: None
) -> Fxbench:
    """Call the command line in a folder with one run, `results/made`."""
    MadeUpRun(detectors=2, classifiers=3, conditions=0, images=30, drawn=2).write(
        tmp_path / "results" / "made"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FXBENCH_CACHE", str(tmp_path / "cache"))

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return call


# JSON.


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_print_json(name: str) -> None:
    found = [param for param in COMMANDS[name].params if "--json" in param.opts]
    if name in NO_JSON:
        assert not found, "it has --json after all"
        return
    (option,) = found
    assert isinstance(option, click.Option)
    assert option.is_flag
    assert (option.help or "").startswith("Print JSON")


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["list", "--kind=dataset"], {"kind", "name", "state", "mend"}),
        (["show", "toy-linear"], {"kind", "name", "options"}),
        (["tables"], {"accuracy", "latency"}),
        (["tables", "--table=accuracy"], {"detector", "accuracy"}),
        (["leaderboard"], {"detector", "rank_low"}),
        (["cite"], {"run", "bibtex", "citations"}),
        (["figures", "-o", "drawn"], {"run", "folder", "files"}),
        (["compare", "made", "made"], {"cells"}),
        (["check", "toy-centre"], {"component", "ok", "results"}),
        (["weights", "list"], {"file", "state"}),
        (["weights", "verify"], {"file", "state"}),
        (["new", "plugin", "acme-output"], {"kind", "folder", "files", "next"}),
        (["doctor"], {"ok", "system"}),
        (["clean"], {"folder", "bytes"}),
        (["completion", "bash"], {"shell", "script"}),
    ],
)
def test_json_is_one_value_with_the_documented_fields(
    fxbench: Fxbench, arguments: list[str], fields: set[str]
) -> None:
    code, out, err = fxbench(*arguments, "--json")
    assert code in (0, 1), err
    value = json.loads(out)
    assert fields <= set(value[0] if isinstance(value, list) else value)


def test_two_formats_at_once_are_refused(fxbench: Fxbench) -> None:
    assert fxbench("leaderboard", "--json")[1] == fxbench("leaderboard", "--format=json")[1]
    code, out, err = fxbench("leaderboard", "--json", "--format=csv")
    assert (code, out) == (2, "")
    assert "--json and --format csv are two formats: give one of them." in err


# Help.


def examples(command: click.Command) -> list[str]:
    """The examples of a command's help."""
    text = inspect.cleandoc(command.help or "").partition("Examples:\n")[2].partition("\n\n")[0]
    text = re.sub(r"\\\n *", "", text)
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_a_summary_and_examples_that_can_be_given(name: str) -> None:
    command = COMMANDS[name]
    summary = inspect.cleandoc(command.help or "").partition("\n")[0]
    assert summary.endswith("."), summary
    shown = examples(command)
    assert len(shown) >= 2
    for line in shown:
        words = shlex.split(re.split(r" (?:\||>>?|&&) ", line)[0], comments=True)
        own = name.split()
        assert words[: len(own)] == own, line
        try:
            command.make_context(own[-1], words[len(own) :], obj={"debug": False})
        except click.UsageError as error:
            pytest.fail(f"{line}: {error.message}")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_the_exit_codes_and_where_the_docs_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = COMMANDS[name]
    text = command.get_help(click.Context(command, info_name=name))
    codes = re.findall(r"^ +(\d+)  ", text.partition("Exit codes:")[2], re.MULTILINE)
    known = re.findall(r"^ +(\d+) ", EXIT_CODES, re.MULTILINE)
    assert {"0", "2"} <= set(codes) <= set(known)
    pages = re.findall(r"docs/[\w-]+\.md", text.partition("Documentation of")[2])
    assert "docs/cli.md" in pages
    for page in re.findall(r"docs/[\w-]+\.md", text):
        assert (ROOT / page).is_file(), page
    written = {word for param in command.params for word in param.opts if word.startswith("-")}
    assert {word for word in written if word not in text} == set(), "no option is lost in a group"


def test_every_command_has_its_manual_and_no_other() -> None:
    groups = {name.rpartition(" ")[0] for name in COMMANDS} - {"fxbench"}
    known = {name.removeprefix("fxbench ") for name in (*COMMANDS, *groups)}
    builders = {name for name in known if name.startswith("data ")}
    assert set(manual.MANUALS) == known - builders


def test_an_option_is_called_the_same_everywhere() -> None:
    told: dict[str, set[str | None]] = {}
    for command in COMMANDS.values():
        for param in command.params:
            if isinstance(param, click.Option):
                told.setdefault(param.opts[-1], set()).add(param.help)
    for option in ("--set", "--results", "--protocol", "--renamed", "--cell"):
        assert len(told[option]) == 1, option


# Widths.

WIDTHS = (60, 80, 100, 120)
LONG = ("deepface-retinaface", "mobilenetv2-onnx", "landmark-motion", "emotion-change")


def wide() -> Table:
    """A table with names, intervals, counts and reasons."""
    rows = [
        {
            "detector": LONG[index % 4],
            "classifier": LONG[(index + 1) % 4],
            "accuracy": 0.5,
            "accuracy_low": 0.45,
            "accuracy_high": 0.55,
            "found": 3210,
            "n": 3589,
            "f1": 0.25,
            "f1_low": 0.2,
            "f1_high": 0.3,
            "rate": 123.4,
            "status": "ok",
        }
        for index in range(4)
    ]
    rows.append({"detector": "full-frame", "classifier": "x", "status": "failed", "reason": "why"})
    rows[-1] |= {"reason_kind": "missing weights", "mend": ""}
    columns = (
        Column("detector", "detector"),
        Column("classifier", "classifier", "named"),
        Column("accuracy", "accuracy % [95 % CI]", "interval"),
        Column("f1", "macro-F1 % [95 % CI]", "interval"),
        Column("found", "faces found", "found"),
        Column("rate", "images/s", "rate"),
        Column("status", "status", "status", show="any"),
    )
    return Table("Wide", columns, tuple(rows), ("A note.",))


def matrix(columns: int) -> Table:
    """A table with many columns of one sort."""
    names = [f"classifier-{n}" for n in range(columns)]
    row = {"detector": "opencv-haar"} | dict.fromkeys(names, 0.5)
    shown = (Column("detector", "detector"), *(Column(n, f"{n} %", "percent") for n in names))
    return Table("Matrix", shown, (row,))


def prose() -> Table:
    """A table whose last column is a sentence."""
    why = "the answers to single images are missing, so that nothing can be compared"
    row = {"cell": "deepface-retinaface x mobilenetv2-onnx", "before": 0.5, "why": why}
    columns = (
        Column("cell", "cell"),
        Column("before", "before, %", "percent"),
        Column("why", "note"),
    )
    return Table("Prose", columns, (row,))


def pieces(table: Table) -> set[str]:
    """What may stand in a cell of a table: words, and names up to a hyphen."""
    shown = texts_of(table)
    texts = [*(column.header for column in shown.columns), *(t for row in shown.rows for t in row)]
    words = {word for text in texts for word in text.split()}
    return words | {part for word in words for part in re.findall(r"[^-_./:]+[-_./:]*", word)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("table", [wide(), matrix(3), matrix(15), prose()], ids=lambda t: t.title)
def test_no_table_is_wider_than_the_terminal_nor_breaks_a_word(table: Table, width: int) -> None:
    fitted = fitting(texts_of(table).columns, texts_of(table).rows, width)
    allowed = pieces(table) | {"[CI]", "-"}
    hyphenated = {word for word in allowed if "-" in word}
    for columns, layout in fitted.parts:
        lines = [
            line for header, cells in layout for t in (header, *cells) for line in t.split("\n")
        ]
        for word in {word for line in lines for word in line.split()}:
            assert word in allowed or any(word in whole for whole in hyphenated), word
        assert sum(2 + max(map(len, "\n".join([h, *c]).split("\n"))) for h, c in layout) <= width
        assert columns
    text = to_text(table, width)
    assert max(map(len, text.splitlines())) <= width
    for column in fitted.left_out:
        assert column.header in " ".join(text.split()).partition("Left out for want of room")[2]


def test_the_important_columns_stay_and_the_last_ones_go() -> None:
    kept = {width: to_text(wide(), width) for width in WIDTHS}
    for text in kept.values():
        assert {"detector", "classifier", "accuracy", "status"} <= set(text.split())
    assert "Left out" not in kept[120]
    left_out = " ".join(kept[60].split()).partition("there with --format md: ")[2]
    assert left_out.endswith("images/s.")
    assert "[45.0, 55.0]" in kept[100]


def test_a_column_without_a_value_goes_first_where_there_is_no_room() -> None:
    table = wide()
    empty = Column("nothing", "p50 ms", "time")
    more = Table("Wide", (*table.columns[:3], empty, *table.columns[3:]), table.rows)
    assert "p50 ms" in to_text(more)
    assert "p50" not in to_text(more, 100)
    assert fitting(texts_of(more).columns, texts_of(more).rows, 100).left_out == []


def test_a_matrix_goes_on_below_itself_with_the_names_of_its_rows() -> None:
    table = matrix(15)
    text = to_text(table, 80)
    assert text.count("opencv-haar") >= 2
    parts = fitting(texts_of(table).columns, texts_of(table).rows, 80).parts
    below = [column.key for columns, _ in parts for column in columns if column.key != "detector"]
    assert below == [f"classifier-{n}" for n in range(15)]
    assert "Left out" not in text


def test_where_not_even_names_fit_each_row_is_a_list() -> None:
    text = to_text(wide(), 30)
    assert re.search(r"^ *images/s +123$", text, re.MULTILINE)
    assert re.search(r"^ *status +failed:$", text, re.MULTILINE)
    assert re.search(r"^ *detector +deepface-$", text, re.MULTILINE)


def test_several_reasons_are_numbered_and_one_is_not() -> None:
    rows = [
        {"name": "a", "status": "failed", "reason": "x", "reason_kind": "error", "mend": None},
        {"name": "b", "status": "failed", "reason": "y", "reason_kind": "error", "mend": None},
    ]
    notes = [Why(f"failed (1 cell): {why}", ("failed", why, "")) for why in "xy"]
    columns = (Column("name", "name"), Column("status", "status", "status"))
    both = Table("T", columns, tuple(rows), ("First.", *notes))
    for form in ("table", "md", "latex"):
        text = render(both, form)
        assert "failed: error (2)" in text
        assert "(2) failed (1 cell): y" in text
    one = render(Table("T", columns, tuple(rows[:1]), (notes[0],)))
    assert "failed: error" in one
    assert "(1)" not in one.replace("(1 cell)", "")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", [["list"], ["doctor"], ["leaderboard"], ["tables"]])
def test_what_people_read_fits_the_terminal(
    fxbench: Fxbench, monkeypatch: pytest.MonkeyPatch, command: list[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = fxbench(*command)
    assert code in (0, 1), err
    to_copy = (r"^\(\d+\) ", r"^  → ")
    for line in out.splitlines():
        if not any(re.match(start, line) for start in to_copy):
            assert len(line.rstrip()) <= width, line
    assert "…" not in re.sub(r"^.*(?:→|\(\d+\)).*$", "", out, flags=re.MULTILINE)


def test_things_of_a_list_stand_beside_each_other_or_below() -> None:
    told = "finds faces wherever they are, and says how sure it is of each"
    things = [Named((Text("opencv-haar"), Text("ready")), Text(told))]
    for width, lines in ((100, 1), (40, 3)):
        console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
        print_named(console, [("", things)])
        shown = console.export_text().rstrip().splitlines()
        assert len(shown) == lines
        assert shown[0].startswith("opencv-haar  ready")
        console.file.close()


# Colours and terminals.

SHOWS = (
    "import sys\n"
    "from fxbench.cli import terminal\n"
    "from rich.text import Text\n"
    "terminal.output().print(Text('red', 'red'))\n"
    "console = terminal.messages()\n"
    "with terminal.Steps(console) as steps: steps.at('working', 0.5)\n"
    "with terminal.status(console, 'busy') as tell: tell('still busy')\n"
    "terminal.hint('look: fxbench list')\n"
)


def shown(terminal_too: bool, **variables: str) -> str:
    """What a program of this package shows, in a terminal or a pipe."""
    without = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    environment = {key: value for key, value in os.environ.items() if key not in without}
    environment |= {"TERM": "xterm-256color"} | variables
    call = [sys.executable, "-c", SHOWS]
    if not terminal_too:
        done = subprocess.run(
            call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
        )
        return done.stdout.decode()
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        call, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as running:
        os.close(theirs)
        text = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:
                break
            if not block:
                break
            text += block
    os.close(ours)
    assert running.returncode == 0
    return text.decode()


RED = re.compile(r"\x1b\[31m")
MOVES = re.compile(r"\x1b\[(?:\d*[ABCDGHJK]|\?25[lh])")
ON_TERMINALS = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")


@ON_TERMINALS
def test_a_terminal_gets_colours_bars_and_the_next_command() -> None:
    text = shown(True)
    assert RED.search(text)
    assert MOVES.search(text)
    assert "Next" in text
    assert "fxbench list" in text


@ON_TERMINALS
def test_no_color_takes_colours_away_and_nothing_else() -> None:
    text = shown(True, NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", text)
    assert MOVES.search(text)
    assert RED.search(shown(True, NO_COLOR="")), "set to nothing, it says nothing"


@ON_TERMINALS
def test_a_dumb_terminal_gets_lines_without_escapes() -> None:
    text = shown(True, TERM="dumb")
    assert ESCAPE not in text
    assert "working" in text


def test_a_pipe_gets_plain_lines() -> None:
    text = shown(False)
    assert ESCAPE not in text
    assert " 50% working" in text
    assert "busy" not in text
    assert "Next" not in text


def test_force_color_colours_a_pipe_but_draws_no_bars_there() -> None:
    text = shown(False, FORCE_COLOR="1")
    assert RED.search(text)
    assert not MOVES.search(text)
    assert "Next" not in text
    assert not RED.search(shown(False, FORCE_COLOR="1", NO_COLOR="1"))
    assert not RED.search(shown(False, FORCE_COLOR=""))


@pytest.mark.parametrize(
    ("columns", "width"), [("", 160), ("abc", 160), ("0", 160), ("5", 20), ("72", 72)]
)
def test_a_pipe_is_as_wide_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal.output().width == width
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert terminal.output().width == width
