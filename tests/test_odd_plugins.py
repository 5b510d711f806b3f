"""Runs with components and datasets that do what they ought not to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import IMAGES, PLUGIN, Sign, Squares, Uniform, Whole, entry, reason, run, statuses

from fxbench import runner
from fxbench.component import Option, Terms, Weights
from fxbench.costs import costs
from fxbench.labels import EMOTIONS
from fxbench.options import resolve
from fxbench.registry import Registry, discover
from fxbench.selection import Selection
from fxbench.store import StoredRun
from fxbench.types import FaceSpec, Truth


@pytest.mark.parametrize(
    "bend",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1] + 100],
        lambda rows: [row + 1 for row in rows],
        lambda rows: rows[::-1],
    ],
)
def test_a_dataset_that_gives_other_rows_fails_its_cells(
    tmp_path: Path, bend: Callable[[list[int]], list[int]]
) -> None:
    stored = run(tmp_path, entry("dataset", "bent", lambda: Squares(bend)))
    assert set(statuses(stored).values()) == {"failed"}
    assert "bent" in reason(stored)
    assert not list((tmp_path / "cache").rglob("*.parquet")), "nothing of it is kept"
    assert runner.exit_code(stored) == 3


def test_a_dataset_that_fails_costs_its_own_cells_only(tmp_path: Path) -> None:
    def explode(rows: list[int]) -> list[int]:
        raise KeyError("gone")

    stored = run(
        tmp_path,
        entry("dataset", "aaa", lambda: Squares(explode)),
        entry("dataset", "squares", Squares),
    )
    by_dataset = {cell["axes"]["dataset"]: cell["status"] for cell in stored.cells}
    assert by_dataset == {"aaa": "failed", "squares": "ok"}
    assert "KeyError: 'gone'" in reason(stored)


def test_images_with_several_true_faces_are_scored_by_the_first(tmp_path: Path) -> None:
    def make() -> Squares:
        dataset = Squares()

        def truth(count: int) -> Truth:
            boxes = np.tile(np.array([0, 0, 8, 8], np.float32), (2 * count - 1, 1))
            return Truth(np.repeat(np.arange(count), 2)[1:], xyxy=boxes)

        dataset.truth = truth
        return dataset

    stored = run(tmp_path, entry("dataset", "crowded", make))
    assert set(statuses(stored).values()) == {"ok"}


def test_an_attack_that_can_t_be_loaded_fails_its_cells_and_no_others(tmp_path: Path) -> None:
    def broken() -> Any:
        raise ImportError("no such library")

    wrong = type("Wrong", (Sign,), {"norm": "l3"})
    stored = run(
        tmp_path,
        entry("attack", "unloadable", broken),
        entry("attack", "wrong-norm", wrong),
        entry("attack", "fine", Sign),
        epsilons=(0.0, 0.1),
    )
    assert statuses(stored) == {
        "uniform None None": "ok",
        "uniform unloadable 0.0": "failed",
        "uniform unloadable 0.1": "failed",
        "uniform wrong-norm 0.0": "failed",
        "uniform wrong-norm 0.1": "failed",
        "uniform fine 0.0": "ok",
        "uniform fine 0.1": "ok",
    }
    assert "no such library" in reason(stored)
    assert "'linf' or 'l2'" in reason(stored)


def test_an_attack_that_fails_at_one_epsilon_keeps_the_others(tmp_path: Path) -> None:
    class Picky(Sign):
        def perturb(self, *arguments: Any, epsilon: float, **more: Any) -> Any:
            if epsilon == 0:
                raise ZeroDivisionError
            return super().perturb(*arguments, epsilon=epsilon, **more)

    stored = run(tmp_path, entry("attack", "picky", Picky), epsilons=(0.0, 0.1))
    assert statuses(stored) == {
        "uniform None None": "ok",
        "uniform picky 0.0": "failed",
        "uniform picky 0.1": "ok",
    }


def test_a_budget_of_less_than_a_grey_level_is_no_robustness(tmp_path: Path) -> None:
    stored = run(tmp_path, entry("attack", "sign", Sign), epsilons=(0.003, 1 / 255))
    assert list(statuses(stored).values()) == ["ok", "ok", "ok", "skipped"]
    assert "take at least 1/255" in reason(stored)


@pytest.mark.parametrize("where", ["factory", "predict"])
def test_a_plugin_that_exits_is_a_failed_row(tmp_path: Path, where: str) -> None:
    class Quits(Uniform):
        def __init__(self) -> None:
            if where == "factory":
                sys.exit(0)

        def predict(self, faces: np.ndarray) -> np.ndarray:
            sys.exit(0)

    stored = run(
        tmp_path, entry("classifier", "quits", Quits), entry("classifier", "uniform", Uniform)
    )
    assert statuses(stored) == {"quits None None": "failed", "uniform None None": "ok"}
    assert "SystemExit" in reason(stored)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (type("NoPredict", (), {"labels": EMOTIONS, "face": FaceSpec(4)}), "it lacks predict"),
        (type("NoLabels", (Uniform,), {"labels": None}), "must be emotions"),
        (type("Wrong", (Uniform,), {"labels": ("joyful",)}), "hold ['joyful']"),
        (type("NoFace", (Uniform,), {"face": 4}), "must be a FaceSpec"),
    ],
)
def test_what_is_no_classifier_is_a_failed_row_that_says_why(
    tmp_path: Path, broken: Callable[..., Any], message: str
) -> None:
    stored = run(tmp_path, entry("classifier", "broken", broken))
    assert statuses(stored) == {"broken None None": "failed"}
    assert message in reason(stored)


def test_a_damaged_chunk_of_boxes_poisons_nothing(tmp_path: Path) -> None:
    first = entry("classifier", "uniform", Uniform)
    second = entry("classifier", "other", Uniform)
    run(tmp_path, first, results="one")
    for chunk in (tmp_path / "cache").rglob("*.parquet"):
        data = bytearray(chunk.read_bytes())
        data[20:60] = bytes(40)
        chunk.write_bytes(bytes(data))
    for results in ("two", "three"):
        stored = run(tmp_path, first, second, results=results)
        assert {cell["images"]["found"] for cell in stored.cells} == {IMAGES}
        assert set(statuses(stored).values()) == {"ok"}


def test_an_image_that_can_t_be_read_for_a_while_poisons_nothing(
    tmp_path: Path, ferplus: Path, toy: None
) -> None:
    image = sorted((ferplus / "FER2013Valid").glob("*.png"))[3]
    content = image.read_bytes()

    def execute(results: str, classifier: str, *, spoil: bool) -> StoredRun:
        selection = Selection(
            split="valid",
            detectors=("full-frame",),
            classifiers=(classifier,),
            attacks=("none",),
        )
        prepared = runner.prepare(selection, (f"ferplus.path={ferplus}",), discover(), tmp_path)
        if spoil:
            image.write_bytes(content[:50])
        settings = runner.Settings(
            tmp_path / results, tmp_path / "cache", threads=1, measure_latency=False
        )
        try:
            return runner.run(prepared, settings)
        finally:
            image.write_bytes(content)

    for attempt, classifier in enumerate(("toy-linear", "toy-seven")):
        spoilt = execute(f"spoilt-{attempt}", classifier, spoil=True)
        assert {cell["status"] for cell in spoilt.cells} == {"failed"}
        assert "have changed" in reason(spoilt)
        whole = execute(f"whole-{attempt}", classifier, spoil=False)
        assert all(cell["images"]["n"] == cell["images"]["found"] == 17 for cell in whole.cells)


def test_components_of_one_name_but_other_kinds_keep_their_own_weights_and_options(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.h5"
    file.write_bytes(b"weights")
    unknown = (Weights("a.h5", lambda: file, None, mend="none"),)
    whole = Option("size", "int", 1, "Whole.")
    real = Option("size", "float", 1.0, "Real.")
    got: list[object] = []

    def detector(size: int) -> Whole:
        got.append(size)
        return Whole()

    def classifier(size: float) -> Uniform:
        got.append(size)
        return Uniform()

    entries = (
        entry("detector", "same", detector, options=(whole,)),
        entry("classifier", "same", classifier, options=(real,), weights=unknown),
    )
    stored = run(tmp_path, *entries)
    assert [cell["weights"] for cell in stored.cells] == ["unverified"]
    options = resolve([one.component for one in entries], ["same.size=2"])
    assert [options.of(one.component)["size"] for one in entries] == [2, 2.0]
    assert [type(options.of(one.component)["size"]) for one in entries] == [int, float]


def test_the_price_counts_every_call(tmp_path: Path) -> None:
    calls: list[int] = []

    class Counts(Uniform):
        def predict(self, faces: np.ndarray) -> np.ndarray:
            calls.append(len(faces))
            return super().predict(faces)

    registry = Registry(
        (PLUGIN,),
        (
            entry("dataset", "squares", Squares),
            entry("detector", "one", Whole, traits=frozenset({"default"})),
            entry("detector", "two", Whole, traits=frozenset({"default"})),
            entry("classifier", "cloud", Counts, sends=True, price=0.01),
        ),
    )
    selection = Selection(classifiers=("cloud",))
    prepared = runner.prepare(selection, (), registry, tmp_path)
    announced = costs(prepared.plan)
    runner.run(prepared, runner.Settings(tmp_path / "results", tmp_path / "cache", threads=1))
    assert sum(calls) == announced.calls == 2 * IMAGES
    assert (announced.price, announced.unpriced) == (0.4, ())


def test_what_nobody_named_is_left_out_without_blame(tmp_path: Path) -> None:
    no_cloud = type("NoCloud", (Squares,), {"terms": Terms("made up", True, True, False)})
    stored = run(
        tmp_path,
        entry("dataset", "private", no_cloud),
        entry("classifier", "uniform", Uniform),
        entry("classifier", "cloud", Uniform, sends=True),
        entry("detector", "whole", Whole),
        entry("detector", "lame", Whole, requires=("nowhere",), traits=frozenset({"floor"})),
    )
    assert statuses(stored) == {"uniform None None": "ok", "cloud None None": "skipped"}
    assert runner.exit_code(stored) == 0


def test_of_all_datasets_those_without_the_split_are_left_out(tmp_path: Path) -> None:
    other = type("Other", (Squares,), {"splits": ("train",)})
    entries = (entry("dataset", "squares", Squares), entry("dataset", "other", other))
    stored = run(tmp_path, *entries, split="train")
    assert {cell["axes"]["dataset"] for cell in stored.cells} == {"other"}
    with pytest.raises(Exception, match="Unknown split of squares"):
        run(tmp_path, *entries, split="train", datasets=("squares", "other"))


def test_a_change_of_the_terms_is_another_run(tmp_path: Path) -> None:
    strict = type("Strict", (Squares,), {"terms": Terms("made up", False, False, False)})
    first = run(tmp_path, entry("dataset", "squares", Squares))
    second = run(tmp_path, entry("dataset", "squares", strict))
    assert second.run["datasets"]["squares"]["terms"]["may_show"] is False
    assert first.folder != second.folder


def test_a_run_without_its_cells_is_made_again(tmp_path: Path) -> None:
    stored = run(tmp_path)
    (stored.folder / "cells.jsonl").unlink()
    assert len(run(tmp_path).cells) == 1
