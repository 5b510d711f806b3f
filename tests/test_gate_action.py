"""The GitHub action runs fxbench as a caller asks, and nothing that a caller's text may hide."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from docs_text import DOCS, ROOT

ACTION = ROOT / ".github" / "actions" / "fxbench-gate" / "action.yml"
TEXT = ACTION.read_text(encoding="utf-8")
FAKE = """#!/bin/sh
printf '%s\\n' "$@" >> "$CALLS"
echo '##[error]' > made.md
case "$1" in run) exit "${RUN_CODE:-0}";; gate) shift; while [ $# -gt 0 ]; do
  [ "$1" = --markdown ] && printf 'a ##[error] b\\n' > "$2"; shift; done; exit "$CODE";; esac
"""

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash"
)


def script() -> str:
    """What the action's step runs."""
    return textwrap.dedent(TEXT.partition("run: |\n")[2])


def call(folder: Path, code: int = 0, **inputs: str) -> tuple[int, list[str], str, str]:
    """The exit code, the words that fxbench got, what was printed and what was put out."""
    fake = folder / "bin" / "fxbench"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(FAKE, encoding="utf-8")
    fake.chmod(0o755)
    given = {"BASELINE": "b.json", "RUN": "", "BUDGETS": "", "PAIRED": "", "RESULTS": "results"}
    environment = os.environ | {
        "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(folder / "calls"),
        "CODE": str(code),
        "GITHUB_OUTPUT": str(folder / "output"),
    }
    environment |= {
        f"INPUT_{name}": text for name, text in (given | {"REPORT": "report"} | inputs).items()
    }
    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    calls = folder / "calls"
    words = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
    return done.returncode, words, done.stdout, (folder / "output").read_text(encoding="utf-8")


def test_the_action_gates_and_says_what_came_out(tmp_path: Path) -> None:
    code, words, printed, put = call(tmp_path)
    assert code == 0
    assert words[:3] == ["gate", "--baseline", "b.json"]
    assert "--paired" not in words
    assert put == "passed=true\n"
    assert printed == "a ## [error] b\n"


@pytest.mark.parametrize("expected", [0, 1])
def test_a_run_of_which_a_part_failed_is_gated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: int
) -> None:
    monkeypatch.setenv("RUN_CODE", "3")
    code, words, _, put = call(tmp_path, expected, RUN="--datasets mini")
    assert "gate" in words
    assert (code, put) == (expected, f"passed={'false' if expected else 'true'}\n")


def test_a_run_that_failed_is_not_gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_CODE", "2")
    (tmp_path / "output").touch()
    code, words, _, put = call(tmp_path, RUN="--datasets mini")
    assert "gate" not in words
    assert (code, put) == (2, "")


@pytest.mark.parametrize("expected", [1, 2])
def test_the_action_fails_as_the_gate_does(tmp_path: Path, expected: int) -> None:
    code, _, _, put = call(tmp_path, expected)
    assert (code, put) == (expected, "passed=false\n")


def test_options_of_a_run_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    asked = "--datasets mini\n\n--no-latency\n--set folder.path=my faces; touch stolen $(touch s)\n"
    _, words, _, _ = call(tmp_path, RUN=asked, PAIRED=".venv old", BUDGETS="gate.toml")
    assert words[: words.index("gate")] == [
        "run",
        "--results",
        "results",
        "--datasets",
        "mini",
        "--no-latency",
        "--set",
        "folder.path=my faces; touch stolen $(touch s)",
    ]
    assert words[-2:] == ["--paired", ".venv old"]
    assert words[-4:-2] == ["--budgets", "gate.toml"]
    assert not (tmp_path / "stolen").exists()
    assert not (tmp_path / "s").exists()


def test_no_input_is_pasted_into_the_script() -> None:
    assert "${{" not in script()
    inputs = re.findall(r"^  ([a-z-]+):$", TEXT.partition("outputs:")[0], re.MULTILINE)
    assert len(inputs) == 7
    page = (DOCS / "gate.md").read_text(encoding="utf-8")
    assert [name for name in inputs if f"`{name}`" not in page] == []


def test_the_action_is_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    record = yaml.safe_load(TEXT)
    assert record["runs"]["using"] == "composite"
    assert set(record["inputs"]) >= {"baseline", "run", "budgets", "paired"}
    assert record["runs"]["steps"][0]["run"].strip() == script().strip()
