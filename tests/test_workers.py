"""Runs on workers: the numbers of one process, whatever ends meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fxbench import cluster, environment, pool, runner
from fxbench.chunks import Chunks
from fxbench.errors import StoppedError, UnavailableError
from fxbench.progress import Silent
from fxbench.selection import Selection
from fxbench.store import StoredRun, load

psutil: Any = pytest.importorskip("psutil", reason="needs the extra dask")
distributed: Any = pytest.importorskip("distributed", reason="needs the extra dask")

ROOT = Path(__file__).resolve().parent.parent
TOY = ROOT / "tests" / "toy"
PATH = os.environ.get("PYTHONPATH", "")
WITH_TOY = os.pathsep.join(filter(None, (str(TOY), PATH)))
SELECTION = Selection(
    datasets=("mini",),
    detectors=("toy-centre", "full-frame"),
    classifiers=("toy-linear", "toy-seven", "toy-broken"),
    landmarkers=("mean-shape",),
    attacks=("none", "fgsm"),
    epsilons=(0.0, 0.1),
)
pytestmark = [
    pytest.mark.timeout(300),
    # Dask and tornado leave sockets to the garbage collector where a process is killed.
    pytest.mark.filterwarnings("ignore"),
]


class Told(Silent):
    """Keeps what it is told, and acts once there is some progress."""

    def __init__(self, act: Callable[[], Any] | None = None) -> None:
        self.notes: list[str] = []
        self.units = self.done = 0
        self.act = act

    def start(self, units: int, cells: int, gradients: int = 0, queries: int = 0) -> None:
        self.units = units

    def advance(self, units: int, what: str) -> None:
        self.done += units
        if self.act is not None and units:
            act, self.act = self.act, None
            act()

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def toy_everywhere(toy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", WITH_TOY)


def execute(
    folder: Path, observer: Any = None, *, selection: Selection = SELECTION, **how: Any
) -> StoredRun:
    prepared = runner.prepare(selection, (), folder=folder)
    settings = runner.Settings(
        folder / "results", folder / "cache", threads=1, measure_latency=False, **how
    )
    return runner.run(prepared, settings, observer)


def numbers(stored: StoredRun) -> list[dict[str, Any]]:
    cells = [{k: v for k, v in dict(c).items() if k != "latency"} for c in stored.cells]
    # How long things took is no result.
    return json.loads(json.dumps(cells), parse_float=float)


def chunks_of(folder: Path) -> dict[str, Any]:
    found, chunks = {}, Chunks(folder / "cache")
    for key, _ in chunks.sizes():
        chunk = chunks.read(key)
        assert chunk is not None
        columns = {n: (c.dtype.str, c.shape, c.tobytes()) for n, c in chunk.columns.items()}
        found[key] = columns, {k: v for k, v in chunk.meta.items() if k != "seconds"}
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], dict[str, Any]]:
    """What one process comes to: numbers, and what it keeps."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOY)
        stored = execute(folder)
    assert stored.run["workers"] is None
    return numbers(stored), chunks_of(folder)


def test_two_workers_come_to_the_numbers_of_one_process(
    tmp_path: Path, expected: tuple[list[Any], dict[str, Any]]
) -> None:
    heard: list[str] = []

    def listening() -> None:
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            found = process.net_connections(kind="inet")
            heard.extend(one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN)

    observer = Told(listening)
    stored = execute(tmp_path, observer, workers=2)
    assert set(heard) == {"127.0.0.1"}, "nobody on the network can reach a worker"
    assert numbers(stored) == expected[0]
    assert chunks_of(tmp_path) == expected[1], "and to the same files, without leftovers"
    assert not list((tmp_path / "cache").glob("*.mark"))
    assert stored.run["workers"]["threads"] == 1
    assert [m["workers"] for m in stored.run["workers"]["machines"]] == [2]
    assert observer.done == observer.units
    assert sum(c["status"] == "failed" for c in stored.cells) > 0, "toy-broken, with its error"
    # The same command, without workers, finds it all computed.
    assert numbers(execute(tmp_path)) == expected[0]


def test_a_worker_begins_with_the_threads_that_it_is_to_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = environment.THREAD_VARIABLES
    monkeypatch.setenv(variables[0], "7")
    monkeypatch.delenv(variables[1], raising=False)
    here = [os.environ.get(name) for name in variables]
    started = cluster.Cluster(1, None, threads=2)

    def asked(function: Any, *arguments: Any) -> Any:
        (worker,) = started.workers()
        started.call(0, worker, function, *arguments)
        return next(started.events(60.0))[1][1]

    try:
        started.open("topic")
        assert [os.environ.get(name) for name in variables] == here
        assert [asked(os.getenv, name) for name in variables] == ["2"] * len(variables)
        before = started.workers()
        os.kill(asked(os.getpid), signal.SIGTERM)
        deadline = time.monotonic() + 60
        while not started.workers() - before:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert [asked(os.getenv, name) for name in variables] == ["2"] * len(variables)
    finally:
        started.close()
    assert [os.environ.get(name) for name in variables] == here


def test_a_worker_that_is_killed_costs_its_share_alone(
    tmp_path: Path, expected: tuple[list[Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_DIE", str(tmp_path / "die"))
    monkeypatch.setenv("TOY_SLEEP", "0.05")
    observer = Told(lambda: [(tmp_path / f"die{n}").touch() for n in range(2)])
    stored = execute(tmp_path, observer, workers=2)
    assert numbers(stored) == expected[0]
    assert chunks_of(tmp_path) == expected[1]
    assert sum("A worker ended" in note for note in observer.notes) == 2
    assert observer.done == observer.units, "nothing is counted twice"


def test_workers_that_run_out_of_memory_stop_the_run_with_a_sentence(
    tmp_path: Path, expected: tuple[list[Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distributed.system.MEMORY_LIMIT", 1_200_000_000)
    monkeypatch.setenv("TOY_HOARD", str(tmp_path / "hoard"))
    (tmp_path / "hoard").touch()
    with pytest.raises(StoppedError, match=r"may take 1\.2 GB of memory") as stopped:
        execute(tmp_path, workers=1)
    assert stopped.value.exit_code == 4
    assert "the same command goes on" in str(stopped.value)
    (tmp_path / "hoard").unlink()
    assert numbers(execute(tmp_path)) == expected[0]


class Site:
    """A scheduler and workers that are started as a cluster starts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, workers: int = 2, path: str = WITH_TOY) -> None:
        if self.scheduler is None:
            self.scheduler = self._process(
                "dask_scheduler", "--host=127.0.0.1", f"--port={self.port}", "--no-dashboard"
            )
            self._wait_for_scheduler()
        for _ in range(workers):
            self.workers.append(
                self._process(
                    "dask_worker",
                    self.address,
                    "--nthreads=1",
                    "--no-nanny",
                    "--no-dashboard",
                    f"--local-directory={self.folder / 'scratch'}",
                    path=path,
                )
            )

    def _wait_for_scheduler(self) -> None:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail("the scheduler did not start")

    def _process(self, module: str, *arguments: str, path: str = PATH) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self, *, workers: bool = True) -> None:
        ending = [*(self.workers if workers else ()), *([self.scheduler] if self.scheduler else ())]
        for process in ending:
            process.kill()
            process.wait()
        self.scheduler = None
        self.workers = []


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.stop()


def test_a_scheduler_that_is_restarted_meanwhile_costs_nothing(
    tmp_path: Path,
    expected: tuple[list[Any], dict[str, Any]],
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOY_SLEEP", "0.05")

    def restart() -> None:
        site.stop()
        site.start()

    site.start()
    observer = Told(restart)
    stored = execute(tmp_path, observer, scheduler=site.address)
    assert numbers(stored) == expected[0]
    assert chunks_of(tmp_path) == expected[1]
    assert any("connection to the scheduler is lost" in note for note in observer.notes)
    assert stored.run["workers"]["scheduler"] == site.address


def test_a_scheduler_that_is_gone_stops_the_run_and_one_process_goes_on(
    tmp_path: Path,
    expected: tuple[list[Any], dict[str, Any]],
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOY_SLEEP", "0.05")
    monkeypatch.setattr(cluster, "CONNECT_S", 5.0)
    site.start()

    def end() -> None:
        site.stop()
        monkeypatch.setattr(pool, "WAIT_S", 1.0)

    with pytest.raises(StoppedError, match="The scheduler is gone") as stopped:
        execute(tmp_path, Told(end), scheduler=site.address)
    assert stopped.value.exit_code == 4
    monkeypatch.setenv("TOY_SLEEP", "0")
    assert numbers(execute(tmp_path)) == expected[0]


def test_a_worker_that_lacks_something_is_told_and_left_out(
    tmp_path: Path, expected: tuple[list[Any], dict[str, Any]], site: Site
) -> None:
    site.start(1, path=PATH)
    with pytest.raises(UnavailableError, match="No worker can do this run") as refused:
        execute(tmp_path, scheduler=site.address)
    assert "can't make the plan: Unknown detector 'toy-centre'" in str(refused.value)
    site.start(1)
    with distributed.Client(site.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    observer = Told()
    stored = execute(tmp_path, observer, scheduler=site.address)
    assert numbers(stored) == expected[0]
    assert sum(m["workers"] for m in stored.run["workers"]["machines"]) == 1


def test_a_wrong_address_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with pytest.raises(StoppedError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"):
        execute(tmp_path, scheduler="tcp://127.0.0.1:9")


KILLS = int(os.environ.get("FXBENCH_KILLS", "10"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.timeout(KILLS * 60)
def test_a_matrix_killed_at_random_across_executors_ends_with_the_same_numbers(
    tmp_path: Path, expected: tuple[list[Any], dict[str, Any]]
) -> None:
    """Ten kills: of the whole command, with workers or without, and of single workers."""
    environment = os.environ | {
        "PYTHONPATH": WITH_TOY,
        "FXBENCH_CACHE": str(tmp_path / "cache"),
        "TOY_SLEEP": "0.1",
        "TOY_DIE": str(tmp_path / "die"),
        "TOY_LOG": str(tmp_path / "log"),
    }
    given = random.Random(11)
    command = [
        *(sys.executable, "-m", "fxbench", "run", "--datasets=mini"),
        *(
            "--detectors=toy-centre,full-frame",
            "--landmarkers=mean-shape",
            "--threads=1",
            "--no-latency",
        ),
        *("--classifiers=toy-linear,toy-seven,toy-broken", "--attacks=none,fgsm"),
        *("--epsilons=0,0.1", f"--results={tmp_path / 'results'}"),
    ]

    def log() -> int:
        path = tmp_path / "log"
        return path.stat().st_size if path.is_file() else 0

    kills = 0
    while kills < KILLS:
        workers = given.choice((0, 1, 2, 2))
        before = log()
        process = subprocess.Popen(
            [*command, *([f"--workers={workers}"] if workers else [])],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        begin = time.monotonic()
        while process.poll() is None and log() <= before and time.monotonic() - begin < 60:
            time.sleep(0.05)
        if workers == 2 and given.random() < 0.5:
            (tmp_path / f"die{kills}").touch()
            time.sleep(1.0)
            kills += not (tmp_path / f"die{kills}").exists()
        time.sleep(given.uniform(0.0, 0.6))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        for path in tmp_path.glob("die*"):
            path.unlink(missing_ok=True)
        assert process.returncode in (3, -signal.SIGKILL)
        if process.returncode == 3:
            # It came to its end: begin anew, with what remains to be killed.
            for path in (tmp_path / "cache" / "chunks").glob("??/*.parquet"):
                path.unlink()
    environment["TOY_SLEEP"] = "0"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    (folder,) = {path.parent for path in (tmp_path / "results").glob("*/run.json")}
    assert numbers(load(folder)) == expected[0]
