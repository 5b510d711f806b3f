"""The fixtures of pytest: a package's own tests gate its model, and pytest-benchmark times it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from docs_text import blocks, read

ROOT = Path(__file__).resolve().parent.parent

# Each runs pytest several times, in processes that import fxbench anew.
pytestmark = pytest.mark.timeout(300)

PLUGIN = """
import fxbench
from fxbench.component import Component


def make():
    import numpy as np
    from fxbench.types import FaceSpec

    class Calm:
        labels, face = ("neutral", "happiness", "anger"), FaceSpec(8)

        def predict(self, faces):
            return np.tile(np.float32([{answer}]), (len(faces), 1))

    return Calm()


@fxbench.hookimpl
def fxbench_classifiers():
    return [Component("calm", "Everybody is the same.", make)]
"""
NEUTRAL, ANGRY = "0.8, 0.1, 0.1", "0.1, 0.1, 0.8"

GATED = """
    PLAN = {
        "datasets": "mini",
        "detectors": "full-frame",
        "landmarkers": (),
        "classifiers": "calm",
        "attacks": "none",
    }

    def test_calm(fxbench_gate):
        fxbench_gate("baselines/calm.json", **PLAN)
"""


@pytest.fixture
def package(tmp_path):
    """A package with a classifier, whose tests can be run."""
    site = tmp_path / "site"
    info = site / "calm-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: calm\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fxbench]\ncalm = fxbench_calm\n")
    return Package(tmp_path)


class Package:
    """Where the tests of the package are run."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "project"
        self.root.mkdir()
        (self.root / "pytest.ini").write_text("[pytest]\n")
        self.answers(NEUTRAL)

    def answers(self, answer):
        (self.folder / "site" / "fxbench_calm.py").write_text(PLUGIN.format(answer=answer))

    def has(self, code):
        (self.root / "test_calm.py").write_text(textwrap.dedent(code))

    def tested(self, *given):
        # In a worker of pytest-xdist, pytest-benchmark measures nothing.
        own = {n: text for n, text in os.environ.items() if not n.startswith("PYTEST_")}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *given],
            cwd=self.root,
            env=own | {"PYTHONPATH": str(self.folder / "site")},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


def test_a_gate_writes_its_baseline_passes_and_fails_with_the_images(package):
    package.has(GATED)
    code, said = package.tested()
    assert code == 0
    assert "1 skipped" in said
    assert "give --fxbench" in said

    code, said = package.tested("--fxbench")
    assert code == 1
    assert "There is no baseline" in said
    assert "During handling" not in said
    assert "pytest --fxbench-update" in said

    code, said = package.tested("--fxbench-update")
    assert code == 0, said
    assert "fxbench wrote the baseline baselines/calm.json" in said
    assert (package.root / "baselines" / "calm.json").is_file()

    junit = package.root / "tests.xml"
    code, said = package.tested("--fxbench", f"--junit-xml={junit}")
    assert code == 0, said
    assert "1 passed" in said
    assert "Passed: " in junit.read_text()
    assert not (package.root / "results").exists(), "a test leaves nothing behind"

    package.answers(ANGRY)
    code, said = package.tested("--fxbench")
    assert code == 1
    assert "regression" in said
    assert "accuracy_end_to_end" in said
    assert "lost: neutral/" in said
    assert "neutral -> anger" in said
    assert "Traceback" not in said


def test_budgets_come_from_the_root_folder_and_failing_cells_fail(package):
    package.has(GATED)
    assert package.tested("--fxbench-update")[0] == 0
    (package.root / "fxbench.toml").write_text('[gate]\nfloors = ["recall.fear >= 0.9"]\n')
    code, said = package.tested("--fxbench")
    assert code == 1
    assert "below the floor" in said

    package.answers("0.8, 0.1")  # two outputs for three labels
    for option in ("--fxbench", "--fxbench-update"):
        code, said = package.tested(option)
        assert code == 1
        assert "cells failed" in said


def test_a_marked_test_is_run_on_request_and_a_plan_may_be_a_suite(package):
    package.has(
        """
        import pytest

        @pytest.mark.fxbench
        def test_marked():
            pass

        def test_suite(fxbench_gate):
            fxbench_gate("x.json", suite="mini-9")

        def test_beside(fxbench_gate):
            fxbench_gate("x.json", suite="mini-1", classifiers="calm")
        """
    )
    code, said = package.tested("--strict-markers")
    assert code == 0
    assert "3 skipped" in said
    code, said = package.tested("--strict-markers", "--fxbench")
    assert "1 passed" in said
    assert "2 failed" in said
    assert "Unknown suite 'mini-9'" in said
    assert "The suite mini-1 is frozen" in said


def test_components_are_timed_stored_and_compared_by_pytest_benchmark(package):
    package.has(
        """
        import pytest

        @pytest.mark.parametrize("batch", [1, 16])
        def test_time(fxbench_time, batch):
            answer = fxbench_time("classifier", "calm", batch=batch)
            assert answer.shape == (batch, 3)

        def test_detector(fxbench_time):
            assert len(fxbench_time("detector", "full-frame", batch=2).frame) == 2

        def test_landmarker(fxbench_time):
            assert len(fxbench_time("landmarker", "mean-shape", batch=3).xy) == 3

        def test_unknown(fxbench_time):
            fxbench_time("classifier", "calmer")
        """
    )
    quick = ("--benchmark-min-rounds=3", "--benchmark-max-time=0.01")
    stored = f"--benchmark-storage={package.folder / 'times'}"
    code, said = package.tested("--fxbench", *quick, stored, "--benchmark-save=one")
    assert code == 1
    assert "4 passed" in said
    assert "1 failed" in said
    assert "did you mean 'calm'" in said
    (path,) = (package.folder / "times").rglob("*_one.json")
    found = {one["name"]: one for one in json.loads(path.read_text())["benchmarks"]}
    about = found["test_time[16]"]["extra_info"]["fxbench"]
    assert (about["component"], about["batch"]) == ("classifier calm", 16)
    assert about["threads"]
    assert found["test_detector"]["stats"]["rounds"] >= 3
    compared = ("--benchmark-compare=0001", "--benchmark-compare-fail=median:100000%")
    code, said = package.tested("--fxbench", "-k", "test_time", *quick, stored, *compared)
    assert code == 0, said
    assert "0001_one" in said


def test_without_pytest_benchmark_it_is_said_what_is_missing(package):
    package.has(
        """
        def test_time(fxbench_time):
            fxbench_time("classifier", "calm")
        """
    )
    code, said = package.tested("--fxbench", "-p", "no:benchmark")
    assert code == 1
    assert "pip install pytest-benchmark" in said


def test_the_tests_of_the_documentation_pass(package):
    code = [block.replace("acme", "calm") for block in blocks(read("pytest.md"), "python")]
    assert len(code) == 3
    package.has("\n".join(code))
    quick = ("--benchmark-min-rounds=3", "--benchmark-max-time=0.01")
    code, said = package.tested("--fxbench-update", *quick)
    assert code == 0, said
    code, said = package.tested("--fxbench", *quick)
    assert code == 0, said
    assert "4 passed" in said
