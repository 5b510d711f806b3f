"""A shell completes commands, options, components, runs and columns, soon and without a word."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from made_up_run import MadeUpRun

from fxbench.cli import cli, completing, main
from fxbench.kinds import KINDS

Complete = Callable[..., list[str]]
BASH, FISH = shutil.which("bash"), shutil.which("fish")


@pytest.fixture(params=["bash", "zsh", "fish"])
def complete(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    toy: None,
) -> Complete:
    """Ask as a shell does what the last of some words could be."""
    shell = request.param
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_FXBENCH_COMPLETE", f"{shell}_complete")

    def ask(*words: str) -> list[str]:
        capfd.readouterr()
        given = ["fxbench", *words]
        monkeypatch.setenv("COMP_WORDS", " ".join(given))
        last = words[-1] if shell == "fish" else str(len(given) - 1)
        monkeypatch.setenv("COMP_CWORD", last)
        with pytest.raises(SystemExit):
            main([])
        out, err = capfd.readouterr()
        assert not err
        lines = out.strip("\n").splitlines()
        if shell == "zsh":
            assert set(lines[::3]) <= {"plain", "dir", "file"}
            return lines[1::3]
        return [line.partition(",")[2].partition("\t")[0] for line in lines]

    return ask


def test_commands_and_options_are_completed(complete: Complete) -> None:
    assert complete("lea") == ["leaderboard"]
    assert complete("weights", "f") == ["fetch"]
    assert complete("leaderboard", "--for") == ["--format"]
    assert complete("tables", "--table", "spot") == ["spotting"]
    assert {"--debug", "--help"} <= set(complete("--"))


def test_components_are_completed_by_their_kind(complete: Complete) -> None:
    assert complete("run", "--classifiers", "toy-lin") == ["toy-linear"]
    assert complete("run", "--detectors", "full-frame,toy-cent") == ["full-frame,toy-centre"]
    assert complete("run", "--attacks", "no")[-1] == "none"
    assert "full-frame" not in complete("run", "--detectors", "full-frame,full-f")
    assert complete("cloak", "--detector", "full-f") == ["full-frame"]
    assert complete("show", "ferp") == ["ferplus"]
    assert complete("check", "al") == ["all"]
    assert complete("run", "--set", "ferplus.pa") == ["ferplus.path="]
    assert complete("run", "--target-labels", "neutral,hap") == ["neutral,happiness"]
    assert complete("run", "--suite", "mini") == ["mini-1"]


def test_an_option_and_its_value_may_be_one_word(complete: Complete) -> None:
    # Bash takes them for three words, and replaces the last one alone.
    found = complete("run", "--detectors=full-frame,toy-cent")
    assert found in (["full-frame,toy-centre"], ["--detectors=full-frame,toy-centre"])


def test_runs_and_columns_are_completed(complete: Complete, tmp_path: Path) -> None:
    MadeUpRun(detectors=1, classifiers=2, conditions=0, images=20, drawn=2).write(
        tmp_path / "results" / "mini-test-1a2b3c4d"
    )
    for words in (["tables"], ["figures"], ["compare", "OTHER"], ["merge"]):
        assert complete(*words, "mini") == ["mini-test-1a2b3c4d"]
    assert complete("tables", "--results", "nowhere", "x") == ["x"], "a path may be meant"
    from fxbench import answers

    folder = tmp_path / "results" / "mini-test-1a2b3c4d"
    known = {name for source in answers.read(folder) for name in source.groups}
    assert set(complete("tables", "--by", "")) >= known


def test_nonsense_completes_to_nothing(complete: Complete) -> None:
    assert complete("nonsense", "x") == []
    assert complete("run", "--nonsense", "x") == []


def test_an_address_of_runs_is_not_opened_for_a_word(complete: Complete) -> None:
    assert complete("tables", "--results", "s3://nowhere/x", "mini") == ["mini"]


def test_the_names_of_columns_are_those_of_the_file(tmp_path: Path) -> None:
    import numpy as np

    from fxbench.answers import Answered, write

    groups = {"agreement": ("low", "high"), "the light, where": ("a", "b")}
    zero = np.zeros(2, np.int64)
    answered = Answered(
        "d", "test", "p", np.arange(2), ("a", "b"), zero, zero, groups, {"c" * 16: zero}
    )
    write(tmp_path, answered)
    (path,) = (tmp_path / "answers").iterdir()
    assert completing._grouped(path) == set(groups)


def test_every_parameter_that_names_components_or_runs_is_completed() -> None:
    def below(group: click.Group) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                below(command)
                continue
            completing.attach(command)
            for param in command.params:
                if param.name in named or param.metavar == "NAME.OPTION=VALUE":
                    assert "shell_complete" in vars(param), (name, param.name)

    kinds = {k.replace("-", "_") for kind in KINDS for k in (kind.name, kind.plural)}
    named = kinds | {"surrogates", "targets", "teacher", "run", "runs", "run_a", "run_b"}
    below(cli)


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_bash_completes_by_the_script(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("fxbench")
    if not program.exists():
        pytest.skip("the command fxbench is not beside this Python")
    lines = ['eval "$(fxbench completion bash)"']
    for words in (
        ["leaderb"],
        ["run", "--detectors", "opencv-h"],
        ["run", "--detectors", "=", "full-frame,opencv-h"],
        ["run", "--set", "ferplus.pa"],
    ):
        line = " ".join(f"'{word}'" for word in ["fxbench", *words])
        lines += [
            f"COMP_WORDS=({line}) COMP_CWORD={len(words)} COMPREPLY=()",
            "_fxbench_completion fxbench",
            'printf "%s\\n" "${COMPREPLY[*]}"',
        ]
    environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(BASH), "--norc", "-c", "\n".join(lines)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "leaderboard",
        "opencv-haar",
        "full-frame,opencv-haar",
        "ferplus.path=",
    ]
    told = [line for line in done.stderr.splitlines() if "compopt" not in line]
    assert not told, "compopt works only while a key is answered; nothing else is said"


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_bash_gets_no_command_out_of_the_name_of_a_run(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("fxbench")
    if not program.exists():
        pytest.skip("the command fxbench is not beside this Python")
    for name in ("$(touch gone)", "my run", "one", "two\nplain,$(x)"):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text('{"created": "2026-01-01"}')
    lines = ['eval "$(fxbench completion bash)"']
    for last in ("", "my", '\\"my'):
        lines += [
            f'COMP_WORDS=(fxbench report "{last}") COMP_CWORD=2 COMPREPLY=()',
            "_fxbench_completion fxbench",
            'printf "%s|" "${COMPREPLY[@]}"; echo',
        ]
    environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(BASH), "--norc", "-c", "\n".join(lines)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    first, second, third = done.stdout.splitlines()
    assert sorted(first.split("|")) == ["", r"\$\(touch\ gone\)", r"my\ run", "one"]
    assert second == r"my\ run|"
    assert third == "|"


@pytest.mark.skipif(FISH is None, reason="fish is not installed")
def test_fish_completes_by_the_script(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("fxbench")
    asked = ("leaderb", "run --detectors full-frame,opencv-h", "run --detectors=opencv-h")
    lines = ["fxbench completion fish | source", *(f"complete -C 'fxbench {w}'" for w in asked)]
    environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(FISH), "--no-config", "-c", "\n".join(lines)],
        env=environment | {"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == [
        "leaderboard",
        "full-frame,opencv-haar",
        "--detectors=opencv-haar",
    ]


@pytest.mark.parametrize(
    ("shell", "mark"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef"), ("fish", "complete --")],
)
def test_each_shell_gets_its_script(
    shell: str, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = []
    for more in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            main(["completion", shell, *more])
        assert ended.value.code == 0
        scripts.append(capsys.readouterr().out)
    assert mark in scripts[0]
    assert f"{shell}_complete" in scripts[0]
    assert json.loads(scripts[1]) == {"shell": shell, "script": scripts[0]}


def test_completing_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import os, sys\n"
        "from fxbench.cli import main\n"
        "try: main([])\n"
        "except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    for words, number in (
        ("fxbench ta", 1),
        ("fxbench run --detectors o", 3),
        ("fxbench show e", 2),
    ):
        environment = os.environ | {
            "_FXBENCH_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(number),
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        heavy = {"numpy", "pandas", "cv2", "pyarrow", "onnxruntime", "requests", "rich"}
        assert not set(done.stderr.split()) & heavy
        assert done.stdout
