"""Components are timed in processes of their own, whatever they do there."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxbench import paired_timing, runner
from fxbench.environment import THREAD_VARIABLES
from fxbench.errors import FxbenchError, PluginError, UsageError
from fxbench.paired_timing import Paired, compare_environments, compared, interpreter
from fxbench.progress import Silent
from fxbench.recipe import Recipe
from fxbench.selection import Selection
from fxbench.store import StoredRun
from fxbench.tables_latency import latency_table
from fxbench.testing.slowed import Slowed
from fxbench.timed_apart import TimingProcess, images_file
from fxbench.types import Batch, Frames

PLUGIN = """
import os, signal, sys, time
import fxbench
from fxbench.component import Component

class Whole:
    def detect(self, images):
        from fxbench.types import Boxes
        return Boxes.from_lists([[(0, 0, i.shape[1], i.shape[0], 1)] for i in images])

def _prints():
    print("loading", flush=True)
    os.write(1, b"from C\\n")
    class Prints(Whole):
        def detect(self, images):
            print("{}", flush=True)
            assert sys.stdin.read() == ""
            return super().detect(images)
    return Prints()

def _dies():
    class Dies(Whole):
        def detect(self, images):
            sys.stderr.write("no room left\\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return Dies()

def _exits():
    sys.exit("the licence has expired")

def _hangs():
    time.sleep(60)

def _raises():
    class Raises(Whole):
        def detect(self, images):
            raise ValueError("a bad day")
    return Raises()

def _threaded():
    from fxbench.environment import thread_counts
    class Threaded(Whole):
        def __init__(self):
            import cv2, onnxruntime
            wrong = {n: v for n, v in os.environ.items() if n.endswith("_THREADS") and v != "1"}
            counts = thread_counts()
            if wrong or set(counts.values()) != {1}:
                raise RuntimeError(f"{wrong} {counts}")
    return Threaded()

def _apart():
    class Apart(Whole):
        def detect(self, images):
            if "timing_process" in sys.argv[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().detect(images)
    return Apart()

@fxbench.hookimpl
def fxbench_detectors():
    made = {"apart": _apart, "prints": _prints, "dies": _dies, "exits": _exits, "hangs": _hangs,
            "raises": _raises, "threaded": _threaded}
    return [Component(f"odd-{name}", "Odd.", factory) for name, factory in made.items()]
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin of components that do what they must not is installed."""
    folder = tmp_path / "packages"
    about = folder / "fxbench_odd-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fxbench-odd\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[fxbench]\nodd = fxbench_odd\n")
    (folder / "fxbench_odd.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def images() -> Iterator[Path]:
    pictures = tuple(np.full((16, 16, 3), i, np.uint8) for i in range(3))
    sample = Batch(np.arange(3), Frames.stills(("a", "b", "c"), pictures), None)
    with images_file(sample) as path:
        yield path


Start = Callable[..., TimingProcess]


@pytest.fixture
def start(odd: None, images: Path) -> Iterator[Start]:
    started: list[TimingProcess] = []

    def make(threads: int = 1, **more: Any) -> TimingProcess:
        recipe = Recipe(Selection(datasets=("mini",)))
        started.append(TimingProcess(recipe, images, threads, what="a test", **more))
        return started[-1]

    yield make
    for process in started:
        process.__exit__(None, None, None)


def test_what_a_component_prints_and_reads_breaks_nothing(start: Start) -> None:
    answer = start().ask({"do": "detector", "name": "odd-prints"})
    assert set(answer) == {"timed", "found", "state"}
    assert answer["found"]["frame"] == [0, 1, 2]
    assert answer["state"]["peak_bytes"] > 1_000_000
    assert answer["state"]["seconds"][0][:2] == ["detector", "odd-prints"]


def test_a_process_that_dies_says_so_at_once_and_ever_after(start: Start) -> None:
    process = start()
    for _ in range(2):
        with pytest.raises(PluginError, match=r"SIGKILL.*short of memory.*no room left"):
            process.ask({"do": "detector", "name": "odd-dies"})


def test_a_process_that_hangs_is_ended(start: Start) -> None:
    process = start()
    process._limit_s = 0.5
    with pytest.raises(PluginError, match=r"gave no answer .* and was ended"):
        process.ask({"do": "detector", "name": "odd-hangs"})
    assert process._process.wait(10) != 0


@pytest.mark.parametrize(
    ("name", "message"), [("odd-raises", "ValueError: a bad day"), ("odd-exits", "licence")]
)
def test_an_error_is_told_and_the_process_goes_on(start: Start, name: str, message: str) -> None:
    process = start()
    with pytest.raises(FxbenchError, match=message):
        process.ask({"do": "detector", "name": name})
    assert process.ask({"do": "detector", "name": "full-frame"})["timed"]


def test_an_unknown_component_and_an_unknown_request_are_refused(start: Start) -> None:
    process = start()
    with pytest.raises(FxbenchError, match="full-frme"):
        process.ask({"do": "detector", "name": "full-frme"})
    with pytest.raises(FxbenchError, match="no request 'dance'"):
        process.ask({"do": "dance"})


def test_threads_are_set_before_anything_is_loaded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "2")
    state = start(threads=1).ask({"do": "detector", "name": "odd-threaded"})["state"]
    assert state["threads_found"] == {"opencv": 1, "blas": 1, "onnxruntime": 1}
    assert os.environ["OMP_NUM_THREADS"] == "2"


def _python(folder: Path, code: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("echo hello; cat > /dev/null", "answered nonsense: 'hello"),
        ("echo '[1]'; cat > /dev/null", "answered nonsense"),
        ("echo No module named fxbench >&2; exit 3", "exit code 3.*No module named fxbench"),
        ("""echo '{"error": "protocol 0"}'; cat > /dev/null""", "protocol 0"),
    ],
)
def test_odd_answers_are_told(start: Start, tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(FxbenchError, match=message):
        start(python=_python(tmp_path, code))
    with pytest.raises(PluginError, match="can't be started"):
        start(python=tmp_path / "nowhere")


ANSWER = """read line; echo '{"answer": {}}'"""
AWAY = f"{sys.executable} -c 'import os, time; os.setsid(); time.sleep(8)'"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_what_a_process_started_ends_with_it(
    start: Start, tmp_path: Path, error: type[BaseException] | None
) -> None:
    begin = time.monotonic()
    python = _python(tmp_path, f"{ANSWER}; sleep 30 & cat > /dev/null")
    with contextlib.suppress(KeyboardInterrupt), start(python=python) as process:
        if error is not None:
            raise error
    # Nobody holds the pipe open any more, so that its reader came to the end.
    process._reader.join(5)
    assert not process._reader.is_alive()
    assert time.monotonic() - begin < 15


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_nobody_waits_for_what_left_the_group(start: Start, tmp_path: Path) -> None:
    with start(python=_python(tmp_path, f"{ANSWER}; {AWAY} & sleep 0.5; read line")) as process:
        begin = time.monotonic()
        with pytest.raises(PluginError, match="ended with exit code 0"):
            # It is dead, which the pipe doesn't say.
            process.ask({"do": "nothing"})
    process.__exit__(None, None, None)
    assert time.monotonic() - begin < 7


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (r"printf '\377\376 noise\n'", "answered nonsense: '\ufffd\ufffd noise"),
        ("exec >&-", "closed its output and was ended"),
    ],
)
def test_a_process_that_answers_no_more_is_ended(
    start: Start, tmp_path: Path, code: str, message: str
) -> None:
    begin = time.monotonic()
    with pytest.raises(PluginError, match=message):
        start(python=_python(tmp_path, f"{code}; exec sleep 30"), limit_s=1.0)
    assert time.monotonic() - begin < 10


def test_what_the_study_plants_is_work_and_no_waiting() -> None:
    class Waits:
        labels = face = None

        def predict(self, faces: Any) -> Any:
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass
            time.sleep(0.1)
            return faces

    begin = time.thread_time()
    assert Slowed(Waits(), 2.0).predict(7) == 7  # type: ignore[arg-type]
    assert 0.04 <= time.thread_time() - begin < 0.06


@pytest.fixture
def timed(tmp_path: Path, ferplus: Path, toy: None, odd: None) -> StoredRun:
    chosen = Selection(
        datasets=("ferplus",),
        split="valid",
        detectors=("toy-centre", "odd-apart"),
        classifiers=("toy-linear",),
        attacks=("none",),
        landmarkers=(),
    )
    prepared = runner.prepare(chosen, (f"ferplus.path={ferplus}",), folder=tmp_path)
    how = runner.Settings(tmp_path / "results", tmp_path / "cache", threads=1)
    return runner.run(prepared, how)


def test_a_run_times_each_component_apart_and_keeps_raw_samples(timed: StoredRun) -> None:
    import pyarrow.parquet as pq

    cells = {(c["axes"]["detector"], c["axes"]["classifier"]): c for c in timed.cells}
    record = cells["toy-centre", "toy-linear"]["latency"]
    assert record["process"] == "fresh"
    assert record["threads_found"]["opencv"] == 1
    assert record["peak_memory_bytes"] > 10_000_000
    assert [entry["batch"] for entry in record["throughput"]] == [1, 8, 17]
    assert 4 <= record["images"] <= 17
    assert record["samples"] == 10 * record["images"]
    assert (record["reference_p50"] is None) == (record["reference_why"] is not None)
    # A process that dies costs its own timing only.
    dead = cells["odd-apart", "toy-linear"]
    assert (dead["status"], dead["latency"]) == ("ok", None)
    assert "SIGKILL" in dead["latency_error"]
    assert runner.exit_code(timed) == 3
    path = timed.folder / "latency" / f"{cells['toy-centre', 'toy-linear']['id']}.parquet"
    table = pq.read_table(path).to_pandas()
    assert len(table) == record["samples"]
    assert table["block"].nunique() == 10
    whole = (table["detect_ns"] + table["crop_ns"] + table["predict_ns"]).median() / 1e6
    assert record["p50_ms"] == pytest.approx(whole)
    (row,) = (
        r
        for r in latency_table(timed.cells).rows
        if r["id"] == cells["toy-centre", "toy-linear"]["id"]
    )
    assert row["peak_memory_mb"] > 10
    assert row["images_per_s_8"] > 0


def test_tables_of_older_runs_can_still_be_read() -> None:
    old = {"p50_ms": 1.0, "p90_ms": 2.0, "p99_ms": 3.0, "samples": 17, "images_per_s": 9.0}
    axes = {"dataset": "d", "split": "s", "protocol": "p", "detector": "x", "classifier": "y"}
    cell = {"id": "1", "axes": axes, "status": "ok", "latency": old | {"batch": 64}}
    table = latency_table([cell])
    assert table.rows[0]["latency_p50_ms"] == 1.0
    assert not any(note.startswith("Units") for note in table.notes)
    # Measured and nowhere held: no column, so no note on one.
    cell["latency"] |= {"reference_p50": None, "reference_why": "a busy machine"}
    assert not any(note.startswith("Units") for note in latency_table([cell]).notes)
    cell["latency"] |= {"reference_p50": 7.5}
    assert any("known in 1 of 1 rows" in note for note in latency_table([cell]).notes)


def test_rounds_come_to_a_factor_with_an_interval() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 40)
    slow, same = compared((noise + np.log(1.3)).tolist(), 160), compared(noise.tolist(), 160)
    assert slow.low < slow.factor < slow.high
    assert slow.factor == pytest.approx(1.3, rel=0.05)
    assert slow.slower()
    assert slow.p < 0.001
    assert not same.slower()
    assert same.low < 1 < same.high
    assert not slow.slower(1.5)
    few = compared([0.1, 0.2, 0.3], 12)
    assert math.isnan(few.factor)
    assert "3 rounds are too few" in str(few.reason)
    assert not few.slower()
    assert not Paired(2, 0.9, 3, 10).slower()


def test_an_environment_is_a_python_or_a_folder_of_one(tmp_path: Path) -> None:
    assert interpreter(Path(sys.executable)) == Path(sys.executable)
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert interpreter(tmp_path / "venv") == python
    with pytest.raises(UsageError, match="is no environment"):
        interpreter(tmp_path)


def test_two_environments_are_compared_and_what_cannot_be_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paired_timing, "STARTS", 1)
    monkeypatch.setattr(paired_timing, "ROUNDS", 6)
    monkeypatch.setattr(paired_timing, "ROUNDS_S", 0.0)
    monkeypatch.setattr(paired_timing, "BLOCK_NS", 1e6)
    recipe = Recipe(
        Selection(
            datasets=("mini",), detectors=("full-frame",), classifiers=("prior",),
            attacks=("none",), landmarkers=(), limit=8,
        )
    )  # fmt: skip
    base = {"dataset": "mini", "split": "test", "protocol": "quick", "detector": "full-frame"}
    cells = [
        {"id": "one", "axes": base | {"classifier": "prior"}},
        {"id": "attacked", "axes": base | {"classifier": "prior", "attack": "fgsm"}},
        {"id": "new", "axes": base | {"classifier": "prior", "moon": "full"}},
        {"id": "far", "axes": base | {"classifier": "prior", "dataset": "mars"}},
    ]
    found = compare_environments(recipe, Path(sys.executable), cells, threads=1, observer=Silent())
    assert list(found) == ["one", "attacked", "new", "far"]
    assert found["one"].reason is None
    assert found["one"].blocks == 6 * 4
    assert found["one"].low <= found["one"].factor <= found["one"].high
    assert "pictures as they are" in str(found["attacked"].reason)
    assert "moon" in str(found["new"].reason)
    assert "not in the recipe's plan" in str(found["far"].reason)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_an_environment_without_timing_is_a_reason(tmp_path: Path) -> None:
    recipe = Recipe(
        Selection(datasets=("mini",), detectors=("full-frame",), classifiers=("prior",), limit=8)
    )
    axes = {"dataset": "mini", "split": "test", "protocol": "quick", "detector": "full-frame"}
    python = _python(tmp_path, "echo No module named fxbench.timing_process >&2; exit 1")
    cells = [{"id": "one", "axes": axes | {"classifier": "prior"}}]
    found = compare_environments(recipe, python, cells, threads=1, observer=Silent())
    assert "No module named fxbench.timing_process" in str(found["one"].reason)
