"""A plugin of somebody else's, installed with pip, and broken ones beside it."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from pip_target import pip_install, python

OURS = {
    ("detector", "third-upper"),
    ("classifier", "third-linear"),
    ("attack", "third-jump"),
    ("dataset", "third-stripes"),
}

BROKEN = {
    # name: source, state, what is said of it
    "import-error": ("import a_module_that_is_not_there", "broken", "ModuleNotFoundError"),
    "wrong-return": (
        """
        import fxbench

        @fxbench.hookimpl
        def fxbench_detectors():
            return {"name": "face-finder"}
        """,
        "broken",
        "must return a list of Component, not of 'name'",
    ),
    "misspelt-hook": (
        """
        import fxbench

        @fxbench.hookimpl
        def fxbench_classifers():
            return []
        """,
        "broken",
        "did you mean 'fxbench_classifiers'?",
    ),
    # Names come in order, and the first one is kept: this is after `thirdparty`.
    "zz-duplicate": (
        """
        import fxbench
        from fxbench.component import Component

        @fxbench.hookimpl
        def fxbench_detectors():
            return [Component("third-upper", "An impostor.", object)]
        """,
        "broken",
        "fxbench-thirdparty (fxbench_thirdparty) offers one of that name already",
    ),
    "newer-hook": (
        """
        import fxbench

        @fxbench.hookimpl
        def fxbench_palmists():
            return []
        """,
        "needs a newer fxbench",
        "pip install --upgrade fxbench",
    ),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `fxbench-thirdparty` is installed in."""
    target = tmp_path_factory.mktemp("installed")
    pip_install(target, Path(__file__).parent / "third_party")
    return target


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plugins that are broken, each in its own way."""
    folder = tmp_path_factory.mktemp("broken")
    for name, (source, _, _) in BROKEN.items():
        module = f"broken_{name.replace('-', '_')}"
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[fxbench]\n{name} = {module}\n")
    return folder


def test_it_is_listed(installed: Path, tmp_path: Path) -> None:
    done = python("-m", "fxbench", "list", "--json", paths=(installed,), cwd=tmp_path)
    rows = [r for r in json.loads(done.stdout) if r["distribution"] == "fxbench-thirdparty"]
    assert {(row["kind"], row["name"]) for row in rows} == OURS
    assert {(row["state"], row["version"]) for row in rows} == {("ready", "1.0")}


def test_it_conforms(installed: Path, tmp_path: Path) -> None:
    done = python(
        "-m", "fxbench", "check", "thirdparty", "--json", paths=(installed,), cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    reports = json.loads(done.stdout)
    assert {(report["kind"], report["component"]) for report in reports} == OURS
    tried = {(r["component"], t["rule"]): t["status"] for r in reports for t in r["results"]}
    assert tried["third-linear", "finite-differences"] == "passed"
    assert tried["third-jump", "budget"] == "passed"
    assert tried["third-stripes", "truth"] == "passed"


def test_broken_ones_are_each_reported_in_a_line(
    installed: Path, broken: Path, tmp_path: Path
) -> None:
    paths = (broken, installed)
    done = python("-m", "fxbench", "list", paths=paths, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for name, (_, state, text) in BROKEN.items():
        head = f"plugin {name} (broken_{name.replace('-', '_')}): {state}"
        assert lines.count(head) == 1, name
        assert text in lines[lines.index(head) + 1], name
    assert sum(line.startswith("plugin ") for line in lines) == len(BROKEN)

    done = python("-m", "fxbench", "list", "--json", paths=paths, cwd=tmp_path)
    rows = json.loads(done.stdout)
    assert {row["name"]: row["state"] for row in rows if row["kind"] == "plugin"} == {
        name: state for name, (_, state, _) in BROKEN.items()
    }
    here = {(r["kind"], r["name"]) for r in rows if r["distribution"] == "fxbench-thirdparty"}
    assert here == OURS
    assert not [row for row in rows if row["summary"] == "An impostor."]


def test_it_joins_a_run_with_broken_ones_beside_it(
    installed: Path, broken: Path, ferplus: Path, tmp_path: Path
) -> None:
    # fmt: off
    done = python(
        "-m", "fxbench", "run", "--datasets=ferplus,third-stripes",
        f"--set=ferplus.path={ferplus}", "--set=third-upper.share=0.9",
        "--detectors=full-frame,third-upper", "--classifiers=prior,third-linear",
        "--attacks=none,fgsm,third-jump", "--epsilons=0,0.1", "--no-latency", "--json",
        paths=(broken, installed), cwd=tmp_path,
    )
    # fmt: on
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    cells = [json.loads(line) for line in (folder / "cells.jsonl").read_text().splitlines()]
    done_cells = [cell for cell in cells if cell["status"] == "ok"]
    for dataset in ("ferplus", "third-stripes"):
        for detector in ("full-frame", "third-upper"):
            axes = [c["axes"] for c in done_cells if c["axes"]["dataset"] == dataset]
            axes = [a for a in axes if a["detector"] == detector]
            attacked = {a.get("attack", "none") for a in axes if a["classifier"] == "third-linear"}
            assert attacked == {"none", "fgsm", "third-jump", "noise", "noise-l2"}, axes
            assert {a["classifier"] for a in axes} == {"prior", "third-linear"}
    assert not [cell for cell in cells if cell["status"] not in ("ok", "skipped")]
