"""Workers that come, go, hang and are unfit: what the process that divides the work makes of it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up import PLUGIN, Squares, Uniform, Whole, entry

from fxbench import cluster, environment, pool, remote, runner
from fxbench.batching import Stretch
from fxbench.chunks import Chunks, DamagedChunkError
from fxbench.cluster import Cluster, LostError
from fxbench.division import Share
from fxbench.errors import FxbenchError, StoppedError, UnavailableError, UsageError
from fxbench.pipeline import Pipeline
from fxbench.pool import Job, Pool
from fxbench.progress import Silent
from fxbench.recipe import Recipe
from fxbench.registry import Registry
from fxbench.remote import Known, Outcome, Readiness
from fxbench.selection import Selection
from fxbench.workers import Workers, executor

FIT = Readiness(None, "host", "cpu")


class Fake:
    """Workers without processes: each call is answered as `answers` says."""

    address = None
    dashboard = None
    memory = 2_000_000_000

    def __init__(self, answers: Callable[[str, Any, tuple[Any, ...]], Any], *names: str) -> None:
        self.answers = answers
        self.names = set(names)
        self.count: int | None = len(names)
        self.queue: list[tuple[str, Any]] = []
        self.opened = self.closed = 0
        self.shares: list[tuple[str, Share]] = []

    def open(self, topic: str) -> None:
        self.opened += 1

    def close(self) -> None:
        self.closed += 1

    def workers(self) -> set[str]:
        return set(self.names)

    def call(self, label: int, worker: str, function: Any, *arguments: Any) -> None:
        if function is remote.compute:
            self.shares.append((worker, arguments[1]))
        answer = self.answers(worker, function, arguments)
        if isinstance(answer, BaseException):
            self.queue.append(("failure", (label, str(answer))))
        elif answer is not None:
            self.queue.append(("answer", (label, answer)))

    def forget(self, label: int) -> None:
        self.queue = [e for e in self.queue if e[0] == "news" or e[1][0] != label]

    def events(self, seconds: float) -> Iterator[tuple[str, Any]]:
        queue, self.queue = self.queue, []
        yield from queue


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.units = 0

    def advance(self, units: int, what: str) -> None:
        self.units += units

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "LOOK_EVERY_S", 0.0)


def plan(tmp_path: Path) -> runner.Prepared:
    entries = (
        entry("dataset", "squares", Squares),
        entry("detector", "whole", Whole),
        entry("classifier", "uniform", Uniform),
    )
    selection = Selection(detectors=("whole",), classifiers=("uniform",), attacks=("none",))
    return runner.prepare(selection, (), Registry((PLUGIN,), entries), tmp_path)


def pool_of(tmp_path: Path, fake: Any, observer: Any = None) -> Pool:
    made = plan(tmp_path)
    recipe = Recipe(Selection())
    return Pool(made.plan, recipe, fake, tmp_path / "cache", 1, observer or Told())


def always(answer: Any) -> Callable[[str, Any, tuple[Any, ...]], Any]:
    return lambda worker, function, arguments: FIT if function is remote.prepare else answer


def run_on(tmp_path: Path, fake: Any, observer: Any = None) -> Pipeline:
    """Run the plan's only source on such workers."""
    made = plan(tmp_path)
    chunks = Chunks(tmp_path / "cache")
    told = observer or Told()
    hands = pool_of(tmp_path, fake, told)
    hands.start()
    pipeline = Pipeline(made.plan, chunks, made.loader, told)
    (source,) = made.plan.sources
    Workers(made.plan, chunks, hands, told).run(pipeline, source, pipeline.pending(source))
    return pipeline


def test_a_share_is_given_to_each_worker_that_has_none(tmp_path: Path) -> None:
    fake, told = Fake(always(Outcome()), "a", "b"), Told()
    run_on(tmp_path, fake, told)
    assert {name for name, _ in fake.shares} == {"a", "b"}
    stretches = sorted((s.stretch.begin, s.stretch.end) for _, s in fake.shares if s.stretch)
    assert stretches == [(0, 8), (8, 20)]
    assert told.units == 2 * 20


def test_no_worker_at_all_ends_the_run_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WAIT_S", 0.05)
    with pytest.raises(StoppedError, match="There are no workers any more") as stopped:
        pool_of(tmp_path, Fake(always(None))).start()
    assert stopped.value.exit_code == 4


def test_an_unfit_worker_is_named_and_gets_nothing(tmp_path: Path) -> None:
    def answers(worker: str, function: Any, arguments: Any) -> Any:
        if function is remote.prepare:
            return FIT if worker == "a" else Readiness("lacks dlib", "host", "cpu")
        return Outcome()

    fake, told = Fake(answers, "a", "b"), Told()
    run_on(tmp_path, fake, told)
    assert {name for name, _ in fake.shares} == {"a"}
    assert told.notes == ["The worker b on host lacks dlib."]


def test_where_all_are_unfit_the_run_is_refused_with_their_reasons(tmp_path: Path) -> None:
    def answers(worker: str, function: Any, arguments: Any) -> Any:
        return Readiness("lacks dlib", "host", "cpu") if worker == "a" else ImportError("fxbench")

    with pytest.raises(UnavailableError, match="a on host lacks dlib") as refused:
        pool_of(tmp_path, Fake(answers, "a", "b")).start()
    assert "b can't run fxbench (fxbench)" in str(refused.value)
    assert refused.value.exit_code == 2


def test_workers_that_end_while_they_get_ready_end_the_run(tmp_path: Path) -> None:
    fake = Fake(lambda *call: None, "a")
    hands = pool_of(tmp_path, fake)
    numbers = iter(range(100))

    def workers() -> set[str]:
        return {f"a{next(numbers)}"}

    fake.workers = workers  # type: ignore[method-assign]
    with pytest.raises(StoppedError, match=r"end while they get ready \(each may take 2\.0 GB"):
        hands.start()


def test_a_share_over_which_workers_end_again_and_again_is_given_up(tmp_path: Path) -> None:
    numbers = iter(range(100))

    def answers(worker: str, function: Any, arguments: Any) -> Any:
        if function is remote.prepare:
            return FIT
        fake.names = {f"later{next(numbers)}"}
        return None

    fake = Fake(answers, "a")
    with pytest.raises(StoppedError, match="Workers ended over images of squares"):
        run_on(tmp_path, fake)
    assert len(fake.shares) == 3


def test_a_share_that_is_left_lying_goes_to_another_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "BEGIN_S", 0.2)

    def answers(worker: str, function: Any, arguments: Any) -> Any:
        if worker == "paused":
            return FIT if function is remote.prepare and not fake.shares else None
        return FIT if function is remote.prepare else Outcome()

    fake = Fake(answers, "paused")
    real = fake.call

    def call(label: int, worker: str, function: Any, *arguments: Any) -> None:
        real(label, worker, function, *arguments)
        if worker == "paused" and function is remote.compute:
            fake.names.add("awake")

    fake.call = call  # type: ignore[method-assign]
    run_on(tmp_path, fake)
    assert [name for name, _ in fake.shares] == ["paused", "awake", "awake"]


def test_a_call_that_fails_over_there_is_repeated(tmp_path: Path) -> None:
    outcomes = iter([RuntimeError("odd"), *[Outcome()] * 9])
    told = Told()
    fake = Fake(lambda w, f, a: FIT if f is remote.prepare else next(outcomes), "a")
    run_on(tmp_path, fake, told)
    assert "A share failed, and is computed again: odd" in told.notes


@pytest.mark.parametrize(
    ("state", "error"),
    [("stopped", StoppedError), ("damaged", DamagedChunkError), ("failed", FxbenchError)],
)
def test_what_stops_one_process_stops_workers_likewise(
    tmp_path: Path, state: str, error: type[FxbenchError]
) -> None:
    with pytest.raises(error, match="because of that"):
        run_on(tmp_path, Fake(always(Outcome(state, "because of that")), "a"))


def test_stretches_of_large_images_are_read_from_the_begin(tmp_path: Path) -> None:
    def answers(worker: str, function: Any, arguments: Any) -> Any:
        if function is remote.prepare:
            return FIT
        return Outcome("uneven" if arguments[1].stretch.even else "done")

    fake = Fake(answers, "a", "b")
    run_on(tmp_path, fake)
    done = [share.stretch for _, share in fake.shares if share.stretch and not share.stretch.even]
    assert sorted((s.begin, s.end) for s in done) == [(0, 8), (8, 20)]


def test_what_failed_before_is_told_and_the_first_error_counts(tmp_path: Path) -> None:
    seen: list[Known] = []

    def answers(worker: str, function: Any, arguments: Any) -> Any:
        if function is remote.prepare:
            return FIT
        _, share, known, _ = arguments
        seen.append(known)
        return Outcome(errors={cell: f"in {share.stretch.begin}"})

    made = plan(tmp_path)
    (source,) = made.plan.sources
    cell = made.plan.runnable(source)[0]
    pipeline = run_on(tmp_path, Fake(answers, "a"))
    assert pipeline.errors == {cell: "in 0"}
    assert [dict(known.errors) for known in seen] == [{}, {cell: "in 0"}]


def test_a_connection_that_is_lost_is_made_again(tmp_path: Path) -> None:
    lost = iter([False, True])

    class Lossy(Fake):
        def workers(self) -> set[str]:
            if next(lost, False):
                raise LostError
            return super().workers()

    fake, told = Lossy(always(Outcome()), "a"), Told()
    run_on(tmp_path, fake, told)
    assert fake.opened == 2
    assert any("connection to the scheduler is lost" in note for note in told.notes)
    assert len({share for _, share in fake.shares}) == 2


def test_a_share_that_fails_with_the_connection_is_given_again(tmp_path: Path) -> None:
    class Lossy(Fake):
        lost = False

        def call(self, label: int, worker: str, function: Any, *arguments: Any) -> None:
            if self.lost and self.opened == 1:
                raise LostError
            self.lost = function is remote.compute
            super().call(label, worker, function, *arguments)

    outcomes = iter([RuntimeError("odd"), *[Outcome()] * 9])
    fake = Lossy(lambda w, f, a: FIT if f is remote.prepare else next(outcomes), "a")
    hands = pool_of(tmp_path, fake)
    hands.start()
    job = Job(0, Share(0, 0), 1)
    hands.give("a", job, Known({}, frozenset(), (), thorough=False))
    assert list(hands.wait()) == [(job, None)]
    assert fake.opened == 2
    assert not hands._hands, "and no worker holds it"


def test_progress_of_a_worker_that_ended_is_counted_once(tmp_path: Path) -> None:
    told = Told()
    hands = pool_of(tmp_path, Fake(always(None), "a"), told)
    hands.start()
    job = Job(0, Share(0, 0, Stretch(0, 8)), 100)
    (worker,) = hands.idle()
    hands.give(worker, job, Known({}, frozenset(), (), thorough=False))
    label = hands._hands[worker].label
    for units in (60, 60):
        hands._news({"share": label, "units": units, "what": "x"})
    assert told.units == job.told == 100
    hands._news({"share": label + 1, "units": 5})
    assert told.units == 100, "of a call that nobody waits for"


def test_settings_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    made = plan(tmp_path)
    for how in ({"workers": 2, "scheduler": "tcp://x:1"}, {"workers": 0}):
        settings = runner.Settings(tmp_path, **how)
        chunks = Chunks(tmp_path)
        with (
            pytest.raises(UsageError, match=r"give one of them|at least 1"),
            executor(made.plan, Recipe(Selection()), chunks, settings, [], Told()),
        ):
            pass


def test_without_dask_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"pip install 'fxbench\[dask\]'"):
        Cluster(2, None).open("topic")


def test_credentials_of_a_scheduler_are_neither_recorded_nor_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(always(Outcome()))
    fake.address = "tcp://me:secret@head:8786"  # type: ignore[assignment]
    assert pool_of(tmp_path, fake).record["scheduler"] == "tcp://head:8786"

    def client(error: Exception) -> Any:
        def fail(about: str, **_: Any) -> None:
            raise type(error)(f"odd: {about}")

        return types.SimpleNamespace(Client=fail, parse_address=lambda *_: None)

    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    for error, kind in ((ValueError(), UsageError), (OSError(), StoppedError)):
        monkeypatch.setattr(cluster, "import_module", lambda name, e=error: client(e))
        with pytest.raises(kind, match="odd: tcp://head:8786") as told:
            Cluster(None, fake.address).open("topic")
        assert "secret" not in str(told.value)


def test_threads_of_a_library_that_is_loaded_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[int] = []
    tool = types.SimpleNamespace(threadpool_limits=lambda *, limits: set_to.append(limits))
    monkeypatch.setitem(sys.modules, "threadpoolctl", tool)
    for variable in environment.THREAD_VARIABLES:
        monkeypatch.setenv(variable, "1")
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    remote._fix_threads(3)
    assert set_to == [3]
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    remote._fix_threads(3)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"fxbench": "0.0"}, "install that one"),
        ({"core": ["0", "0"]}, "has other code of fxbench"),
        ({"components": {"detector whole": "0"}}, "has another detector whole"),
        ({"components": {"detector gone": "0"}}, "can't run the detector gone"),
        ({"sources": {"squares test (single)": "0"}}, "has other images of squares"),
        ({}, "comes to another plan"),
    ],
)
def test_a_worker_says_in_what_it_differs(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    made = plan(tmp_path).plan
    facts = remote.facts_of(made)
    if "components" in change:
        change = {"components": facts["components"] | change["components"]}
    assert why in remote._difference(made, facts | change)


def test_a_component_that_lacks_its_extra_is_named_with_what_mends_it(tmp_path: Path) -> None:
    entries = (
        entry("dataset", "squares", Squares),
        entry("detector", "whole", Whole),
        entry("classifier", "uniform", Uniform),
        entry("detector", "needy", Whole, requires=("not_a_module",), extra="dlib"),
    )
    selection = Selection(detectors=("whole",), classifiers=("uniform",), attacks=("none",))
    made = runner.prepare(selection, (), Registry((PLUGIN,), entries), tmp_path).plan
    facts = remote.facts_of(made)
    facts["components"]["detector needy"] = "0"
    assert remote._difference(made, facts) == (
        "can't run the detector needy (missing extra): It needs not_a_module. → "
        "pip install 'odd[dlib]'"
    )
