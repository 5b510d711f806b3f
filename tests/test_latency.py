"""How components are timed: warm-up, blocks, the reference between them, and what comes of it."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from fxbench import latency, sampling
from fxbench.latency import Found, Timed
from fxbench.reference_units import interval, judge, reference_ns
from fxbench.reference_work import Reference, unit
from fxbench.sampling import BLOCKS, Sampled, batch_sizes, batches, evenly, sample, warm_up
from fxbench.types import Boxes, FaceSpec


class Clockwork:
    """A reference that takes what it is told, without doing anything."""

    def __init__(self) -> None:
        self.passes, self.typical_ns, self.measured = 1, 1e6, 0

    def fit(self, sample_ns: float) -> None:
        self.passes = max(1, round(sample_ns / 1e6))

    def measure(self) -> int:
        self.measured += 1
        return 1_000_000 * self.passes


def made(samples: Any, reference: Any, items: int = 3) -> Sampled:
    """Samples whose blocks take so many times as long as usual, and so does the reference."""
    count = len(samples)
    block = np.repeat(np.arange(count), items)
    item = np.tile(np.arange(items), count)
    ns = (1000 * (1 + item) * np.repeat(samples, items)).astype(np.int64)
    passes = [(b, 2, int(2000 * factor)) for b, factor in enumerate(reference)]
    return Sampled(item, block, ns[:, None], np.array(passes), 10)


class Hands:
    """A clock that work moves."""

    def __init__(self) -> None:
        self.now = 0

    def perf_counter_ns(self) -> int:
        return self.now

    def perf_counter(self) -> float:
        return self.now / 1e9


@pytest.mark.parametrize(
    ("before", "then", "calls"),
    [
        ([20, 20, 20, 20, 20, 5, 5, 5, 5, 5], 1.0, 20),
        ([], 1.0, 10),
        ([100 * 0.97**i for i in range(80)], 1.0, 50),
        ([3000], 1.0, 10),
        ([9000], 1.0, 1),
    ],
)
def test_warming_up_ends_when_work_gets_no_faster(
    monkeypatch: pytest.MonkeyPatch, before: list[float], then: float, calls: int
) -> None:
    hands, left = Hands(), list(before)
    monkeypatch.setattr(sampling, "time", hands)

    def call(_: int) -> tuple[int, ...]:
        hands.now += int(1e6 * (left.pop(0) if left else then))
        return (1,)

    typical, fastest, made = warm_up(call, [0, 1])
    assert made == calls
    assert fastest <= typical
    if calls in (10, 20):
        assert typical == 1e6


def test_every_block_has_the_same_items_and_the_reference_runs_in_each() -> None:
    seen: list[int] = []

    def call(item: int) -> tuple[int, ...]:
        seen.append(item)
        return (1_500_000, 500_000)

    clock = Clockwork()
    sampled = sample(call, range(40), clock, 0.001)  # type: ignore[arg-type]
    per_block = [sampled.item[sampled.block == b].tolist() for b in range(BLOCKS)]
    assert len(np.unique(sampled.block)) == BLOCKS
    assert all(items == per_block[0] for items in per_block)
    assert set(sampled.reference[:, 0]) == set(range(BLOCKS))
    assert len(seen) > len(sampled.item) + 10  # What was not counted.
    assert sampled.parts.shape == (len(sampled.item), 2)
    read = Sampled.read(json.loads(json.dumps(sampled.record())))
    assert read.parts.tolist() == sampled.parts.tolist()
    assert read.reference.tolist() == sampled.reference.tolist()


def test_slow_work_has_fewer_items_and_smaller_batches() -> None:
    def call(_: int) -> tuple[int, ...]:
        time.sleep(5e-3)
        return (5_000_000,)

    sampled = sample(call, range(64), Clockwork(), 0.2)  # type: ignore[arg-type]
    assert len(np.unique(sampled.item)) == 4
    assert batch_sizes(64, 1e6) == (8, 64)
    assert batch_sizes(64, 1e8) == (8, 20)
    assert batch_sizes(64, 5e9) == ()
    assert batch_sizes(5, 1e6) == (5,)
    assert evenly(range(10), 4) == [0, 3, 6, 9]


def test_the_first_of_the_batches_is_not_counted() -> None:
    times = iter([10**9, *range(1, 100)])
    found = batches(lambda size: next(times) * size, [8])
    assert 10**9 * 8 not in found[8]
    assert len(found[8]) >= 3


def test_units_hold_where_nothing_moves() -> None:
    moved = judge(made([1, 1.01] * 5, [1, 1, 1, 1.01, 1.01] * 2))
    assert moved.why is None
    assert moved.correlation is not None
    assert moved.correlation < 0.8


def test_units_hold_where_samples_and_reference_move_together() -> None:
    load = np.array([1, 1.5, 2, 3, 2, 1, 1.2, 2.5, 1, 1])
    moved = judge(made(load, load * 1.02))
    assert moved.why is None
    assert moved.correlation == pytest.approx(1, abs=1e-3)
    assert moved.ratio == pytest.approx(1, abs=1e-3)
    assert moved.samples > 2


@pytest.mark.parametrize(
    ("samples", "reference", "why"),
    [
        ([1, 1, 2, 1, 1, 2, 1, 1, 2, 1], [1, 2, 1, 1, 2, 1, 1, 2, 1, 1], "did not move together"),
        ([1] * 10, [1, 2, 1, 1, 2, 1, 1, 2, 1, 1], "did not move together"),
        (
            [1, 1.1, 1.2, 1.3, 1, 1.1, 1.2, 1.3, 1, 1.1],
            [1, 4, 16, 64, 1, 4, 16, 64, 1, 4],
            "dividing adds to it",
        ),
        ([1, 2, 1, 2], [1, 2, 1, 2], "4 of the 6 blocks"),
    ],
)
def test_units_hold_nowhere_else(samples: list[float], reference: list[float], why: str) -> None:
    assert why in str(judge(made(np.array(samples), np.array(reference))).why)


def test_a_reference_is_as_long_as_a_sample_and_says_what_it_belongs_to() -> None:
    reference = Reference(1)
    reference.fit(5e6)
    assert reference.typical_ns <= 5e6 + reference._pass_ns
    short = reference.passes
    reference.fit(1e9)
    assert short <= reference.passes
    assert reference.typical_ns <= 15e6 + reference._pass_ns
    assert unit(1) != unit(2)
    assert Reference(2).measure() > 0


def test_a_chain_is_the_sum_for_one_image_in_one_block() -> None:
    detected = Timed(made(np.ones(8), np.ones(8)), {8: [8_000_000], 64: [32_000_000]})
    rest = Sampled(
        np.array([0, 2, 0, 2]),
        np.array([0, 0, 3, 3]),
        np.array([[10, 20], [30, 40], [50, 60], [70, 80]]),
        np.array([[0, 1, 500], [3, 1, 500]]),
        10,
    )
    rows = np.array([100, 101, 102])
    timed = Timed(rest, {8: [8_000_000]})
    columns, meta = latency.chain(rows, detected, timed, follows=True)
    assert columns["row"].tolist() == [100, 102, 100, 102]
    assert columns["detect_ns"].tolist() == [1000, 3000, 1000, 3000]
    assert columns["predict_ns"].tolist() == [20, 40, 60, 80]
    assert columns["reference_ns"].tolist() == [500] * 4
    found = latency.summary(columns, meta)
    assert found is not None
    assert found["p50_ms"] == pytest.approx((1110 + 3070) / 2 / 1e6)
    assert (found["samples"], found["images"]) == (4, 2)
    assert found["throughput"][-1] == {"batch": 8, "images_per_s": pytest.approx(500)}
    # What follows takes a small share, so that it needs no reference of its own.
    assert found["reference_why"] is None
    assert found["reference_p50"] == pytest.approx((1.22 + 3.14) / 2)


def test_an_image_without_a_face_is_no_sample() -> None:
    detected = Timed(made(np.ones(8), np.ones(8)), {})
    columns, meta = latency.chain(np.arange(3), detected, None, follows=True)
    assert latency.summary(columns, meta) is None
    alone, meta = latency.chain(np.arange(3), detected, None, follows=False)
    assert latency.summary(alone, meta) is not None


def test_an_interval_holds_its_median_and_widens_with_the_blocks() -> None:
    block = np.repeat(np.arange(10), 5)
    narrow = interval(np.full(50, 3.0), block)
    assert narrow == pytest.approx((3, 3))
    low, high = interval(3.0 + block / 10, block)
    assert low is not None
    assert high is not None
    assert low < 3.45 < high
    assert interval(np.ones(5), np.zeros(5, np.int64)) == (None, None)


def test_the_reference_of_a_block_is_the_median_of_its_passes() -> None:
    sampled = made(np.ones(3), [1, 2, 3])
    assert reference_ns(sampled, np.array([2, 0])).tolist() == [3000, 1000]


class Halves:
    """A face in every other image."""

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        return Boxes.from_lists([[(0, 0, 8, 8, 1)] if i[0, 0, 0] % 2 else [] for i in images])


class Plain:
    labels = ("happiness", None)
    face = FaceSpec(8)

    def predict(self, faces: np.ndarray) -> np.ndarray:
        return np.full((len(faces), 2), 0.5, np.float32)


def test_a_detector_and_what_follows_are_timed_on_the_same_images() -> None:
    images = tuple(np.full((16, 16, 3), i, np.uint8) for i in range(20))
    reference = Reference(1)
    detected, found = latency.time_detector(Halves(), images, None, reference)
    assert found.frame.tolist() == list(range(1, 20, 2))
    rest = latency.time_rest(latency.classify(Plain()), images, found, detected, reference)
    assert rest is not None
    assert set(rest.sampled.item) == set(found.frame)
    assert set(rest.batches) == set(detected.batches) == {8, 20}
    nobody = Found(np.zeros(0, np.int64), np.zeros((0, 4), np.float32))
    assert latency.time_rest(latency.nothing_more, images, nobody, detected, reference) is None
    again = Timed.read(json.loads(json.dumps(detected.record())))
    assert again.batches == dict(detected.batches)
