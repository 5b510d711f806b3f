"""What a shell completes: components, options, runs and columns, and nothing heavy on the way.

The shell calls `fxbench` with the variable `_FXBENCH_COMPLETE` set, at every press of the tab key.
What a parameter completes to is found by its name, so that a command needs to do nothing for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    shell_complete,
)

from fxbench.kinds import KINDS

if TYPE_CHECKING:
    from fxbench.registry import Registry

    Item = CompletionItem[str]
    Found = Iterable[tuple[str, str]]

VARIABLE = "_FXBENCH_COMPLETE"
PROGRAM = "fxbench"
_SPLITS = ("train", "valid", "test")
_ACTIVE = re.compile(r"[^\w@%+=:,./-]")
"""What bash may take for more than a part of a word. Names of runs and columns come from others."""
_LATEST = 30
"""Of many runs, those that a person most likely means."""

Finder = Callable[[click.Context], "Found"]


def answer(cli: click.Command) -> int:
    """Answer a shell on standard output, and return the exit code.

    Whatever goes wrong, nothing is said: it would stand in the line that is being typed.
    """
    for shell in (_Bash, _Zsh, _Fish):
        add_completion_class(shell)
    try:
        return shell_complete(cli, {}, PROGRAM, VARIABLE, os.environ.get(VARIABLE, ""))
    except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001 - see above
        return 1


def attach(command: click.Command) -> None:
    """Tell the parameters of a command, and of those below it, what they complete to."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            attach(below)
    for param in command.params:
        found = _finder(str(command.name), param)
        if found is None:
            continue

        def complete(
            ctx: click.Context, incomplete: str, found: tuple[Finder, bool] = found
        ) -> list[Item]:
            finder, several = found
            words = _matching(finder(ctx), incomplete, several=several)
            if not words and finder in (_runs, _settings, _files):
                return [CompletionItem(incomplete, type="file")]
            return words

        param.shell_complete = complete  # type: ignore[method-assign]


def _finder(command: str, param: click.Parameter) -> tuple[Finder, bool] | None:
    """What finds the words for a parameter, and whether it takes several of them with commas."""
    name = str(param.name)
    if isinstance(param, click.Argument):
        if (command, name) in _ARGUMENTS:
            return _ARGUMENTS[command, name], False
        return (_runs, False) if name in ("run", "runs", "run_a", "run_b") else None
    for kind in KINDS:
        if name == kind.plural.replace("-", "_"):
            return _components(kind.name, *(["none"] if name == "attacks" else []), "all"), True
        if name == kind.name.replace("-", "_"):
            return _components(kind.name), False
    if name == "source" and "--from" not in param.opts:
        return _files, False
    return _OPTIONS.get(name)


def _matching(found: Found, incomplete: str, *, several: bool) -> list[Item]:
    """The words that go on with what was typed; the protocol has one line for each."""
    before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
    given = before.split(",")
    return [
        CompletionItem(f"{before}{comma}{word}", help=told or None)
        for word, told in found
        if word.startswith(last) and word not in given and word.isprintable()
    ]


def _registry() -> Registry:
    from fxbench.registry import discover

    return discover()


def _components(kind: str, *more: str) -> Finder:
    def found(_: click.Context) -> Iterator[tuple[str, str]]:
        for entry in _registry().of_kind(kind):
            yield entry.name, entry.component.summary
        yield from ((word, "") for word in more)

    return found


def _files(_: click.Context) -> Found:
    """No word: files are meant."""
    return ()


def _words(*words: str) -> Finder:
    return lambda _: ((word, "") for word in words)


def _anything(_: click.Context) -> Iterator[tuple[str, str]]:
    """Components and plugins, each name once."""
    registry = _registry()
    names = {entry.name: entry.component.summary for entry in registry.entries}
    yield from names.items()
    for plugin in registry.plugins:
        if plugin.name not in names:
            yield plugin.name, f"plugin of {plugin.distribution}"


def _checkable(ctx: click.Context) -> Iterator[tuple[str, str]]:
    yield from _anything(ctx)
    yield "all", "every component that is ready"


def _audited(ctx: click.Context) -> Iterator[tuple[str, str]]:
    for kind in ("classifier", "dataset"):
        yield from _components(kind)(ctx)


def _weights(_: click.Context) -> Iterator[tuple[str, str]]:
    """Components that load weight files, and the files."""
    files: dict[str, str] = {}
    for entry in _registry().entries:
        if entry.component.weights:
            yield entry.name, entry.component.summary
        files |= {weights.name: weights.licence for weights in entry.component.weights}
    yield from files.items()


def _settings(_: click.Context) -> Iterator[tuple[str, str]]:
    """`NAME.OPTION=` for every option of a component."""
    found = {}
    for entry in _registry().entries:
        for option in entry.component.options:
            found[f"{entry.component.owner}.{option.name}="] = option.help
    yield from found.items()


def _results(ctx: click.Context) -> Path:
    return Path(ctx.params.get("results") or "results")


def _runs(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The names of the latest runs, the latest first."""
    from fxbench.store import runs

    for folder in reversed(runs(_results(ctx))[-_LATEST:]):
        yield folder.name, ""


def _columns(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """The columns of metadata that a run's images can be grouped by."""
    from fxbench.store import find

    names = set()
    for path in (find(_results(ctx), ctx.params.get("run")) / "answers").glob("*.parquet"):
        names |= _grouped(path)
    yield from ((name, "") for name in sorted(names))


def _grouped(path: Path) -> set[str]:
    """The names of columns `group:NAME`, from the end of a Parquet file.

    What reads such files takes half a second to import, too long for whoever waits for a word. In
    the footer every name stands behind a byte that says how long it is.
    """
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, os.SEEK_END)
        footer = file.read(length)
    found = set()
    for place in re.finditer(b"group:", footer):
        begin = place.start()
        name = footer[begin : begin + footer[begin - 1]]
        found.add(name.decode("utf-8", "replace").removeprefix("group:"))
    return found


def _suites(_: click.Context) -> Iterator[tuple[str, str]]:
    folder = Path(__file__).parent.parent / "suites"
    yield from ((path.stem, "") for path in sorted(folder.glob("*.json")))


def _emotions(_: click.Context) -> Iterator[tuple[str, str]]:
    from fxbench.labels import EMOTIONS

    yield from ((name, "") for name in (*EMOTIONS, "none"))


def _alignments(_: click.Context) -> Iterator[tuple[str, str]]:
    from fxbench.selection import ALIGNMENTS

    yield from ((name, "") for name in ALIGNMENTS)


def _checks(_: click.Context) -> Iterator[tuple[str, str]]:
    from fxbench.audit.findings import CHECKS

    yield from ((name, "") for name in CHECKS)


_ARGUMENTS: dict[tuple[str, str], Finder] = {
    ("show", "name"): _anything,
    ("check", "name"): _checkable,
    ("audit", "subject"): _audited,
    ("train", "name"): _components("trainer"),
    ("analyze", "paths"): _files,
    ("fetch", "names"): _weights,
    ("verify", "names"): _weights,
}
_OPTIONS: dict[str, tuple[Finder, bool]] = {
    "surrogates": (_components("classifier", "all"), True),
    "targets": (_components("classifier", "all"), True),
    "surrogate": (_components("classifier"), False),
    "teacher": (_components("classifier"), False),
    "source": (_components("dataset"), False),
    "target_labels": (_emotions, True),
    "target_label": (_emotions, False),
    "aligns": (_alignments, True),
    "align": (_alignments, False),
    "checks": (_checks, True),
    "settings": (_settings, False),
    "split": (_words(*_SPLITS), False),
    "valid": (_words(*_SPLITS), False),
    "column": (_columns, False),
    "suite": (_suites, False),
}


class _Bash(BashComplete):
    """Bash, which takes `--option=value` and `NAME.OPTION=value` for three words each.

    Unlike the other shells it puts a word into the line as it is, so that commands are escaped.
    """

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n'
    local response type value completion

    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
%(complete_var)s=bash_complete "$1" 2>/dev/null)

    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"

        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("$value")
            [[ $value == *= ]] && compopt -o nospace
        fi
    done

    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is being typed, and that one, put together at `=`."""
        given, last = super().get_completion_args()
        words: list[str] = []
        glue = False
        for word in (*given, last):
            if words and (glue or word == "="):
                words[-1] += word
            else:
                words.append(word)
            glue = word == "="
        return words[:-1], words[-1]

    def get_completions(self, args: list[str], incomplete: str) -> list[Item]:
        """The words; of `NAME.OPTION=value` what comes after the `=`."""
        found = super().get_completions(args, incomplete)
        before, equals, _ = incomplete.rpartition("=")
        quoted = os.environ.get("COMP_WORDS", "").rpartition("\n")[2].startswith(("'", '"'))
        for item in found:
            if equals and not incomplete.startswith("-"):
                item.value = item.value.removeprefix(before + equals)
            if item.type == "plain" and not quoted:
                item.value = _ACTIVE.sub(r"\\\g<0>", item.value)
        # Within quotes a backslash means what it is.
        return [i for i in found if not (quoted and i.type == "plain" and _ACTIVE.search(i.value))]


def _with_option(found: list[Item], incomplete: str) -> list[Item]:
    """The words as shells want them for which `--option=value` is one word."""
    option, equals, _ = incomplete.partition("=")
    for item in found:
        if equals and option.startswith("-") and item.type == "plain":
            item.value = f"{option}={item.value}"
    return found


class _Zsh(ZshComplete):
    """Zsh, which replaces the whole of `--option=value`."""

    def get_completions(self, args: list[str], incomplete: str) -> list[Item]:
        """The words, each with the option before it where that is a part of the word."""
        return _with_option(super().get_completions(args, incomplete), incomplete)


class _Fish(FishComplete):
    """Fish. Words of a list have commas between them, which click's own script cuts them off at."""

    def get_completions(self, args: list[str], incomplete: str) -> list[Item]:
        """The words, each with the option before it where that is a part of the word."""
        return _with_option(super().get_completions(args, incomplete), incomplete)

    source_template = """\
function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \\
COMP_CWORD=(commandline -t) %(prog_name)s 2>/dev/null)

    for completion in $response
        set -l parts (string split --max 1 "," -- $completion)

        if test $parts[1] = "dir"
            __fish_complete_directories $parts[2]
        else if test $parts[1] = "file"
            __fish_complete_path $parts[2]
        else if test $parts[1] = "plain"
            echo $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


def script(cli: click.Command, shell: str) -> str:
    """What a shell has to read to complete the words of fxbench.

    Args:
        cli: the command line.
        shell: `bash`, `zsh` or `fish`.
    """
    kinds: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}
    return kinds[shell](cli, {}, PROGRAM, VARIABLE).source()
