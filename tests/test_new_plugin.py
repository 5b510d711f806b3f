"""`fxbench new plugin` writes projects that work as they are, and overwrites nothing."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pip_target import pip_install, python

from fxbench import scaffold
from fxbench.cli import cli, main
from fxbench.errors import FxbenchError, PluginError, UsageError
from fxbench.kinds import COMPARED

NAMES = {kind.name: f"acme-{kind.name}" for kind in COMPARED} | {"classifier": "acme"}


def new(folder: Path, name: str, kind: str) -> Result:
    return CliRunner().invoke(
        cli, ["new", "plugin", name, "--kind", kind, "--folder", str(folder)], obj={"debug": False}
    )


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new plugin of every kind."""
    folder = tmp_path_factory.mktemp("projects")
    for kind, name in NAMES.items():
        result = new(folder, name, kind)
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def installed(projects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all of them are installed in, as `pip install ./acme` does."""
    target = tmp_path_factory.mktemp("installed")
    pip_install(target, *(projects / name for name in NAMES.values()))
    return target


@pytest.mark.parametrize(("kind", "name"), NAMES.items())
def test_a_project_is_complete(projects: Path, kind: str, name: str) -> None:
    folder = projects / name
    module = name.replace("-", "_")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "pyproject.toml",
        "README.md",
        f"src/{module}/__init__.py",
        f"src/{module}/{kind}.py",
        f"tests/test_{module}.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == name
    assert project["entry-points"] == {"fxbench": {name: module}}
    assert project["dependencies"][0].startswith("fxbench>=")
    readme = (folder / "README.md").read_text()
    assert {f"`{path}`" for path in files - {"README.md"}} <= set(re.findall(r"`[^`]+`", readme))
    for path in files:
        text = (folder / path).read_text()
        assert "$" not in re.sub(r"^\$ ", "", text, flags=re.MULTILINE), path


def test_what_was_written_and_what_to_do_next_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = CliRunner().invoke(cli, ["new", "plugin", "acme"], obj={}).output.splitlines()
    assert lines[0] == "The classifier acme, in acme:"
    assert "  src/acme/classifier.py" in lines
    after = lines[lines.index("Next:") + 1 :]
    assert after[:2] == ["  pip install ./acme", "  fxbench check acme"]
    assert after[2].startswith("  fxbench run --classifiers acme,prior ")
    assert len(after) == 3
    lines = CliRunner().invoke(cli, ["new", "plugin", "b", "--folder", "x y"]).output.splitlines()
    assert "  pip install 'x y/b'" in lines


@pytest.mark.parametrize("kind", NAMES)
def test_the_command_to_compare_it_exists(projects: Path, kind: str) -> None:
    words = scaffold._RUNS[kind].replace("$name", NAMES[kind]).split()
    command = cli.get_command(cli.make_context("fxbench", [*words[1:]]), words[1])
    assert command is not None
    command.make_context("run", words[2:])
    assert " ".join(words) in (projects / NAMES[kind] / "README.md").read_text()


def test_every_kind_conforms_as_it_stands(installed: Path, tmp_path: Path) -> None:
    done = python(
        "-m", "fxbench", "check", "--json", *NAMES.values(), paths=(installed,), cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reports = json.loads(done.stdout)
    assert {report["kind"]: report["component"] for report in reports} == NAMES


def test_its_own_tests_pass_and_can_fail(installed: Path, projects: Path) -> None:
    tests = [str(projects / name / "tests") for name in NAMES.values()]
    quiet = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    done = python("-m", "pytest", *quiet, *tests, paths=(installed,), cwd=projects)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{2 * len(NAMES)} passed" in done.stdout
    # Not installed, there is nothing to check.
    done = python("-m", "pytest", *quiet, tests[0], cwd=projects)
    assert done.returncode == 1
    assert "Unknown" in done.stdout


def test_the_classifier_joins_a_run(installed: Path, ferplus: Path, tmp_path: Path) -> None:
    # fmt: off
    done = python(
        "-m", "fxbench", "run", "--classifiers", "acme,prior", "--attacks", "none",
        "--set", f"ferplus.path={ferplus}", "--split", "valid", "--no-latency", "--json",
        "--datasets", "ferplus", paths=(installed,), cwd=tmp_path,
    )
    # fmt: on
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    cells = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
    assert {(c["axes"]["classifier"], c["status"]) for c in cells} == {
        ("acme", "ok"),
        ("prior", "ok"),
    }


def test_the_spotter_joins_a_run(installed: Path, tmp_path: Path) -> None:
    # fmt: off
    done = python(
        "-m", "fxbench", "run", "--datasets", "mini-clips", "--detectors", "full-frame",
        "--spotters", f"{NAMES['spotter']},spot-everything", "--limit", "2", "--fps", "10",
        "--no-latency", "--json", paths=(installed,), cwd=tmp_path,
    )
    # fmt: on
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    cells = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
    spotted = {c["axes"]["spotter"]: c["status"] for c in cells if "spotter" in c["axes"]}
    assert spotted[NAMES["spotter"]] == spotted["spot-everything"] == "ok"


def test_the_dataset_reads_a_folder(installed: Path, tmp_path: Path) -> None:
    import cv2
    import numpy as np

    for emotion in ("happiness", "fear"):
        (tmp_path / "photos" / emotion).mkdir(parents=True)
        for number in range(2):
            picture = np.full((30, 20 + number, 3), 99, np.uint8)
            cv2.imwrite(str(tmp_path / "photos" / emotion / f"{number}.png"), picture)
    (tmp_path / "photos" / "fear" / "torn.png").write_bytes(b"\x89PNG")
    name = NAMES["dataset"]
    done = python(
        *("-m", "fxbench", "check", name, "--json", f"--set={name}.path={tmp_path / 'photos'}"),
        paths=(installed,),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = json.loads(done.stdout)
    why = {result["rule"]: result["why"] for result in report["results"]}
    assert why["rows"].startswith("4 images read, 1 can't be read")
    (tmp_path / "empty").mkdir()
    done = python(
        *("-m", "fxbench", "check", name, f"--set={name}.path={tmp_path / 'empty'}"),
        paths=(installed,),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "holds no images" in done.stdout


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "kept").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        scaffold.plugin("acme", "classifier", tmp_path)
    assert [path.name for path in (tmp_path / "acme").iterdir()] == ["kept"]
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is there already"):
        scaffold.plugin("dangling", "classifier", tmp_path)


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("Acme", PluginError, "lower case words joined by hyphens"),
        ("../acme", PluginError, "lower case words joined by hyphens"),
        ("", PluginError, "lower case words joined by hyphens"),
        ("all", PluginError, "reserved"),
        ("3d", UsageError, "begins with a letter"),
        ("lambda", UsageError, "no word of the language"),
        ("json", UsageError, "there is a module 'json' already"),
        ("fxbench", UsageError, "there is a module 'fxbench' already"),
        ("prior", UsageError, "The classifier 'prior' is there already, from fxbench"),
        ("opencv-haar", UsageError, "The detector 'opencv-haar' is there already"),
        ("scikit-learn", UsageError, "pip would replace the installed scikit-learn"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    tmp_path: Path, name: str, error: type[FxbenchError], text: str
) -> None:
    with pytest.raises(error, match=re.escape(text)) as caught:
        scaffold.plugin(name, "classifier", tmp_path)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FxbenchError, match=r"can't be written .*--folder"):
        scaffold.plugin("acme", "classifier", tmp_path / "file")
    with pytest.raises(UsageError, match="did you mean 'classifier'"):
        scaffold.plugin("acme", "clasifier", tmp_path)


def test_a_slip_is_answered_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["new", "plugn", "acme"])
    assert ended.value.code == 2
    assert "did you mean 'plugin'?" in capsys.readouterr().err


def test_the_templates_come_with_the_distribution() -> None:
    files = {path.as_posix() for path in distribution("fxbench").files or ()}
    if "fxbench/scaffold.py" not in files:
        pytest.skip("fxbench is installed from its sources, not from a wheel")
    templates = {file for file in files if file.endswith(".template")}
    assert len(templates) == 2 + 3 * len(COMPARED)
