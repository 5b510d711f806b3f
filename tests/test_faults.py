"""Whatever stops a run, at any moment: the same command ends with the same numbers."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fxbench import runner
from fxbench import sources as sources_module
from fxbench.errors import StoreError
from fxbench.registry import discover
from fxbench.selection import Selection
from fxbench.store import SCHEMA, StoredRun, load

TOY = Path(__file__).parent / "toy"
SELECTION = Selection(
    split="valid",
    detectors=("toy-centre",),
    classifiers=("toy-linear",),
    attacks=("none", "fgsm"),
    epsilons=(0.1,),
)


def numbers(stored: StoredRun) -> list[dict[str, Any]]:
    return [{k: v for k, v in c.items() if k != "latency"} for c in stored.cells]


def execute(folder: Path, ferplus: Path, cache: Path | None = None) -> StoredRun:
    # With a registry, latency is measured in this process, which is sooner begun.
    prepared = runner.prepare(SELECTION, (f"ferplus.path={ferplus}",), discover(), folder)
    settings = runner.Settings(folder / "results", cache or folder / "cache", threads=1)
    return runner.run(prepared, settings)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks of the tiny split, so that a run can stop between them."""
    monkeypatch.setattr(sources_module, "CHUNK_ROWS", 10)


class Fault:
    """Lets the first calls of a function through and fails all that follow."""

    def __init__(self, real: Any, passes: int, number: int) -> None:
        self.real = real
        self.left = passes
        self.number = number
        self.hit = False

    def __call__(self, *arguments: Any) -> Any:
        if self.left <= 0:
            self.hit = True
            raise OSError(self.number, os.strerror(self.number))
        self.left -= 1
        return self.real(*arguments)


@pytest.mark.usefixtures("toy", "small_chunks")
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_fault_at_each_write_is_survived(
    tmp_path: Path, ferplus: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    expected = numbers(execute(tmp_path / "whole", ferplus))
    real = getattr(os, call)
    folder = tmp_path / "faulty"
    passes = faults = 0
    while True:
        fault = Fault(real, passes, errno.ENOSPC)
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fault)
            try:
                stored = execute(folder, ferplus)
            except StoreError as error:
                assert "The disk is full" in str(error)
                assert error.exit_code == 4
            else:
                break
        assert fault.hit
        faults += 1
        # Each attempt gets a little further than the last, from an empty folder every other time.
        passes += 1
        if passes % 2:
            for path in (folder / "results").glob("*/*.json"):
                path.unlink()
        assert faults < 200
    assert faults >= 5
    assert numbers(stored) == expected
    assert not list(folder.rglob("*.fxbench-tmp"))


@pytest.mark.usefixtures("toy", "small_chunks")
def test_a_run_stopped_at_each_rename_and_begun_again_has_the_same_numbers(
    tmp_path: Path, ferplus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = numbers(execute(tmp_path / "whole", ferplus))
    real = os.replace
    for passes in range(200):
        fault = Fault(real, passes, errno.EIO)
        folder = tmp_path / f"stopped-{passes}"
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fault)
            try:
                execute(folder, ferplus)
            except StoreError:
                pass
            else:
                break
        assert numbers(execute(folder, ferplus)) == expected, f"after {passes} renames"
    assert passes > 10


def command(folder: Path, ferplus: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "fxbench",
        "run",
        "--split=valid",
        f"--set=ferplus.path={ferplus}",
        f"--results={folder / 'results'}",
        "--detectors=toy-centre,full-frame",
        "--classifiers=toy-linear,toy-seven",
        "--attacks=none,fgsm",
        "--epsilons=0,0.1",
        "--threads=1",
    ]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.timeout(240)
def test_a_run_killed_again_and_again_ends_with_the_same_numbers(
    tmp_path: Path, ferplus: Path
) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(TOY),
        "TOY_SLEEP": "0.01",
        "FXBENCH_CACHE": str(tmp_path / "whole-cache"),
    }

    def finished(folder: Path) -> StoredRun | None:
        runs = list((folder / "results").glob("*/run.json"))
        stored = load(runs[0].parent) if runs else None
        return stored if stored is not None and stored.finished else None

    begin = time.monotonic()
    subprocess.run(
        command(tmp_path / "whole", ferplus), env=environment, check=True, capture_output=True
    )
    whole = time.monotonic() - begin
    expected = finished(tmp_path / "whole")
    assert expected is not None

    environment["FXBENCH_CACHE"] = str(tmp_path / "killed-cache")
    folder = tmp_path / "killed"
    moments = random.Random(7)
    killed = 0
    for _ in range(8):
        process = subprocess.Popen(
            command(folder, ferplus),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # Most of the time goes into imports: let the process get past them before it dies.
            process.wait(timeout=whole * moments.uniform(0.4, 1.0))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    assert killed
    done = subprocess.run(
        command(folder, ferplus), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    stored = finished(folder)
    assert stored is not None
    assert numbers(stored) == numbers(expected)


def test_a_results_folder_that_can_t_be_made_is_one_sentence(
    tmp_path: Path, ferplus: Path, toy: None
) -> None:
    blocked = tmp_path / "results"
    blocked.write_text("a file")
    with pytest.raises(StoreError, match="Choose another with --results"):
        execute(tmp_path, ferplus)


@pytest.mark.usefixtures("toy")
def test_runs_are_plain_json_without_anything_that_is_no_number(
    tmp_path: Path, ferplus: Path
) -> None:
    stored = execute(tmp_path, ferplus)
    for line in (stored.folder / "cells.jsonl").read_text().splitlines():
        record = json.loads(line, parse_constant=pytest.fail)
        assert isinstance(record["metrics"]["accuracy"]["value"], float)
        assert record["schema"] == SCHEMA
    assert not (stored.folder / "cells").exists()
